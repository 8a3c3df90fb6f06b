"""The smallest effect to expect of a design, from blocks in which two equal arms took turns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from results.stats.errors import StatsError
from results.stats.interleaved import Block, fit
from results.stats.intervals import Levels, paired
from results.stats.values import FloatArray

FEWEST = 3
"""Blocks below which nothing is known of how they differ."""


def smallest(blocks: Sequence[Block], *, rounds: int, design_blocks: int) -> float:
    """Half-width of the 95 % interval of the ratio of two arms that do not differ, as a share.

    Each block is fitted as a run's are; the standard deviation of its log ratio, of n rounds, is
    taken to be sqrt(rounds / n) times that of a block of the design.  The interval is the one that
    ``compare`` gives for as many paired blocks whose log ratios lie as normal ones do on average
    (Blom's scores), so that its width is neither lucky nor unlucky.

    Args:
        blocks: slices of arms 0 and 1.
        rounds: of a block of the design.
        design_blocks: how many it has.

    Raises:
        StatsError: fewer than three blocks hold both arms, or so few planned give no interval.
    """
    whole = [each for each in blocks if np.unique(each.arms).size == 2]
    if len(whole) < FEWEST:
        raise StatsError(
            f"{len(whole)} blocks hold both arms, {FEWEST} are needed at least", argument="blocks"
        )
    levels = [fit(each).levels for each in whole]
    lengths = np.array([np.unique(each.rounds).size for each in whole], dtype=np.float64)
    ratios = np.array([found[1] - found[0] for found in levels])
    one_round = math.sqrt(float(np.mean(lengths * (ratios - ratios.mean()) ** 2)))
    one_round *= math.sqrt(len(whole) / (len(whole) - 1))
    found = paired(one_round / math.sqrt(rounds) * _scores(design_blocks), Levels.of(0.95))
    if found.wide is None:
        raise StatsError("; ".join(found.warnings), argument="design_blocks")
    low, high = found.wide
    return math.expm1((high - low) / 2.0)


def _scores(count: int) -> FloatArray:
    """Blom's approximation of the means of normal order statistics, with deviation 1."""
    scores = ndtri((np.arange(1, count + 1) - 0.375) / (count + 0.25))
    scaled: FloatArray = scores / scores.std(ddof=1) if count > 1 else scores
    return scaled
