"""Records of a run, as they stand in its files.  Loads nothing but msgspec.

Everything is frozen: a record is written once and never changed.  The layout of the files
is versioned by ``SCHEMA``; docs/results.md has its history.  The numbers have their bounds here
(``results/records/bounds.py``), so that every reader has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from results.records.bounds import (
    Attempt,
    Blocks,
    Count,
    Instant,
    Iteration,
    Rounds,
    SchemaNumber,
    Seconds,
)
from results.records.looks import ClaimStop, Look, PlannedLook

SCHEMA = 1

Direction = Literal["higher", "lower"]
Status = Literal["ok", "invalid", "failed"]
Design = Literal["trials", "slices"]

WARM_UP = "warm-up"
"""Reason of a sample from before its trial had settled: recorded, counted nowhere."""

AT_LEAST = "at-least"
"""Reason of a sample that is not valid and bounds: what it stands for is at least so much."""
EMULATED = "emulated"
"""Condition of an arm, and reason, that tells nothing of speed and keeps what bounds from counting
as more than a bound."""


def arm_name(backend: str, profile: str) -> str:
    """``docker`` for the default profile, else ``docker:host-net``."""
    return backend if profile == "default" else f"{backend}:{profile}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric."""

    run_id: str
    trial_id: str
    attempt: Attempt
    """Counts from 1; only the attempt that its trial's record names counts."""
    block: Count
    backend: str
    profile: str
    workload: str
    metric: str
    unit: str
    direction: Direction
    iteration: Iteration
    value: float
    valid: bool
    reasons: tuple[str, ...] = ()
    """Gate codes that hold for it: those that make it invalid and mere cautions."""
    place: Count | None = None
    """Of a slice: when it was done in its block, counted from 0; its iteration is its round."""
    after: str = ""
    """Of a slice: the arm whose slice was done just before; empty for the first."""


@dataclass(frozen=True, slots=True)
class GateFinding:
    """What one gate said of one trial."""

    code: str
    """Short and stable, e.g. ``emulated``, ``steal``, ``limits``."""
    severity: Literal["invalid", "caution"]
    reason: str
    remedy: str = ""
    transient: bool = False
    """The same trial may well pass if it is repeated: something else disturbed this one."""


@dataclass(frozen=True, slots=True)
class HostCaution:
    """What a host does to every arm alike: noise, told once for a run with what it costs."""

    code: str
    text: str
    """What was seen, as a part of a sentence: ``the clock here has two speeds 20 % apart``."""
    remedy: str = ""
    cost: str = ""
    """The smallest effect that the run can show all the same; empty until that is known."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """The host around a trial: differences from just before it to just after it."""

    seconds: float
    steal_ratio: float
    """Stolen CPU time ÷ elapsed CPU time of all CPUs."""
    load_1m: float
    cpu_some_ratio: float | None
    """PSI: share of the time in which some task waited for a CPU; None without PSI."""
    memory_some_ratio: float | None
    io_some_ratio: float | None
    swapped_bytes: int
    memory_own_ratio: float | None = None
    """PSI of the run's own cgroup: what its boxes waited for themselves; None on cgroup v1."""
    other_cpus: float | None = None
    """CPUs' worth of work done by processes of neither box nor harness; None: not looked at."""
    others: tuple[str, ...] = ()
    """The busiest of those processes, by name."""
    pace: tuple[tuple[Count, Count], ...] = ()
    """Readings of a fixed piece of work on a harness CPU, in order: ns since the first one, and ns
    that it took.  Before the trial, during it where that is harmless, and after it."""
    spin_ns: tuple[Count, Count] | None = None
    """The same before and after only, in runs of earlier versions."""
    spin_reference_ns: int | None = None
    """The fastest that it ever took in such a run, until then; nothing rests on it now."""
    frequency_khz: tuple[Count, Count] | None = None
    """Clock of the harness's fastest CPU after each spin; None where cpufreq shows none."""
    throttle_events: int | None = None
    """How often the processors throttled themselves for heat; None where they do not say."""
    box_throttled_ns: int | None = None
    """How long the box's CPU quota held it back; None where that was not read."""
    hot: tuple[str, ...] = ()
    """Sensors at or above the temperature at which the kernel or the processor acts."""
    ksm_pages_sharing: int = 0
    """Pages that KSM saves, after the trial."""
    ksm_pages_more: int = 0
    """By how many they grew during it."""
    clock_source: str = ""
    """The kernel's clock source after the trial."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One workload in one fresh instance: the unit of statistics.

    Its record is the commit mark: samples of an attempt without one do not count.
    """

    run_id: str
    trial_id: str
    attempt: Attempt
    block: Count
    position: Count
    """Place within the block's random order."""
    backend: str
    profile: str
    workload: str
    status: Status
    findings: tuple[GateFinding, ...]
    error: str
    """What went wrong, in a sentence; empty unless ``failed``."""
    tail: str
    """End of the output of whatever failed."""
    started_utc: str
    phases_ns: Mapping[str, Instant]
    """Instant of each phase, relative to the request: created, first_byte, … removed."""
    limits_outside: Mapping[str, Any]
    limits_inside: Mapping[str, Any]
    program_digest: str
    pressure: Pressure | None
    bookkeeping_ns: Instant
    """The harness's own time beside the trial: readings and gates of this one, and writing and
    syncing the record of the one before."""
    sample_count: Count | None = None
    """How many samples were written with it; None in runs from before this was recorded."""
    digest: str = ""
    """sha256 (hex) of this record's line without the digest itself, then of its samples' lines.
    The store writes both."""
    beside: Count = 0
    """Instances of its block that were up together with it, its slices between theirs; 0: alone."""

    @property
    def disturbed(self) -> bool:
        """Whether it is invalid for nothing but what may go away by itself."""
        reasons = [each for each in self.findings if each.severity == "invalid"]
        return self.status == "invalid" and all(each.transient for each in reasons)


@dataclass(frozen=True, slots=True)
class WaterfallStep:
    """An arm's place in a waterfall: the arm before it and one mechanism more."""

    position: Count
    """From 1, the plainest box."""
    mechanism: str
    """In a few words, for a chart's axis."""
    adds: str
    """In a sentence."""


@dataclass(frozen=True, slots=True)
class ArmRecord:
    """One side of the experiment, as it really was."""

    backend: str
    profile: str
    conditions: tuple[str, ...]
    """Gate codes that hold for all of it, e.g. ``emulated``."""
    versions: Mapping[str, str]
    bits: Mapping[str, str]
    daemon_pss_bytes: Count | None = None
    """Fixed cost: PSS of the daemons that serve all instances; None where unknown."""
    step: WaterfallStep | None = None
    """None for an arm that is no step of a waterfall."""


@dataclass(frozen=True, slots=True)
class WorkloadRecord:
    """A workload as it was defined for this run."""

    name: str
    resource: str
    title: str
    primary: str
    """Metric that stands for it."""
    metrics: tuple[tuple[str, str, Direction], ...]
    """(name, unit, direction)."""
    design: Design = "trials"
    """One whole trial after another, or the instances of a block together, in slices."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A backend that was asked for with ``all`` and cannot run here."""

    backend: str
    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class MetricFloor:
    """Native against native in one metric: the smallest effect that this machine can show."""

    workload: str
    metric: str
    effect: float | None
    """As a margin, e.g. 0.012: a smaller difference means nothing.  None: not known."""
    blocks: Count
    """Blocks that it comes from."""
    reason: str = ""
    """Why it is not known; empty where it is."""


@dataclass(frozen=True, slots=True)
class Run:
    """run.json: everything about a run but its data."""

    schema: SchemaNumber
    run_id: str
    created_utc: str
    tarebench: str
    """Version of this project."""
    command: tuple[str, ...]
    """The command line that reproduces it."""
    seed: int
    suite: str
    size: Mapping[str, Count]
    """Iterations and seconds, as in the suite when the run was planned."""
    rounds: Mapping[str, Rounds]
    """Workload → trials of each arm per block, where more than one."""
    blocks: Blocks
    """With a budget the most that there may be."""
    emulated_blocks: Blocks
    """Blocks in which arms that can never count take part."""
    arms: tuple[ArmRecord, ...]
    workloads: tuple[WorkloadRecord, ...]
    skipped: tuple[Skipped, ...]
    limits: Mapping[str, Any]
    rootfs_digest: str
    packages: Mapping[str, str]
    """Debian packages in the root filesystem, name → version."""
    host: Mapping[str, Any]
    """Host facts: cpu, kernel, mitigations, cgroups, clock source, governor, virtualisation …"""
    finished_utc: str = ""
    """Empty while it runs, or when it was killed: then it can be resumed."""
    program_digests: Mapping[str, str] = field(default_factory=dict)
    """sha256 (hex) of every program that a workload of this run starts, by its path in the box."""
    partial: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Backend or arm → workloads in which it takes part, where not in all of them."""
    harness_peak_rss_bytes: Count = 0
    """Largest resident set of the measuring process; 0 while it runs."""
    source: str = "bench"
    """``bench``, or the format it was imported from."""
    notes: tuple[str, ...] = field(default_factory=tuple)
    floors: tuple[MetricFloor, ...] = ()
    """Written when the run is reported on: it takes the statistics to know them."""
    cautions: tuple[HostCaution, ...] = ()
    """Of the host: written with ``floors``, which are their price."""
    budget_s: Seconds | None = None
    """Seconds for trials and looks; None: a fixed design, ``blocks`` blocks whatever they show."""
    planned_looks: tuple[PlannedLook, ...] = ()
    """With a budget: when to look, and with which certainty; fixed before the first trial."""
    looks: tuple[Look, ...] = ()
    """Looks that were taken, in order."""
    stops: tuple[ClaimStop, ...] = ()
    """With a budget: why each claim that the run can judge got no more trials."""
    digests: bool = False
    """Every trial's record holds its digest: one without is damaged.  The store says so."""
    trials: Count | None = None
    """How many trials a finished run has recorded; None: not finished, or an older run."""
    abandoned: tuple[tuple[str, Attempt], ...] = ()
    """Attempts that a kill left with samples and without a record, and that were not repeated."""
