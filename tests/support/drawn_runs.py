"""Runs drawn from a seed in which anything may be gone or odd, for what must show them all.

A subset of arms (native and native:aa included), workloads and blocks; trials that are valid,
invalid, failed or missing; values that are constant, zero, huge, tiny, negative or as measured.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from results.records.records import GateFinding, Run, Sample, Status, Trial, arm_name
from results.store.store import RunDirectory
from tests.support import synthetic

Pair = tuple[Trial, Sequence[Sample]]
Values = Callable[[float], float]

SWAP = GateFinding("swap", "invalid", "the host swapped", "add memory")
FINISHED = "2026-11-24T04:00:31Z"
HUGE, TINY = 1.7e308, 5e-324


def values_of(rng: random.Random) -> Values:
    """What becomes of every value of a run."""
    constant = rng.choice([1.0, 0.0, HUGE, TINY, -1.0, 12345.678])
    edges = (0.0, 1.0, -1.0, HUGE, -HUGE, TINY, 1e300, 1e-300)
    return rng.choice(
        [
            lambda value: value,
            lambda value: value,
            lambda _: constant,
            lambda value: value * rng.choice([1.0, 1e-200, 1e200]),
            lambda value: rng.choice(edges) if rng.random() < 0.2 else value,
            lambda value: -value,
            lambda value: float(round(value)),
        ]
    )


def thinned(rng: random.Random, run: Run, pairs: Iterable[Pair]) -> tuple[Run, list[Pair]]:
    """A subset of a run, with statuses and values of its own."""
    arms = [arm for arm in run.arms if rng.random() < rng.choice([0.5, 1.0])]
    workloads = rng.sample(run.workloads, rng.randint(1, min(3, len(run.workloads))))
    blocks = rng.choice([1, 1, 2, 3, run.blocks])
    kept = {arm_name(arm.backend, arm.profile) for arm in arms}
    names = {workload.name for workload in workloads}
    missing, invalid, failed = (rng.choice([0.0, 0.0, 0.2, 0.6, 1.0]) for _ in range(3))
    change = values_of(rng)
    made: list[Pair] = []
    for trial, samples in pairs:
        if trial.block > blocks or trial.workload not in names or rng.random() < missing:
            continue
        if arm_name(trial.backend, trial.profile) not in kept:
            continue
        chance = rng.random()
        status: Status = "failed" if chance < failed else trial.status
        if status == "ok" and rng.random() < invalid:
            status = "invalid"
        made.append(_with(trial, samples, status, change))
    if rng.random() < 0.2:
        made = made[: rng.randint(0, 1)]
    finished = FINISHED if rng.random() < 0.8 else ""
    run = replace(
        run, arms=tuple(arms), workloads=tuple(workloads), blocks=blocks, finished_utc=finished,
        trials=None,
    )  # fmt: skip
    return run, made


def _with(trial: Trial, samples: Sequence[Sample], status: Status, change: Values) -> Pair:
    if status == "failed":
        return replace(trial, status=status, error="it broke"), ()
    findings = trial.findings
    if status == "invalid" and not findings:
        findings = (SWAP,)
    told = [
        replace(sample, value=_finite(change(sample.value)), valid=sample.valid and status == "ok")
        for sample in samples
    ]
    return replace(trial, status=status, findings=findings), told


def _finite(value: float) -> float:
    """No journal holds anything else."""
    return value if math.isfinite(value) else math.copysign(HUGE, value)


def drawn(rng: random.Random, root: Path) -> RunDirectory:
    """A run written below ``root``, drawn from a synthetic one."""
    whole = synthetic.make_run(blocks=rng.choice([1, 2, 4]), seed=rng.randrange(100))
    return written(root, *thinned(rng, whole, synthetic.make_trials(whole)))


def drawn_from(recorded: RunDirectory, rng: random.Random, root: Path) -> RunDirectory:
    """A run written below ``root``, drawn from one that was recorded."""
    samples: dict[tuple[str, int], list[Sample]] = {}
    for sample in recorded.samples():
        samples.setdefault((sample.trial_id, sample.attempt), []).append(sample)
    pairs = [
        (trial, samples.get((trial.trial_id, trial.attempt), [])) for trial in recorded.trials()
    ]
    return written(root, *thinned(rng, recorded.run(), pairs))


def written(root: Path, run: Run, pairs: Sequence[Pair]) -> RunDirectory:
    """``run`` with its trials, as the harness writes them."""
    directory = RunDirectory.create(root, replace(run, finished_utc=""))
    with directory:
        for trial, samples in pairs:
            directory.append(replace(trial, sample_count=None, digest=""), samples)
        if run.finished_utc:
            directory.finish(run)
    return RunDirectory.open(directory.path, root)
