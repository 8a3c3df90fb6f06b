"""What all trials of a run share."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.clock import Clock
from harness.gates.backend import UNLIMITED
from harness.host.facts import available_bytes
from harness.host.pressure import Watch, unwatched
from harness.trial.caches import Caches, NoCaches
from runtimes.agent.channel import Agent
from runtimes.base import Engine, InstanceSpec, Lease, Network
from runtimes.resources import Limits
from runtimes.variations import boxed
from workloads.base import Size, Workload


class Bits(Protocol):
    """The one root filesystem, as far as a trial needs to know it."""

    @property
    def digest(self) -> str:
        """``sha256:…`` of its content."""
        ...

    def program_digest(self, path: str) -> str:
        """sha256 of the program at ``path`` inside it, in hexadecimal."""
        ...


class LeasingNetwork(Network, Protocol):
    """A testbed that hands out places on its bridge."""

    slots: int

    def lease(self, slot: int) -> Lease:
        """Place number ``slot``, from 0 to ``slots`` - 1."""
        ...


@dataclass(slots=True)
class Context:
    """A run's engines and plan, and the counter that names its instances."""

    run: str
    """Short id."""
    run_id: str
    clock: Clock
    engines: Mapping[str, Engine]
    workloads: Mapping[str, Workload]
    network: LeasingNetwork
    limits: Limits
    size: Size
    bits: Bits
    host: Mapping[str, object]
    host_memory_bytes: int
    peer: Callable[[], AbstractContextManager[Agent]]
    """Starts a native agent on the peer side of the wire."""
    watch: Watch = unwatched
    """Watches the host around each trial."""
    cgroups: tuple[Path, ...] = ()
    """Directories below which the run's boxes have their CPU quota."""
    harness_cpus: frozenset[int] = frozenset()
    """CPUs on which the harness runs."""
    unlimited: frozenset[tuple[str, str]] = frozenset()
    """(backend, profile) whose boxes lack limits on purpose."""
    volumes: Path | None = None
    """Where boxes' volumes are made; ``None`` in a dry run."""
    caches: Caches = field(default_factory=NoCaches)
    seed: int = 0
    """The run's: the order of slices comes from it."""
    sliced: frozenset[str] = frozenset()
    """Workloads whose blocks work in slices."""
    available_bytes: Callable[[], int] = available_bytes
    """Memory that the host could give to boxes now."""
    _warm: set[tuple[str, str, str]] | None = field(default=None, init=False)
    """(backend, profile, workload) run since caches were last dropped; None: they never were."""
    _numbers: Iterator[int] = field(default_factory=itertools.count, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def conditions(self, backend: str, profile: str) -> frozenset[str]:
        """Gate codes that hold for every box of an arm."""
        own = self.engines[backend].conditions(boxed(profile))
        return own | {UNLIMITED} if (backend, profile) in self.unlimited else own

    def chill(self) -> None:
        """Drop the host's caches, for a cold arm; every other arm is to be warmed after it."""
        self.caches.drop()
        self._warm = set()

    def to_be_warmed(self, backend: str, profile: str, workload: str) -> bool:
        """Whether a cold arm has been here since this one last ran; asked once, it is warm."""
        if self._warm is None or (backend, profile, workload) in self._warm:
            return False
        self._warm.add((backend, profile, workload))
        return True

    def spec(self, profile: str, *, volume: bool = False) -> InstanceSpec:
        """A fresh name and place: not the last one again, whose ARP and NAT entries linger."""
        with self._lock:
            number = next(self._numbers)
        name = f"tb-{self.run}-{number}"
        return InstanceSpec(
            name=name,
            profile=boxed(profile),
            limits=self.limits,
            lease=self.network.lease(number % self.network.slots),
            volume=self.volumes / name if volume and self.volumes else None,
        )
