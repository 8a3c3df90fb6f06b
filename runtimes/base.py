"""What every runtime offers, and the words its callers use.

A runtime is one kind of box (the design's *backend*).  The trial engine knows
only these protocols; nothing in it asks which backend it is talking to.

The life of a box::

    runtime.availability()             can it run here?  why not, and what to do
    with runtime.prepare(site) as engine:      images, daemons, networks: once per run
        instance = engine.start(spec)          one box; its main process is the agent
        instance.agent.run([...])              work inside
        instance.stats()                       what exists because of it
        instance.stop(timeout_s=5)             its processes end
        instance.remove()                      nothing of it is left

Times are integer nanoseconds of the host's monotonic clock (``time.monotonic_ns``).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from runtimes.agent.channel import Agent
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.resources import InstanceStats, Limits, LimitsRead

PHASES = (
    "request",
    "process",
    "running",
    "user_space",
    "engine",
    "contained",
    "first_byte",
    "http_200",
    "stop_request",
    "stopped",
    "removed",
)
"""Instants of every box's life, in order, on the host's clock; a box without one leaves it out.

process: the box's first process exists (the clone; QEMU; a created container has none yet).
running: its first instruction (the agent's exec; a guest's firmware or kernel).
user_space: a guest's kernel is done and its first process runs.
engine: inside a guest, the engine that is to start the box answers.
contained: inside a guest, the container's main process has been executed.
stopped: its processes are gone.  removed: nothing of it is left.

A runtime's ``marks`` may hold further instants of its own.
"""

DEFAULT_PROFILE = "default"


class Capability(enum.Enum):
    """What a backend can do beyond start and stop."""

    NETWORK = "network"
    """The box has an address and reaches the peer."""
    VOLUME = "volume"
    """A box that is given a volume finds it at ``VOLUME_PATH``."""
    ROOT = "root"
    """The box can write to its own root, which is on the host's disk: at ``ROOT_SCRATCH``."""
    IMAGE = "image"
    """The files of its image are the box's own to change; a change is gone with the box."""
    LIMITS = "limits"
    """CPU set, CPU quota and memory limit are enforced."""
    STATS = "stats"
    """Processes, memory and disk of a box can be read from outside."""
    IMAGINARY = "imaginary"
    """It starts nothing, so it needs neither root nor a root filesystem nor the testbed."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a backend runs on this host; if not, why, and what to do about it."""

    ok: bool
    reason: str
    fix: str = ""
    caution: str = ""
    """What a reader should know although it runs, e.g. that its guests will be emulated."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One box's place in the testbed network.  Handed out by the harness, one per slot."""

    slot: int
    address: str
    """IPv4 address of the box behind the bridge, without prefix length."""
    mac: str
    port: int
    """Port on the host side's address that is published to ``BOX_PORT`` in the box."""


class Network(Protocol):
    """The harness's private testbed: a *host side* and a *peer*, each a network namespace.

    host side: the bridge with NAT for boxes, the native arm, the private dockerd and QEMU's taps.
    peer: the other end of the wire, where measuring clients and servers run.
    Nothing in the host's own network namespace is touched unless ``root_uplink`` is called.
    """

    host_netns: Path
    """Bind-mounted namespace file of the host side, e.g. ``/run/netns/tb-3fa9c1-host``."""
    peer_netns: Path
    bridge: str
    """Bridge in the host side on which boxes are; it holds ``gateway``."""
    gateway: str
    prefix_length: int
    """Prefix length of the bridge's subnet (``gateway`` and every ``Lease.address``)."""
    host_address: str
    """The host side's address on the wire to the peer; published ports are there."""
    peer_address: str
    """The peer's address, reached from every box."""
    mtu: int
    wire: str
    """The host side's interface on the wire to the peer."""
    range_length: int
    """Prefix length of a range that holds every address of both sides: for boxes that are on the
    wire themselves."""

    def root_uplink(self) -> str:
        """Join the host's own network namespace to the peer; return the host's address there.

        For engines that already run in the host's namespace (a user's own dockerd).
        Idempotent.
        """
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """Where a run takes place: what every runtime is given once, in ``prepare``."""

    run: str
    """Short id of the run (6 hexadecimal digits); part of every name we give on the host."""
    state: Path
    """This runtime's own directory for the run; removed by the harness afterwards."""
    cache: Path
    """Kept between runs; content-addressed by the root filesystem's digest."""
    rootfs: Rootfs
    network: Network
    limits: Limits
    """Limits of every instance in this run."""
    progress: Callable[[str], None]
    """Told in a few words what is being done, whenever ``prepare`` takes longer than an instant."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Backend options from the command line, e.g. ``libvirt_uri``, ``docker_host``."""


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """One box to start."""

    name: str
    """``tb-<run>-<n>``: unique on the host, at most 20 characters."""
    profile: str
    limits: Limits
    lease: Lease
    volume: Path | None = None
    """An empty directory on the host's disk, made and removed by the caller, which gives the box
    its ``VOLUME_PATH``: bind-mounted into containers; a VM keeps its disk's file in it."""


class Instance(Protocol):
    """One started box."""

    spec: InstanceSpec
    agent: Agent
    """Connected to the box's main process; ``agent.hello`` waits for its first byte."""
    marks: Mapping[str, int]
    """Instants (ns, host's monotonic clock) of named phases inside ``start``, e.g. ``created``."""

    def limits(self) -> LimitsRead:
        """Limits as enforced, read back from outside (cgroup files, domain)."""
        ...

    def stats(self) -> InstanceStats:
        """What exists because of this instance now."""
        ...

    def address(self) -> tuple[str, int]:
        """Address and port at which the peer reaches ``BOX_PORT`` of the box."""
        ...

    def diagnostics(self) -> str:
        """Tail of console or log, for the report of a failed trial.  Never raises."""
        ...

    def wait(self, timeout_s: float) -> int:
        """Wait for the main process to end; exit status.  Raises ``TimeoutError``."""
        ...

    def stop(self, timeout_s: float) -> None:
        """End every process of the box: orderly, then by force after ``timeout_s``.

        Returns when they are gone, as told by an event (pidfd, API wait), not by polling.
        """
        ...

    def remove(self) -> None:
        """Remove everything that exists because of this instance.  Idempotent."""
        ...


@runtime_checkable
class OwnClock(Protocol):
    """An instance with a kernel of its own, whose clock gives durations and never instants."""

    def durations_ns(self) -> Mapping[str, int]:
        """What it has told by that clock: ``guest_kernel``, its kernel's time to the first process.

        It is the box's own word, and nothing is concluded from it but what stands beside it.
        """
        ...


class Engine(Protocol):
    """A prepared runtime: starts instances until its context ends."""

    versions: Mapping[str, str]
    """Versions of every engine involved, for run.json: ``{"dockerd": "20.10.24", …}``."""

    def start(self, spec: InstanceSpec) -> Instance:
        """Start one box.  On any error everything begun is undone, then it is raised.

        Raises:
            RuntimeFault: with the reason and a hint.
        """
        ...

    def daemon_pids(self) -> tuple[int, ...]:
        """Processes that exist whether or not an instance does: the fixed cost."""
        ...

    def conditions(self, profile: str) -> frozenset[str]:
        """Gate codes that hold for every instance of this profile, e.g. ``emulated``."""
        ...

    def bits(self) -> Mapping[str, str]:
        """What each artefact in use was made from: ``{"rootfs": "sha256:…", "kernel": …}``.

        ``rootfs`` is read back from the artefact itself (image label, disk's digest file), so
        that run.json shows the same digest for every arm because it *is* the same.
        """
        ...


@runtime_checkable
class Runtime(Protocol):
    """One kind of box.  Registered under the entry point group ``tarebench.runtimes``."""

    name: str
    profiles: Mapping[str, str]
    """Profile name → one line on what it varies.  ``default`` is always there."""
    capabilities: frozenset[Capability]

    def availability(self, options: Mapping[str, str]) -> Availability:
        """Cheap (well under a second), changes nothing on the host."""
        ...

    def prepare(self, site: Site, profiles: frozenset[str]) -> AbstractContextManager[Engine]:
        """Everything that is done once per run.  Leaves nothing behind on exit.

        Raises:
            RuntimeFault: with the reason and a hint.
        """
        ...

    def clean(self, state: Path, run: str) -> list[str]:
        """Remove what a killed run ``run`` left on the host; one line for each thing removed.

        ``state`` is that run's directory of this runtime (may be missing).  Only what carries
        our prefix or label and this run's id is touched.  Never raises for what is gone already.
        """
        ...
