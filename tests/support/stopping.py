"""Stopping early, measured: errors over all looks, and trials against a fixed-n design."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from results.stats.compare import Comparison, Verdict, compare, compare_at
from results.stats.intervals import MINIMUM_TRIALS
from results.stats.sequential import SequentialPlan, plan
from results.stats.values import FloatArray
from tests.support.coverage import FAMILIES, MARGIN, SEED

MAXIMUM = 50
NOISE = 0.06
"""Standard deviation of the log value of a trial in these simulations."""
SCENARIOS = (1.0, 0.99, 0.85, 0.7, 0.5, 0.1)
"""True ratios of the mix: a claim set with "same", "a bit", "clearly" and "ten times"."""


@dataclass(frozen=True, slots=True)
class StoppingRow:
    """One true ratio, judged both ways."""

    ratio: float
    replications: int
    right_sequential: float
    """Share of runs that end in the right verdict."""
    right_fixed: float
    wrong_sequential: float
    """Share of runs that end in a wrong verdict, at whichever look."""
    wrong_fixed: float
    blocks_sequential: float
    """Mean blocks used."""
    blocks_fixed: int

    @property
    def cost(self) -> float:
        """Blocks used ÷ blocks of the fixed design."""
        return self.blocks_sequential / self.blocks_fixed


def stopping_table(
    replications: int,
    *,
    maximum: int = MAXIMUM,
    ratios: Sequence[float] = SCENARIOS,
    noise: float = NOISE,
    seed: int = SEED,
) -> tuple[StoppingRow, ...]:
    """Paired lognormal blocks for every true ratio, sequential beside fixed-n.

    The fixed design is the smallest that settles the hardest of the ratios as often as the
    sequential plan does; one n serves all, as nobody knows the ratios beforehand.
    """
    schedule = plan(maximum)
    draws = [
        _draws(np.random.default_rng([seed, place]), ratio, noise, (replications, maximum))
        for place, ratio in enumerate(ratios)
    ]
    sequential = [[_sequentially(x, y, schedule) for x, y in zip(*d, strict=True)] for d in draws]
    open_shares = [sum(v == "inconclusive" for v, _ in ends) for ends in sequential]
    # Among equals (nothing open) the one that took most blocks is the hardest.
    blocks_used = [sum(count for _, count in ends) for ends in sequential]
    hardest = max(range(len(ratios)), key=lambda place: (open_shares[place], blocks_used[place]))
    fixed = _fixed_size(draws[hardest], open_shares[hardest], maximum)
    return tuple(
        _row(ratio, ends, _at_once(of, fixed), fixed)
        for ratio, ends, of in zip(ratios, sequential, draws, strict=True)
    )


@dataclass(frozen=True, slots=True)
class LookErrors:
    """Shares of runs that some look ends in a wrong verdict."""

    family: str
    maximum: int
    replications: int
    false_different: float
    false_equivalent: float
    blocks: float
    """Mean blocks used where the true ratio is 1."""


def look_errors(
    family: str, replications: int, *, maximum: int = MAXIMUM, seed: int = SEED
) -> LookErrors:
    """Errors over all looks for a family of ``coverage``: ratio 1, and 1 − margin."""
    schedule = plan(maximum)
    first, second = FAMILIES[family]
    rng = np.random.default_rng([seed, maximum, sorted(FAMILIES).index(family)])
    pairs = [(first(rng, maximum), second(rng, maximum)) for _ in range(replications)]
    alike = [_sequentially(x, y, schedule) for x, y in pairs]
    apart = [_sequentially(x, (1.0 - MARGIN) * y, schedule)[0] for x, y in pairs]
    return LookErrors(
        family=family,
        maximum=maximum,
        replications=replications,
        false_different=_share([verdict for verdict, _ in alike], _wrong(1.0)),
        false_equivalent=_share(apart, _wrong(1.0 - MARGIN)),
        blocks=float(np.mean([count for _, count in alike])),
    )


def _row(
    ratio: float, ends: Sequence[tuple[Verdict, int]], at_once: Sequence[Verdict], fixed: int
) -> StoppingRow:
    verdicts = [verdict for verdict, _ in ends]
    return StoppingRow(
        ratio=ratio,
        replications=len(ends),
        right_sequential=_share(verdicts, _right(ratio)),
        right_fixed=_share(at_once, _right(ratio)),
        wrong_sequential=_share(verdicts, _wrong(ratio)),
        wrong_fixed=_share(at_once, _wrong(ratio)),
        blocks_sequential=float(np.mean([count for _, count in ends])),
        blocks_fixed=fixed,
    )


def _draws(
    rng: np.random.Generator, ratio: float, noise: float, shape: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    x: FloatArray = np.exp(noise * rng.standard_normal(shape))
    y: FloatArray = ratio * np.exp(noise * rng.standard_normal(shape))
    return x, y


def _at_once(draws: tuple[FloatArray, FloatArray], n: int) -> list[Verdict]:
    return [
        compare(x[:n], y[:n], margin=MARGIN, blocks=range(n)).verdict
        for x, y in zip(*draws, strict=True)
    ]


def _fixed_size(draws: tuple[FloatArray, FloatArray], may_stay_open: int, maximum: int) -> int:
    """Fewest blocks at which no more runs stay inconclusive, by bisection."""
    low, high = MINIMUM_TRIALS, maximum
    while low < high:
        middle = (low + high) // 2
        if _at_once(draws, middle).count("inconclusive") <= may_stay_open:
            high = middle
        else:
            low = middle + 1
    return high


def looks(
    x: FloatArray, y: FloatArray, schedule: SequentialPlan
) -> Iterator[tuple[int, Comparison]]:
    """Compare at each look in turn: how many blocks there are, and what is seen of them."""
    for count, levels in zip(schedule.looks, schedule.levels, strict=True):
        yield (
            count,
            compare_at(
                x[:count],
                y[:count],
                margin=MARGIN,
                direction="higher",
                confidence=schedule.confidence,
                blocks=range(count),
                levels=levels,
            ),
        )


def _sequentially(x: FloatArray, y: FloatArray, schedule: SequentialPlan) -> tuple[Verdict, int]:
    for count, seen in looks(x, y, schedule):
        if seen.settled or count == schedule.maximum:
            return seen.verdict, count
    raise AssertionError("the last look ends the plan")


def _share(verdicts: Sequence[Verdict], which: frozenset[Verdict]) -> float:
    return sum(verdict in which for verdict in verdicts) / len(verdicts)


def _right(ratio: float) -> frozenset[Verdict]:
    """What may be said of a true ratio: inside the margin, both words for "small" may."""
    if ratio == 1.0:
        return frozenset({"equivalent"})
    if 1.0 - MARGIN <= ratio <= 1.0 / (1.0 - MARGIN):
        return frozenset({"equivalent", "negligible", "different"})
    return frozenset({"different"})


def _wrong(ratio: float) -> frozenset[Verdict]:
    """A difference where there is none; equivalence at the margin or beyond."""
    if ratio == 1.0:
        return frozenset({"different", "negligible"})
    if 1.0 - MARGIN < ratio < 1.0 / (1.0 - MARGIN):
        return frozenset()
    return frozenset({"equivalent", "negligible"})
