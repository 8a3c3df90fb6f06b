"""Suites: how much work a run asks for.  Workloads are the same in each."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.errors import UsageFault
from workloads.base import Size


@dataclass(frozen=True, slots=True)
class Suite:
    """A named amount of work."""

    name: str
    purpose: str
    blocks: int
    emulated_blocks: int
    """Blocks in which an arm takes part whose samples no gate lets count: enough to show that it
    works.  More of them would only cost the other arms their time."""
    size: Size
    backend: str = "all"
    """Arms, as ``--backend`` names them, unless the command line names others."""
    workload: str = "all"
    """Workloads, as ``--workload`` names them, unless the command line names others."""
    beside_all: str = ""
    """Arms that ``all`` stands for beside each backend in its default profile."""
    partial: Mapping[str, str] = field(default_factory=dict)
    """Backend or arm → workloads in which it takes part, where not in all: an engine's tier differs
    from the tier above in what it adds to start-up and footprint, not in how it computes.  Whoever
    names the backend, or workloads, gets what is named."""
    whole: frozenset[str] = frozenset()
    """Workloads that run as whole trials here, though they could take turns in slices."""
    rounds: Mapping[str, int] = field(default_factory=dict)
    """Workload → trials of each arm per block, where one is too few: each round is a block of
    its own, every arm once in random order."""


_FIRST = (
    "cpu.sysbench,cpu.openssl,memory.stream,memory.latency,network.throughput,network.latency,"
    "network.http,startup.http,footprint"
)
"""What a first look takes."""
_CORE = (
    f"{_FIRST},startup.idle,storage.random-read,storage.random-write,storage.sequential-read,"
    "storage.sequential-write,system.call,system.fault,system.switch,system.spawn"
)
"""One workload for each thing that a box may cost; what more there is has a suite of its own."""

SUITES: Mapping[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "quick",
            "a first look within ten minutes on two cores",
            blocks=5,  # the fewest that give an interval: see results.stats
            emulated_blocks=1,
            size=Size(iterations=1, seconds=1),
            workload=_FIRST,
            beside_all="docker:host-net",
            partial={
                "oci": "startup.http,footprint",
                "containerd": "startup.http,footprint",
                # Whether a container's network can be made to cost nothing; it computes alike.
                "docker:host-net": "network.throughput,network.latency,network.http",
            },
            # Starts take tenths of a second and vary most; round trips are held to the finest limit
            # of what has a network.
            rounds={"startup.http": 4, "network.latency": 2},
        ),
        Suite(
            "standard",
            "some hours: enough for most verdicts",
            blocks=12,
            emulated_blocks=3,
            size=Size(iterations=3, seconds=2),
            workload=_CORE,
            rounds={"startup.http": 3},
        ),
        Suite(
            "full",
            "a day or more: small effects and tails",
            blocks=40,
            emulated_blocks=5,
            size=Size(iterations=5, seconds=3),
            workload=_CORE,
            rounds={"startup.http": 3},
        ),
        Suite(
            "waterfall",
            "a quarter of an hour: what each mechanism of a container costs, one at a time, up to "
            "runc and Docker",
            blocks=5,  # as quick
            emulated_blocks=1,
            size=Size(iterations=1, seconds=1),
            backend="ns:wf-*,ns,oci?,containerd?,docker?",
            workload="startup,cpu.sysbench,memory.stream,system.call,network.latency,"
            "storage.random-read",
            rounds={"startup.idle": 8, "startup.http": 2},
        ),
        Suite(
            "depth",
            "two minutes: what a root of many layers costs, up to as many as the kernel stacks",
            blocks=5,  # as quick
            emulated_blocks=1,
            size=Size(iterations=1, seconds=1),
            backend="ns,ns:depth-*",
            workload="startup,system.lookup,system.copyup,system.spawn",
            rounds={"startup.idle": 4, "startup.http": 2},
        ),
        Suite(
            "felter",
            "half an hour: the list of Felter et al. (IBM, 2014) with today's software, for the "
            "report to lay beside what they published",
            blocks=5,  # as quick
            emulated_blocks=1,
            size=Size(iterations=1, seconds=1),
            # Theirs: native, Docker with the host's network and with NAT, KVM untuned and tuned.
            backend="docker?,docker:host-net?,kvm?,kvm:tuned?",
            workload="cpu.linpack,memory.stream,memory.random-access,network.throughput,"
            "network.throughput-back,network.latency,network.latency-udp,storage.sequential-read,"
            "storage.sequential-write,storage.deep-read,storage.deep-write,storage.deep-mix,"
            "application.compression,application.redis-one,application.redis,"
            "application.redis-many,application.postgresql",
            # By the same tool as the other direction, and as UDP.
            whole=frozenset({"network.throughput", "network.latency"}),
        ),
        Suite(
            "application",
            "half an hour: Redis, nginx, PostgreSQL, SQLite and xz, each until it has settled",
            blocks=6,
            emulated_blocks=1,
            # So many for nginx as well, which is network.http: fewer cannot show a steady state.
            size=Size(iterations=16, seconds=1),
            workload="application.redis,application.postgresql,application.sqlite,"
            "application.compression,network.http",
            # They differ from the tiers around them in start-up, not in what runs then.
            partial={"oci": "application.redis", "containerd": "application.redis"},
        ),
    )
}


def choose(name: str, valid: Mapping[str, object], kind: str) -> str:
    """``name`` if it is one of ``valid``, else an error that lists them.

    Raises:
        UsageFault: with the valid names and the nearest of them.
    """
    if name in valid:
        return name
    near = difflib.get_close_matches(name, valid, n=1)
    suggestion = f"did you mean {near[0]}? " if near else ""
    raise UsageFault(
        f"no {kind} is called {name!r}",
        hint=f"{suggestion}valid: {', '.join(sorted(valid))}",
    )


def suite(name: str) -> Suite:
    """The suite called ``name``.

    Raises:
        UsageFault: there is none; lists those there are.
    """
    return SUITES[choose(name, SUITES, "suite")]
