"""Slices that took turns in one block: one level for each arm, with the block's drift taken out.

Model of a slice, in logs: round + arm + what the arm before left to it + rest.  Two steps, both
robust, since one slice in twenty meets an interrupt and a clock may change within a round:

1. Differences of slices that followed each other, on the difference of their arms: least squares
   by iterated reweighting.  A change of the clock spoils one difference, wherever it falls, and
   drift is no more than what happens between two neighbours.
2. From there, rounds, arms and arms before by weighted means in turn, with Tukey's biweight of what
   is left (Beaton & Tukey, Technometrics 16, 1974; tuning constant 4.685 for 95 % efficiency on
   normal noise; scale by the median absolute deviation).

What the arm before left is the first-order carry-over of crossover trials (Jones & Kenward,
"Design and Analysis of Cross-Over Trials").  In an order in which each arm follows each, itself
included, equally often it meets all arms alike; in the model it takes out what an unbalanced rest
of the order, or a box that died on the way, would leave of it.

Not median polish, which is the usual robust two-way fit: with three arms the middle one is a
round's median, and its polished differences came to 70 % of true ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats as distributions

from results.stats.values import FloatArray, IntArray

TUNING = 4.685
STEPS = 50
SETTLED = 1e-4
"""Of the scale: a step that changes less is the last."""
LEAST_WEIGHT = 1e-6
"""No round is left without any weight."""
LEAST_ARMS = 2
"""Fewer leave carry-over and levels the same."""
MAD = 1.4826
"""Median absolute deviation → standard deviation of normal noise."""


@dataclass(frozen=True, slots=True)
class Block:
    """The slices of one block in the order in which they were done."""

    logs: FloatArray
    arms: IntArray
    """Numbers from 0."""
    rounds: IntArray
    """Numbers from 0."""
    places: IntArray
    """Increasing; a gap is where a slice is missing."""
    count: int
    """Arms."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What a block comes to."""

    levels: FloatArray
    """Of each arm, in logs; NaN for an arm without slices."""
    left: FloatArray
    """What each arm left to the slice after it, in logs, freed of what all arms leave."""
    rest: FloatArray
    """Of each slice, in logs: what the model does not explain."""
    scale: float
    """Robust standard deviation of ``rest``."""


def fit(block: Block) -> Fit:
    """Levels of a block's arms; the middle round's for the height that they share."""
    present = np.bincount(block.arms, minlength=block.count) > 0
    before = _before(block)
    carries = int(present.sum()) >= LEAST_ARMS
    arms, left = _by_neighbours(block), np.zeros(block.count + 1)
    rounds = _medians(block.logs - arms[block.arms], block.rounds)
    scale = 0.0
    for _ in range(STEPS):
        rest = block.logs - arms[block.arms] - rounds[block.rounds] - left[before]
        scale = _scale(rest)
        weights = _biweight(rest, scale)
        rounds = _means(block.logs - arms[block.arms] - left[before], block.rounds, weights)
        free = block.logs - rounds[block.rounds]
        moved = _means(free - left[before], block.arms, weights, block.count)
        moved -= moved[present].mean()
        if carries:
            left = _means(free - moved[block.arms], before, weights, block.count + 1)
            left[:-1] -= left[:-1][present].mean()
            left[-1] = 0.0
        change = float(np.abs(moved - arms)[present].max())
        arms = moved
        if change <= SETTLED * scale:
            break
    rest = block.logs - arms[block.arms] - rounds[block.rounds] - left[before]
    height = float(np.median(rounds[np.unique(block.rounds)]))
    return Fit(np.where(present, arms + height, np.nan), left[:-1], rest, scale)


def _before(block: Block) -> IntArray:
    """The arm before each slice; one more than there are where none is known."""
    found = np.full(block.arms.size, block.count, dtype=np.intp)
    later = np.flatnonzero(np.diff(block.places) == 1) + 1
    found[later] = block.arms[later - 1]
    return found


def _by_neighbours(block: Block) -> FloatArray:
    """Levels of arms, centred, from differences of neighbours."""
    later = np.flatnonzero(np.diff(block.places) == 1) + 1
    differences = block.logs[later] - block.logs[later - 1]
    one, other = block.arms[later - 1], block.arms[later]
    weights: FloatArray = np.ones(later.size)
    found: FloatArray = np.zeros(block.count)
    for _ in range(STEPS):
        moved = _of_differences(differences, one, other, weights, block.count)
        change = float(np.abs(moved - found).max(initial=0.0))
        found = moved
        rest = differences - (found[other] - found[one])
        scale = _scale(rest)
        if change <= SETTLED * scale:
            break
        weights = _biweight(rest, scale)
    levels: FloatArray = found - found.mean()
    return levels


def _of_differences(
    differences: FloatArray, one: IntArray, other: IntArray, weights: FloatArray, count: int
) -> FloatArray:
    """Least squares by the normal equations, which are as large as there are arms."""
    matrix, right = np.zeros((count, count)), np.zeros(count)
    for first, second, sign in (
        (one, one, 1),
        (other, other, 1),
        (one, other, -1),
        (other, one, -1),
    ):
        np.add.at(matrix, (first, second), sign * weights)
    np.add.at(right, other, weights * differences)
    np.add.at(right, one, -weights * differences)
    # Singular: differences alone tell no height.
    return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0], dtype=np.float64)


def _scale(rest: FloatArray) -> float:
    return MAD * float(np.median(np.abs(rest - np.median(rest)))) if rest.size else 0.0


def _biweight(rest: FloatArray, scale: float) -> FloatArray:
    if scale <= 0.0:
        return np.ones_like(rest)
    share = np.minimum(np.abs(rest) / (TUNING * scale), 1.0)
    weights: FloatArray = np.maximum((1.0 - share**2) ** 2, LEAST_WEIGHT)
    return weights


def _means(values: FloatArray, groups: IntArray, weights: FloatArray, count: int = 0) -> FloatArray:
    total = np.bincount(groups, weights, minlength=count)
    sums = np.bincount(groups, weights * values, minlength=count)
    means: FloatArray = np.divide(sums, total, out=np.zeros_like(sums), where=total > 0.0)
    return means


def _medians(values: FloatArray, groups: IntArray) -> FloatArray:
    found = np.zeros(int(groups.max(initial=-1)) + 1)
    for group in np.unique(groups):
        found[group] = np.median(values[groups == group])
    return found


@dataclass(frozen=True, slots=True)
class Carried:
    """What an arm's slice leaves to the slice after it, and what that would do to an estimate."""

    left: float
    """To the slice after it, in logs, against what an average arm leaves: −0.002 is 0.2 % less."""
    effect: float
    """On the log ratio of candidate to baseline, were it not taken out."""
    bound: float | None
    """|effect| is at most this, with 95 % certainty; None where fewer than two blocks tell."""
    blocks: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Two arms of a block, whose numbers differ from block to block where one lacks an arm."""

    block: Block
    baseline: int
    candidate: int


def carried(pairs: Sequence[tuple[Pair, Fit]]) -> Carried | None:
    """Carry-over between neighbours in order; None where no block has both arms.

    Each block gives one value, so that the interval counts blocks, as that of the estimate does.
    """
    told = [
        (fitted.left[pair.candidate], _effect(pair, fitted))
        for pair, fitted in pairs
        if not np.isnan(fitted.levels[[pair.baseline, pair.candidate]]).any()
    ]
    if not told:
        return None
    left, effects = (np.array(values, dtype=np.float64) for values in zip(*told, strict=True))
    bound = None
    if effects.size > 1:
        error = float(effects.std(ddof=1)) / math.sqrt(effects.size)
        quantile = float(distributions.t.ppf(0.975, effects.size - 1))
        bound = abs(float(effects.mean())) + quantile * error
    return Carried(float(left.mean()), float(effects.mean()), bound, int(effects.size))


def _effect(pair: Pair, fitted: Fit) -> float:
    """How often each arm came before the candidate rather than the baseline, times what it left."""
    block, before = pair.block, _before(pair.block)
    theirs, ours = (
        np.bincount(before[block.arms == arm], minlength=block.count + 1)[:-1]
        / int((block.arms == arm).sum())
        for arm in (pair.candidate, pair.baseline)
    )
    return float((theirs - ours) @ fitted.left)
