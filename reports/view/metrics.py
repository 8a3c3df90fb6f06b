"""Every metric in every arm: trial-level values, medians, ratios to the baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from reports import text
from reports.view.arms import AGAIN, BASELINE, UNJUDGED, baseline_of, unplanned
from reports.view.effects import SPEED, WEIGHT, effect, floor_of, levels_of, order_interval
from reports.view.model import ArmValue, ArmView, Effect, MetricView
from results.frame import means_by, without_warm_ups
from results.records.records import Run, Trial, WorkloadRecord
from results.slices import settled
from results.stats.intervals import Levels

Key = tuple[str, int]
"""trial_id and attempt."""
ByArm = dict[str, dict[int, list[float]]]
"""Arm → block → trial-level values."""


def shown_though_invalid(trials: Iterable[Trial]) -> frozenset[Key]:
    """Trials invalid for nothing but what their whole arm is: drawn, marked, never judged."""
    return frozenset(
        (trial.trial_id, trial.attempt)
        for trial in trials
        if trial.status == "invalid"
        and {f.code for f in trial.findings if f.severity == "invalid"} <= set(UNJUDGED)
    )


def trial_values(samples: pd.DataFrame, also: frozenset[Key]) -> pd.DataFrame:
    """One value per trial and metric: the mean of its iterations, as ``results.stats`` takes it.

    Of slices it is their level, as ``results.slices`` has it.
    Iterations are repeats inside one instance; pooling them over trials would feign certainty.
    """
    samples = settled(without_warm_ups(samples))
    keys = pd.MultiIndex.from_frame(samples[["trial_id", "attempt"]].astype({"trial_id": "str"}))
    chosen = samples[samples["valid"] | keys.isin(list(also))]
    by = ["workload", "metric", "arm", "block", "trial_id", "attempt"]
    plain = chosen.astype(dict.fromkeys(("workload", "metric", "arm", "trial_id"), "str"))
    means = means_by(plain, by).rename(columns={"mean": "value"})
    # Of two attempts that count the later does, as in the ledger.
    return means.drop_duplicates(["workload", "metric", "arm", "trial_id"], keep="last")


def metric_views(
    run: Run, values: pd.DataFrame, arms: Mapping[str, ArmView]
) -> tuple[MetricView, ...]:
    """Every metric that run.json names, in its order; primary metrics first in each workload."""
    found: dict[tuple[str, str], ByArm] = {}
    columns = (values[name].tolist() for name in ("workload", "metric", "arm", "block", "value"))
    for workload, metric, arm, block, value in zip(*columns, strict=True):
        found.setdefault((workload, metric), {}).setdefault(arm, {}).setdefault(block, []).append(
            value
        )
    return tuple(
        _metric_view(record, metric, found.get((record.name, metric[0]), {}), arms, levels_of(run))
        for record in run.workloads
        for metric in sorted(record.metrics, key=_secondary(record))
    )


def _secondary(workload: WorkloadRecord) -> Callable[[tuple[str, str, str]], bool]:
    return lambda metric: metric[0] != workload.primary


def _metric_view(
    workload: WorkloadRecord,
    metric: tuple[str, str, str],
    by_arm: ByArm,
    arms: Mapping[str, ArmView],
    levels: Levels | None,
) -> MetricView:
    name, unit, direction = metric
    everyone = [*arms.values(), *(unplanned(arm) for arm in sorted(by_arm.keys() - arms.keys()))]
    return MetricView(
        workload=text.name(workload.name),
        title=text.name(workload.title or workload.name),
        resource=text.name(workload.resource),
        metric=text.name(name),
        unit=unit,
        direction=direction,
        primary=name == workload.primary,
        floor=floor_of(_again(by_arm, arms, higher=direction == "higher")),
        values=tuple(_arm_value(arm, by_arm[arm.name]) for arm in everyone if arm.name in by_arm),
        effects=_effects(
            everyone, by_arm, workload.resource, higher=direction == "higher", levels=levels
        ),
    )


def _again(by_arm: ByArm, arms: Mapping[str, ArmView], *, higher: bool) -> Effect | None:
    if AGAIN not in arms or BASELINE not in arms:
        return None
    base, again = by_arm.get(BASELINE, {}), by_arm.get(AGAIN, {})
    return effect(arms[AGAIN], base, again, higher=higher, floor=None)


def _effects(
    everyone: Iterable[ArmView],
    by_arm: ByArm,
    resource: str,
    *,
    higher: bool,
    levels: Levels | None,
) -> tuple[Effect, ...]:
    views = {arm.name: arm for arm in everyone}
    if BASELINE not in views:
        return ()
    floor = floor_of(_again(by_arm, views, higher=higher))
    words = WEIGHT if resource == "footprint" else SPEED

    def against(arm: ArmView) -> Effect:
        return effect(
            arm,
            by_arm.get(baseline_of(arm.name, views), {}),
            by_arm.get(arm.name, {}),
            higher=higher,
            floor=floor,
            words=words,
            levels=levels,
        )

    return tuple(against(arm) for arm in views.values() if arm.name != BASELINE)


def _arm_value(arm: ArmView, blocks: Mapping[int, list[float]]) -> ArmValue:
    values = sorted(value for block in blocks.values() for value in block)
    return ArmValue(arm, order_interval(values), tuple(values))
