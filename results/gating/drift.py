"""A clock that was not the same for one arm as for the others of its block.

Every trial is held against the speeds that this run's clock has (``speeds``), and against the
median of its block.  A trial far from both was disturbed alone.  An arm whose trials are slower
than those beside them, block after block, was disturbed as an arm, at whatever speed.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from results.gating.imbalance import Lopsided, standing
from results.gating.observations import Group, Observation
from results.gating.speeds import Speeds
from results.records.records import GateFinding

CAUTION = 0.05
"""Repeated on an idle virtual machine, a spin varies by 3 %."""
INVALID = 0.15
"""More than leaving turbo costs the processors of most servers."""
USUAL = 5.0
"""Where trials differ by more anyway, that many times their usual deviation is needed."""
SMALLEST_BLOCK = 3
"""Arms below which a block's median says nothing of who was disturbed."""
ARM_BIAS = 0.05
"""As much would make a verdict by itself, at the ledger's margin of 2 %, twice."""
ARM_Z = 4.0
"""One arm in 16,000 by chance."""
REMEDY = "improve cooling, fix the frequency: invoke doctor --tune"

Found = Iterator[tuple[int, GateFinding]]


def drifts(observations: Sequence[Observation], clock: Speeds | None) -> Found:
    """Trials that were disturbed alone, by their place in ``observations``."""
    if clock is None:
        return
    off = [_off(each, clock) for each in observations]
    middles = _middles(observations, off)
    beside = [
        None if value is None else value - middles.get(each.group, 0.0)
        for each, value in zip(observations, off, strict=True)
    ]
    known = [v for v, o in zip(beside, observations, strict=True) if v is not None and o.counts]
    usual = 1.4826 * statistics.median(map(abs, known)) if known else 0.0
    invalid = max(math.log1p(INVALID), USUAL * usual)
    caution = max(math.log1p(CAUTION), USUAL * usual / 2)
    for place, value in enumerate(beside):
        if value is not None and abs(value) > caution:
            against = "than its block's others" if observations[place].group in middles else ""
            yield place, _alone(value, severe=abs(value) > invalid, against=against)


def _off(each: Observation, clock: Speeds) -> float | None:
    """The median of a trial's readings, each as its distance from the nearer speed."""
    return statistics.median(clock.off(took) for _, took in each.pace) if each.pace else None


def _middles(
    observations: Sequence[Observation], off: Sequence[float | None]
) -> Mapping[Group, float]:
    """The median over each block's arms; of repeated trials an arm's own median stands for it."""
    groups: dict[Group, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for each, value in zip(observations, off, strict=True):
        if value is not None and each.counts:
            groups[each.group][each.arm].append(value)
    return {
        group: statistics.median(statistics.median(values) for values in arms.values())
        for group, arms in groups.items()
        if len(arms) >= SMALLEST_BLOCK
    }


def _alone(value: float, *, severe: bool, against: str) -> GateFinding:
    than = against or "than is usual in this run"
    return GateFinding(
        "frequency-drift",
        "invalid" if severe else "caution",
        f"fixed work took {_much(value)} {than}",
        REMEDY,
        transient=True,
    )


def _much(value: float) -> str:
    return f"{100 * abs(math.expm1(value)):.0f} % {'longer' if value > 0 else 'shorter'}"


def biased_arms(observations: Sequence[Observation]) -> Mapping[str, Lopsided]:
    """Arms beside which the clock is another than beside those that they stand with."""
    means, biased = _means(observations), dict[str, Lopsided]()
    while True:
        standings = standing(means)
        worst = max(standings, key=lambda arm: abs(standings[arm].z), default="")
        if not worst or not _is_biased(standings[worst]):
            return biased
        # The others stand where they do because of this one: without it they are looked at again.
        biased[worst] = standings[worst]
        means = {
            group: {arm: value for arm, value in arms.items() if arm != worst}
            for group, arms in means.items()
        }


def arm_drifts(observations: Sequence[Observation], biased: Mapping[str, Lopsided]) -> Found:
    """Trials of arms that were disturbed as arms, where these trials show it."""
    if not biased:
        return
    means = _means(observations)
    for place, each in enumerate(observations):
        found, peers = biased.get(each.arm), means.get(each.group, {})
        others = [mean for arm, mean in peers.items() if arm != each.arm]
        if found is None or not each.pace or not others:
            continue
        beside = _log_pace(each) - statistics.median(others)
        if math.copysign(beside, beside * found.effect) > math.log1p(CAUTION):
            yield place, _as_an_arm(each.arm, found)


def _log_pace(each: Observation) -> float:
    return statistics.fmean(math.log(took) for _, took in each.pace)


def _means(observations: Sequence[Observation]) -> Mapping[Group, Mapping[str, float]]:
    """Block → arm → mean logarithm of its readings, over its attempts."""
    blocks: dict[Group, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for each in observations:
        if each.pace and each.counts:
            blocks[each.group][each.arm].append(_log_pace(each))
    return {
        group: {arm: statistics.fmean(values) for arm, values in arms.items()}
        for group, arms in blocks.items()
    }


def _is_biased(found: Lopsided) -> bool:
    return abs(found.z) > ARM_Z and abs(found.effect) > math.log1p(ARM_BIAS)


def _as_an_arm(arm: str, found: Lopsided) -> GateFinding:
    return GateFinding(
        "arm-drift",
        "invalid",
        f"beside {arm} fixed work takes {_much(found.effect)} than beside the other arms, over "
        f"{found.blocks} blocks: something of the host works against that arm alone",
        "find what runs when this arm does: a scanner of its files, a service of its engine",
    )
