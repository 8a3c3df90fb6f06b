"""Stopping early, measured: errors over all looks, and trials against a fixed-n design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from results.stats.compare import Verdict, compare
from results.stats.sequential import SequentialPlan, look, plan
from results.stats.simulation import MARGIN, SEED
from results.stats.values import FloatArray

NOISE = 0.045
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
    maximum: int = 50,
    fixed: int | None = None,
    ratios: Sequence[float] = SCENARIOS,
    noise: float = NOISE,
    seed: int = SEED,
) -> tuple[StoppingRow, ...]:
    """Paired lognormal blocks, for every true ratio.

    ``fixed`` is the n of the fixed design, by default ``fixed_equivalent``.
    """
    schedule = plan(maximum)
    fixed = fixed or fixed_equivalent(schedule)
    rows = []
    for place, ratio in enumerate(ratios):
        rng = np.random.default_rng([seed, place])
        ends = [_both_ways(rng, ratio, noise, schedule, fixed) for _ in range(replications)]
        sequential = [end[0] for end in ends]
        at_once = [end[2] for end in ends]
        rows.append(
            StoppingRow(
                ratio=ratio,
                replications=replications,
                right_sequential=_share(sequential, ratio, right=True),
                right_fixed=_share(at_once, ratio, right=True),
                wrong_sequential=_share(sequential, ratio, right=False),
                wrong_fixed=_share(at_once, ratio, right=False),
                blocks_sequential=float(np.mean([end[1] for end in ends])),
                blocks_fixed=fixed,
            )
        )
    return tuple(rows)


def fixed_equivalent(schedule: SequentialPlan) -> int:
    """Blocks of a fixed design with the same power for the hardest claim.

    A sequential plan pays for its looks with a larger maximum; the ratio of the squared
    normal quantiles of its last level and of alpha is what a fixed design saves at that end.
    """
    from scipy.special import ndtri

    last = schedule.levels[-1].equivalence
    power = 1.2816
    spent_z = -float(ndtri(last / 2.0)) + power
    plain_z = -float(ndtri((1.0 - schedule.confidence))) + power
    return round(schedule.maximum * (plain_z / spent_z) ** 2)


def _both_ways(
    rng: np.random.Generator, ratio: float, noise: float, schedule: SequentialPlan, fixed: int
) -> tuple[Verdict, int, Verdict]:
    most = max(schedule.maximum, fixed)
    x = np.exp(noise * rng.standard_normal(most))
    y = ratio * np.exp(noise * rng.standard_normal(most))
    verdict, used = _sequentially(x, y, schedule)
    at_once = compare(x[:fixed], y[:fixed], margin=MARGIN, blocks=range(fixed))
    return verdict, used, at_once.verdict


def _sequentially(x: FloatArray, y: FloatArray, schedule: SequentialPlan) -> tuple[Verdict, int]:
    for count in schedule.looks:
        seen = look(
            x[:count],
            y[:count],
            schedule=schedule,
            margin=MARGIN,
            blocks=range(count),
            blocks_done=count,
        )
        if seen.state != "go on":
            return seen.comparison.verdict, count
    raise AssertionError("the last look ends the plan")


def _share(verdicts: Sequence[Verdict], ratio: float, *, right: bool) -> float:
    inside = 1.0 - MARGIN < ratio < 1.0 / (1.0 - MARGIN)
    good: set[Verdict] = {"equivalent"} if ratio == 1.0 else {"different"}
    if inside and ratio != 1.0:
        good = {"equivalent", "negligible"}
    if right:
        return sum(verdict in good for verdict in verdicts) / len(verdicts)
    return sum(verdict not in good and verdict != "inconclusive" for verdict in verdicts) / len(
        verdicts
    )
