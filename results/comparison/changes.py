"""Every metric that two sides share: B against A, its interval, what it means.

Pure: evidence in, frozen results out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from results.comparison.family import survivors
from results.comparison.model import CONFIDENCE, MARGIN, Change, Comparisons, Side, Verdict
from results.comparison.pairs import Pair, arms_of, pairs_of
from results.ledger.judge.evidence import BASELINE
from results.ledger.judge.floors import AaFloor, floors
from results.stats import Comparison, Floor, StatsError, above_floor
from results.stats.compare import ROUNDING, compare_at
from results.stats.intervals import Levels
from results.stats.values import fraction, middle


@dataclass(frozen=True, slots=True)
class _Case:
    """A pair with all that it is judged by."""

    pair: Pair
    floor: AaFloor
    margin: float
    """What counts as no change here: never less than the floor."""
    paired: bool

    def compared(self, levels: Levels | None = None) -> Comparison:
        """B against A; raises StatsError for values that allow no ratio."""
        base, other = self.pair.values
        blocks = (base.blocks.tolist(), other.blocks.tolist())
        return compare_at(
            base.means,
            other.means,
            margin=self.margin,
            direction=self.pair.direction,
            confidence=CONFIDENCE,
            blocks=blocks if self.paired else None,
            levels=levels,
        )

    def excludes(self, divisor: int) -> bool:
        """Whether the interval at alpha/divisor excludes no change."""
        found = self.compared(_levels(divisor))
        if found.low is None or found.high is None:
            return False
        return found.low > 1.0 + ROUNDING or found.high < 1.0 - ROUNDING


def compare_sides(a: Side, b: Side, *, margin: float = MARGIN, only: str = "") -> Comparisons:
    """Compare B with A.

    Args:
        a: what was before.
        b: what is now.
        margin: share in (0, 1) that counts as no change; where the A/A floor is larger, it does.
        only: workloads, resources, metrics or ``workload/metric``, apart by commas; all if empty.

    Raises:
        StatsError: ``margin`` is no such share.
    """
    fraction(margin, "margin")
    left_out: list[str] = []
    paired = a.run.run_id == b.run.run_id
    limits = _floors(a, b)
    found: list[tuple[_Case, Comparison]] = []
    for arms in arms_of(a, b, left_out):
        for pair in pairs_of(a, b, arms, only, left_out):
            case = _case(pair, limits[pair.workload, pair.metric], margin, paired=paired)
            try:
                found.append((case, case.compared()))
            except StatsError as error:
                why = f"its values allow no ratio: {error}"
                left_out.append(f"{pair.workload} {pair.metric} in {pair.arms[1]}: {why}")
    kept = survivors([case.excludes for case, _ in found])
    needed = "bench" in (a.run.source, b.run.source)
    changes = []
    for (case, alone), survives in zip(found, kept, strict=True):
        verdict = _verdict(alone, case.floor, survives=survives, family=len(found), needed=needed)
        changes.append(_change(case, alone, verdict))
    cautions = _cautions(changes, found)
    in_blocks = bool(found) and all(case.paired for case, _ in found)
    return Comparisons(tuple(changes), in_blocks, margin, tuple(left_out), cautions)


def _case(pair: Pair, floor: AaFloor, margin: float, *, paired: bool) -> _Case:
    base, other = pair.values
    both = paired and not set(base.blocks.tolist()).isdisjoint(other.blocks.tolist())
    return _Case(pair, floor, min(0.999, max(margin, floor.effect or 0.0)), both)


def _levels(divisor: int) -> Levels:
    alpha = (1.0 - CONFIDENCE) / divisor
    return Levels(alpha, 2.0 * alpha)


def _floors(a: Side, b: Side) -> Mapping[tuple[str, str], AaFloor]:
    """The larger floor of both sides; unknown only where it is for both."""
    first, second = floors(a.evidence), floors(b.evidence)
    found = dict(first)
    for key, floor in second.items():
        before = found.get(key)
        size = before.effect if before else None
        if size is None or (floor.effect is not None and floor.effect > size):
            found[key] = floor
    return found


def _change(case: _Case, alone: Comparison, verdict: tuple[Verdict, str]) -> Change:
    pair = case.pair
    medians = [middle(values.means) for values in pair.values]
    return Change(
        workload=pair.workload,
        metric=pair.metric,
        unit=pair.unit,
        direction=pair.direction,
        arm_a=pair.arms[0],
        arm_b=pair.arms[1],
        median_a=medians[0],
        median_b=medians[1],
        comparison=alone,
        floor=case.floor.effect,
        verdict=verdict[0],
        why=verdict[1],
    )


def _verdict(
    alone: Comparison, floor: AaFloor, *, survives: bool, family: int, needed: bool
) -> tuple[Verdict, str]:
    if alone.low is None:
        return "inconclusive", "; ".join(alone.warnings)
    found = alone
    if floor.effect is not None or needed:
        found = above_floor(alone, Floor(floor.effect, alone, floor.reason))
    if found.verdict == "inconclusive":
        said = [each for each in found.warnings if each not in alone.warnings]
        return "inconclusive", said[-1] if said else "the interval holds both change and no change"
    if found.verdict != "different":
        return "no change", ""
    if not survives:
        why = f"it differs by itself, but one of {family} comparisons may do so by chance"
        return "inconclusive", why
    return ("worse" if found.worse_by > 0 else "better"), ""


def _cautions(
    changes: Sequence[Change], found: Sequence[tuple[_Case, Comparison]]
) -> tuple[str, ...]:
    said: list[str] = []
    family = len(found)
    mute = [
        case
        for case, alone in found
        if alone.low is not None and case.compared(_levels(family)).low is None
    ]
    if mute:
        said.append(
            f"in {len(mute)} of {family} comparisons there are too few trials for a single change "
            "to stand out among so many: take more trials, or compare less at a time with --only"
        )
    unknown = sum(change.floor is None for change in changes)
    if unknown:
        said.append(
            f"the smallest effect that can be shown is not known for {unknown} of {family} "
            "comparisons: native was not measured against native"
        )
    itself = [change for change in changes if change.arm_a == change.arm_b == BASELINE]
    moved = sum(change.verdict in {"worse", "better"} for change in itself)
    if moved:
        said.append(
            f"native itself changed in {moved} of {len(itself)} comparisons: the machine did, and "
            "what changed in boxes may be the same"
        )
    return tuple(said)
