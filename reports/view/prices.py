"""The first table: what each box costs, one cell per resource."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from reports import text
from reports.view.arms import BASELINE
from reports.view.model import ArmValue, ArmView, Effect, MetricView, Price, PriceRow

SPEEDS = {
    "cpu": "CPU speed",
    "memory": "Memory speed",
    "network": "Network speed",
    "storage": "Storage speed",
    "system": "System calls",
    "application": "Applications",
}
WEIGHTS = {"startup": "Time to first answer", "footprint": "One idle instance"}
HEADS = SPEEDS | WEIGHTS

NOT_MEASURED = Price(text.NOTHING, "not measured", "none")
NOTHING_COUNTS = Price(text.NOTHING, "no trial that counts", "none")

Tried = Collection[tuple[str, str]]
"""(arm, resource) of every trial that was run, whatever came of it."""


def price_table(
    metrics: Sequence[MetricView], arms: Iterable[ArmView], tried: Tried
) -> tuple[tuple[str, ...], tuple[PriceRow, ...]]:
    """Heads and rows.  The A/A arm has no row: its price is the floor, told in the banner."""
    primary = [metric for metric in metrics if metric.primary]
    resources = [name for name in HEADS if any(metric.resource == name for metric in primary)]
    rows = tuple(
        PriceRow(arm, tuple(_price(arm, name, primary, tried) for name in resources))
        for arm in arms
        if not arm.again
    )
    return tuple(HEADS[name] for name in resources), rows


def _price(arm: ArmView, resource: str, metrics: Sequence[MetricView], tried: Tried) -> Price:
    found = _found(arm, resource, metrics)
    without = found is NOT_MEASURED and (arm.name, resource) in tried
    return NOTHING_COUNTS if without else found


def _found(arm: ArmView, resource: str, metrics: Sequence[MetricView]) -> Price:
    ours = [metric for metric in metrics if metric.resource == resource]
    if resource in WEIGHTS:
        return _weight(arm, ours[0])
    if arm.name == BASELINE:
        return Price("100 %", "the baseline", "plain")
    if not any(metric.effects for metric in ours):
        return Price(text.NOTHING, "nothing to compare with", "none")
    found = [(metric, effect_in(metric, arm)) for metric in ours]
    return _speed([(metric, effect) for metric, effect in found if effect and effect.ratio])


def _speed(found: Sequence[tuple[MetricView, Effect]]) -> Price:
    if not found:
        return NOT_MEASURED
    ratios = [effect.ratio for _, effect in found if effect.ratio is not None]
    figure = text.span(min(ratios), max(ratios))
    worst, effect = min(found, key=lambda pair: pair[1].ratio or 0.0)
    if effect.tone in {"cost", "none"} or len({e.reading for _, e in found}) == 1:
        remark = effect.reading if len(found) == 1 else _remark(worst, effect)
        return Price(figure, remark, effect.tone)
    mixed = next((e for _, e in found if e.tone == "gain"), effect)
    return Price(figure, mixed.reading, mixed.tone)


def _remark(worst: MetricView, effect: Effect) -> str:
    return f"slower: {worst.title}" if effect.tone == "cost" else effect.reading


def _weight(arm: ArmView, metric: MetricView) -> Price:
    value = value_in(metric, arm)
    if value is None:
        return NOT_MEASURED
    figure = text.quantity(value.median.value, metric.unit)
    effect = effect_in(metric, arm)
    if arm.name == BASELINE:
        return Price(figure, "the baseline", "plain")
    if effect is None or not effect.ratio:
        return Price(figure, effect.note if effect else "nothing to compare with", "plain")
    remark = f"{text.number(1 / effect.ratio)}× native"
    return Price(figure, f"{remark}, {arm.condition}" if arm.hollow else remark, effect.tone)


def effect_in(metric: MetricView, arm: ArmView) -> Effect | None:
    """The arm's effect in ``metric``, if it has one."""
    return next((effect for effect in metric.effects if effect.arm == arm), None)


def value_in(metric: MetricView, arm: ArmView) -> ArmValue | None:
    """The arm's own figure in ``metric``, if it has one."""
    return next((value for value in metric.values if value.arm == arm), None)
