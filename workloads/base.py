"""What a workload is: the same argv in every box, and a parser that trusts nothing.

A workload is data.  It never starts anything and knows no backend: the trial engine
puts its commands into a box and on the peer, and gives the output back to ``parse``.

In argv, tokens are replaced by the trial engine: ``{peer}`` by the peer's address as the box
sees it, ``{box}`` and ``{port}`` by the box's address and published port as the peer sees them,
``{cpus}`` and ``{memory_mib}`` by what the box may use: how many CPUs, how much memory.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Direction = Literal["higher", "lower"]
"""Which way is better."""


class WorkloadFault(Exception):
    """Output that the parser does not know.

    Attributes:
        hint: the next step for the person reading it.
        tail: the end of the output.
    """

    def __init__(self, message: str, *, hint: str = "", tail: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.tail = tail


class Side(enum.Enum):
    """Where a command runs."""

    BOX = "box"
    PEER = "peer"


@dataclass(frozen=True, slots=True)
class Metric:
    """One quantity that a workload yields."""

    name: str
    """lower_snake_case; unique within the workload."""
    unit: str
    """SI or the field's own: ``1/s``, ``B/s``, ``ns``, ``B``."""
    direction: Direction
    primary: bool = False
    """The one figure that stands for the workload in the report's first chart."""
    if_emulated: Literal["", "at-least"] = ""
    """``at-least``: of a box whose CPU is emulated it is still so much, and bounds from below what
    the same box takes where it is not.  Empty: then it says nothing."""


@dataclass(frozen=True, slots=True)
class Program:
    """An in-repo C program, compiled statically into the root filesystem."""

    path: str
    """Where it is in the box, e.g. ``/opt/tarebench/memory``."""
    source: Path
    flags: tuple[str, ...] = ()
    """Extra compiler and linker flags, e.g. ``-lm``."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program run to its end; its output goes to the parser."""

    argv: tuple[str, ...]
    timeout_s: float
    side: Side = Side.BOX
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """A program that must be up before the command: a server.

    Up means: it wrote ``ready`` to its output, or, where ``ready`` is ``None``, it exited with
    status 0 (a daemon that binds its socket before it detaches, as nginx does; or a step that
    prepares data for the command and is done).
    """

    argv: tuple[str, ...]
    side: Side
    timeout_s: float
    ready: bytes | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """How much work a suite asks for."""

    iterations: int
    """Repeats of the command inside one trial."""
    seconds: int
    """Measuring time of one iteration, where a workload is bounded by time."""


@dataclass(frozen=True, slots=True)
class CommandWork:
    """Start services, run ``command`` ``iterations`` times, parse each output."""

    command: Command
    iterations: int
    services: tuple[Service, ...] = ()
    warm_ups: int = 0
    """Runs of the command before those; recorded, but they count nowhere."""


@dataclass(frozen=True, slots=True)
class StartupWork:
    """Time request → first byte → service up → first HTTP 200 → stopped → removed."""

    service: Service | None
    """``None``: none, and nothing is asked for; the box is ended after its first byte."""
    path: str
    """What is asked for with GET at ``BOX_PORT``, e.g. ``/``."""
    timeout_s: float


@dataclass(frozen=True, slots=True)
class FootprintWork:
    """Weigh idle instances: the first, then ``instances`` of them."""

    instances: int
    instances_emulated: int
    """The same of boxes that are emulated, of which only a bound counts."""
    settle_s: float
    """Rest before reading, so that start-up's garbage is gone."""


Work = CommandWork | StartupWork | FootprintWork


@dataclass(frozen=True, slots=True)
class Output:
    """What one iteration of a command wrote."""

    stdout: bytes
    stderr: bytes
    wall_ns: int


Measurement = tuple[str, float]
"""Metric name and value, in the metric's unit."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one slice of a resident program came to."""

    span_ns: int
    """How long it measured, by the box's clock."""
    values: tuple[Measurement, ...]


READY = b"ready"
"""The line that a resident program writes when it is set up."""


@dataclass(frozen=True, slots=True)
class ResidentSlices:
    """A program that stays in its box and does a slice of the work at each request.

    It writes ``READY``.  A request is a line on its standard input, ``LEAD_MS SPAN_MS``: work that
    does not count for about so long, then whole units for at least so long; one line answers.  It
    ends at the end of its input.
    """

    argv: tuple[str, ...]
    """Tokens in it are replaced where the workload needs the network."""
    parse: Callable[[bytes], Answer]
    """Of an answer, without its line's end.  Raises WorkloadFault on one it does not know."""
    set_up_s: float
    """Time limit until it is ready."""
    timeout_s: float
    """Time limit of one slice."""
    lead_ms: int = 2
    server: Service | None = None
    """At the peer: up before the boxes of a block, and used by all of them."""


@dataclass(frozen=True, slots=True)
class CommandSlices:
    """A command for each slice, for tools that cannot stay; its own timing leaves its start out.

    In argv ``{count}`` stands for how many units it is to do, the same in every arm.
    """

    argv: tuple[str, ...]
    parse: Callable[[Output], tuple[Measurement, ...]]
    """Raises WorkloadFault on output it does not know."""
    rate: str
    """Metric that tells units per second."""
    probe: int
    """Units with which the rate is found out, before the first slice."""
    timeout_s: float


SliceWork = ResidentSlices | CommandSlices


@dataclass(frozen=True, slots=True)
class Workload:
    """One registered piece of work.  Entry point group ``tarebench.workloads``."""

    name: str
    """``resource.what``, e.g. ``cpu.sysbench``."""
    resource: Literal[
        "cpu", "memory", "network", "storage", "startup", "footprint", "system", "application"
    ]
    title: str
    """A few words for people, e.g. ``Prime search (sysbench)``."""
    metrics: tuple[Metric, ...]
    work: Callable[[Size], Work]
    parse: Callable[[Output], tuple[Measurement, ...]]
    """Raises WorkloadFault on output it does not know.  Never called for start-up, footprint."""
    program: str
    """Absolute path of the program that does the work; its digest is checked in every arm.
    ``*`` stands for a version in the path, where a distribution's release decides it."""
    packages: tuple[str, ...] = ()
    """Debian packages that the root filesystem needs for it."""
    programs: tuple[Program, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """Extra text files in the root filesystem: absolute path → content."""
    needs_network: bool = False
    needs_volume: bool = False
    """The box gets a directory on the host's disk, writable at /volume."""
    needs_root: bool = False
    """It writes to the box's own root, below /var/tmp."""
    changes_image: bool = False
    """It opens files of the root filesystem for writing."""
    slices: SliceWork | None = None
    """How the same work is done in slices, for steady work; None: it cannot be."""
