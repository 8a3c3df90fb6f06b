"""A run of the waterfall suite, made from a seed: eighteen steps, runc, containerd and Docker.

Costs are written down here, so that a test can say which steps must be found and which must not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from support import synthetic

from results.records.records import (
    ArmRecord,
    Direction,
    Run,
    Sample,
    Trial,
    WaterfallStep,
    WorkloadRecord,
    arm_name,
)
from results.store.store import RunDirectory

US = 1_000.0
MS = 1_000_000.0

STEPS: tuple[tuple[str, str, float], ...] = (
    ("wf-01-fork-exec", "fork + exec", 1_150),
    ("wf-02-mount", "mount namespace", 60),
    ("wf-03-uts", "UTS namespace", 3),
    ("wf-04-ipc", "IPC namespace", 55),
    ("wf-05-pid", "PID namespace", 240),
    ("wf-06-net", "network namespace", 620),
    ("wf-07-overlay", "overlay root", 180),
    ("wf-08-pivot", "pivot_root", 210),
    ("wf-09-user", "user namespace", 160),
    ("wf-10-masks", "masked paths", 90),
    ("wf-11-cpuset", "cgroup cpuset", 130),
    ("wf-12-cpu", "cgroup cpu", 120),
    ("wf-13-memory", "cgroups memory, pids", 150),
    ("wf-14-cgroupns", "cgroup namespace", 45),
    ("wf-15-capabilities", "capabilities", 2),
    ("wf-16-seccomp", "seccomp", -70),
    ("wf-17-veth", "veth pair", 900),
    ("wf-18-bridge", "bridge + NAT", 310),
)
"""Profile, mechanism, and what it adds to a start in µs."""

TIERS: Mapping[str, float] = {"oci": 24 * MS, "containerd": 95 * MS, "docker": 268 * MS}
NATIVE_NS = 1_200 * US
SHARES: Mapping[str, Mapping[str, float]] = {
    "cpu.sysbench": {},
    "memory.stream": {"wf-13-memory": 0.985},
    "system.call": {"wf-16-seccomp": 0.72},
    "network.latency": {"wf-18-bridge": 0.83},
    "storage.random-read": {"wf-07-overlay": 0.94},
}
"""Workload → profile at which its speed falls to that share of what it was."""

NETWORKED = {*(name for name, _, _ in STEPS[:5]), "wf-18-bridge"}


@dataclass(frozen=True, slots=True)
class Shape:
    """One workload of such a run."""

    record: WorkloadRecord
    values: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(arm, metric) → its typical value."""


def write(root: Path, *, blocks: int = 6, seed: int = 7, hostile: str = "") -> RunDirectory:
    """Write a whole run below ``root``; ``hostile`` is put into the words of every step."""
    run = make_run(blocks=blocks, seed=seed, hostile=hostile)
    directory = RunDirectory.create(root, run)
    with directory:
        for trial, samples in make_trials(run):
            directory.append(trial, samples)
        directory.finish(replace(run, finished_utc="2026-11-24T04:00:31Z"))
    return directory


def make_run(*, blocks: int = 6, seed: int = 7, hostile: str = "") -> Run:
    """run.json of such a run."""
    return replace(
        synthetic.make_run(blocks=blocks, seed=seed),
        suite="waterfall",
        arms=(*_own(hostile), *_others()),
        workloads=tuple(shape.record for shape in shapes()),
        rounds={"startup.idle": 4},
        skipped=(),
    )


def _own(hostile: str) -> Iterator[ArmRecord]:
    for position, (profile, mechanism, _) in enumerate(STEPS, 1):
        words = f"{mechanism} {hostile}".strip()
        step = WaterfallStep(position, words, f"What {words} does more.")
        conditions = ("unlimited",) if position < 13 else ()
        yield ArmRecord("ns", profile, conditions, {}, {}, step=step)


def _others() -> Iterator[ArmRecord]:
    for backend, profile in (("native", "default"), ("native", "aa"), ("ns", "default")):
        yield ArmRecord(backend, profile, (), {}, {})
    for backend in TIERS:
        yield ArmRecord(backend, "default", (), {}, {})


def shapes() -> tuple[Shape, ...]:
    """Every workload, as the harness sorts them."""
    found = [_working(name) for name in SHARES]
    found += [_starting()]
    return tuple(sorted(found, key=lambda shape: shape.record.name))


def _starting() -> Shape:
    metrics: tuple[tuple[str, str, Direction], ...] = (
        ("first_byte_ns", "ns", "lower"),
        ("ended_ns", "ns", "lower"),
    )
    record = WorkloadRecord(
        "startup.idle", "startup", "Start and end of an idle box", "first_byte_ns", metrics
    )
    values: dict[tuple[str, str], float] = {}
    total = 0.0
    for profile, _, added in STEPS:
        total += added * US
        values[f"ns:{profile}", "first_byte_ns"] = total
    values["ns", "first_byte_ns"] = total
    for name in ("native", "native:aa"):
        values[name, "first_byte_ns"] = NATIVE_NS
    for backend, ns in TIERS.items():
        values[backend, "first_byte_ns"] = ns
    values |= {(arm, "ended_ns"): 0.4 * ns for (arm, _), ns in values.items()}
    return Shape(record, values)


def _working(name: str) -> Shape:
    resource = name.partition(".")[0]
    record = WorkloadRecord(
        name,
        resource,
        f"Work of {name}",
        "rate_per_second",
        (("rate_per_second", "1/s", "higher"),),
    )
    shares = SHARES[name]
    values: dict[tuple[str, str], float] = {}
    share = 1.0
    for profile, _, _ in STEPS:
        share *= shares.get(profile, 1.0)
        if resource != "network" or profile in NETWORKED:
            values[f"ns:{profile}", "rate_per_second"] = 1e4 * share
    for arm in ("ns", *TIERS):
        values[arm, "rate_per_second"] = 1e4 * share
    for arm in ("native", "native:aa"):
        values[arm, "rate_per_second"] = 1e4
    return Shape(record, values)


def make_trials(run: Run) -> Iterator[tuple[Trial, list[Sample]]]:
    """A trial of every arm in every block, with noise of half a per cent."""
    chance = random.Random(run.seed)
    for shape in shapes():
        arms = [a for a in run.arms if any(_name(a) == arm for arm, _ in shape.values)]
        for block in range(1, run.blocks * run.rounds.get(shape.record.name, 1) + 1):
            drift = chance.lognormvariate(0.0, 0.01)
            for position, arm in enumerate(arms):
                trial = _trial(run, shape.record.name, block, position, arm)
                yield trial, _samples(trial, shape, arm, drift, chance)


def _name(arm: ArmRecord) -> str:
    return arm_name(arm.backend, arm.profile)


def _trial(run: Run, workload: str, block: int, position: int, arm: ArmRecord) -> Trial:
    return Trial(
        run_id=run.run_id,
        trial_id=f"{workload}-b{block:03d}-{_name(arm)}",
        attempt=1,
        block=block,
        position=position,
        backend=arm.backend,
        profile=arm.profile,
        workload=workload,
        status="ok",
        findings=(),
        error="",
        tail="",
        started_utc="2026-11-24T03:52:00Z",
        phases_ns={},
        limits_outside={},
        limits_inside={},
        program_digest="c0" * 32,
        pressure=None,
        bookkeeping_ns=0,
    )


def _samples(
    trial: Trial, shape: Shape, arm: ArmRecord, drift: float, chance: random.Random
) -> list[Sample]:
    return [
        Sample(
            run_id=trial.run_id,
            trial_id=trial.trial_id,
            attempt=1,
            block=trial.block,
            backend=trial.backend,
            profile=trial.profile,
            workload=trial.workload,
            metric=metric,
            unit=unit,
            direction=direction,
            iteration=1,
            value=shape.values[_name(arm), metric] * drift * chance.lognormvariate(0.0, 0.005),
            valid=True,
        )
        for metric, unit, direction in shape.record.metrics
    ]
