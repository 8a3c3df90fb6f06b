"""The answer in plain sentences, made from the numbers and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reports import text
from reports.view.arms import BASELINE, COLD_BASELINE
from reports.view.effects import NOISY
from reports.view.model import ArmView, Effect, MetricView
from reports.view.prices import effect_in, value_in
from reports.view.stopping import blocks_words
from results.records.records import Run

RESOURCES = {
    "cpu": "CPU work",
    "memory": "memory work",
    "network": "network work",
    "storage": "storage work",
    "system": "system calls",
    "application": "applications",
}


def answer(run: Run, metrics: Sequence[MetricView], arms: Sequence[ArmView]) -> tuple[str, ...]:
    """Sentences for a decision-maker: what was compared, then what each resource costs."""
    bare = {BASELINE, COLD_BASELINE}
    boxes = [arm for arm in arms if arm.name not in bare and not arm.again]
    judged = [arm for arm in boxes if not arm.hollow]
    primary = [metric for metric in metrics if metric.primary]
    by_resource = {
        words: [metric for metric in primary if metric.resource == resource]
        for resource, words in RESOURCES.items()
    }
    sentences = [_compared(run, arms, boxes), *_speeds(by_resource, judged)]
    sentences += _weights("startup", "To its first answer", primary, boxes)
    sentences += _weights("footprint", "One idle instance takes", primary, boxes)
    emulated = [text.name(arm.name, 32) for arm in boxes if arm.condition == "emulated"]
    if emulated:
        names = text.listed(emulated)
        sentences.append(f"{names} ran on an emulated CPU: nothing here says how fast VMs are.")
    return tuple(sentences)


def _compared(run: Run, arms: Sequence[ArmView], boxes: Sequence[ArmView]) -> str:
    count = len(run.workloads)
    work = f"the same {count} workloads" if count > 1 else "the same workload"
    names = text.listed([text.name(arm.name, 32) for arm in boxes])
    kinds = f"in {len(boxes)} kinds of box ({names})" if len(boxes) > 1 else f"in {names}"
    places = [kinds] if boxes else []
    if any(arm.name == BASELINE for arm in arms):
        places.insert(0, "on the bare host")
    if run.source != "bench":
        where = text.listed(places)
        return f"Somebody else ran {work} {where}; their figures were imported, not measured here."
    return f"We ran {work} {text.listed(places)}, {blocks_words(run)}."


def _speeds(
    by_resource: Mapping[str, Sequence[MetricView]], judged: Sequence[ArmView]
) -> Iterator[str]:
    """Costs one by one, then, in one sentence each, where none was seen and where none can be."""
    even: list[str] = []
    early: list[str] = []
    noisy: list[str] = []
    limits: list[float] = []
    for words, metrics in by_resource.items():
        found = _found(metrics, judged)
        costs = [(metric, effect) for metric, effect in found if effect.tone == "cost"]
        tones = {effect.tone for _, effect in found}
        if costs:
            yield _largest(words, costs)
        elif any(effect.low is None for _, effect in found):
            early.append(f"{words} at {_range(found)}")
        elif "plain" in tones:
            noisy.append(words)
        elif tones:
            even.append(words)
            limits += [metric.floor.effect for metric in metrics if metric.floor]
    if noisy:
        yield (
            f"In {text.listed(noisy)} this host was too noisy to tell the boxes from the "
            f"host itself: native differed from itself by more than {text.percent(NOISY - 1)}."
        )
    if even:
        least = text.percent(max(limits), 1) if limits else ""
        from_ = f"; this machine shows differences from {least}" if least else ""
        seen = f"no box was measurably slower than the bare host{from_}"
        yield f"In {text.listed(even)} {seen}."
    if early:
        yield (
            "There are too few trials yet to tell the boxes from the bare host; so far they did "
            f"{text.listed(early)} of native speed."
        )


def _range(found: Sequence[tuple[MetricView, Effect]]) -> str:
    ratios = [effect.ratio for _, effect in found if effect.ratio is not None]
    return text.span(min(ratios), max(ratios))


def _found(
    metrics: Sequence[MetricView], judged: Sequence[ArmView]
) -> list[tuple[MetricView, Effect]]:
    return [
        (metric, effect)
        for metric in metrics
        for arm in judged
        if (effect := effect_in(metric, arm)) and effect.ratio is not None
    ]


def _largest(words: str, costs: Sequence[tuple[MetricView, Effect]]) -> str:
    metric, effect = min(costs, key=lambda pair: pair[1].ratio or 0.0)
    interval = ""
    if effect.low is not None and effect.high is not None:
        interval = f" (interval {text.span(effect.low, effect.high)})"
    return (
        f"In {words} the largest cost is that of {text.name(effect.arm.name, 32)} in "
        f"{metric.title}: {text.percent(effect.ratio or 0.0)} of native speed{interval}."
    )


def _weights(
    resource: str, begin: str, primary: Sequence[MetricView], boxes: Sequence[ArmView]
) -> list[str]:
    metric = next((metric for metric in primary if metric.resource == resource), None)
    if metric is None:
        return []
    parts = [
        f"{text.quantity(value.median.value, metric.unit)} ({arm.label})"
        for arm in boxes
        if (value := value_in(metric, arm))
    ]
    if not parts:
        return []
    base = next((value for value in metric.values if value.arm.name == BASELINE), None)
    beside = f", beside {text.quantity(base.median.value, metric.unit)} natively" if base else ""
    verb = "a box takes " if resource == "startup" else ""
    return [f"{begin} {verb}{text.listed(parts)}{beside}."]
