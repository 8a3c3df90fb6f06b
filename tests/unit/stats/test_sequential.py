"""Looking repeatedly: known boundaries, the plan's bookkeeping, and errors over all looks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from results.stats import StatsError, plan
from results.stats.compare import compare_at
from results.stats.spending import nominal_levels, spent
from tests.support.stopping import look_errors, stopping_table


def test_one_look_spends_all_of_alpha() -> None:
    assert nominal_levels((10,), (0.05,))[0] == pytest.approx(0.05, abs=1e-9)


def test_pococks_constants_spend_alpha_in_equal_steps() -> None:
    # Jennison & Turnbull 2000, table 2.1: C_P(5, 0.05) = 2.413 for five equal groups.
    level = 2 * stats.norm.sf(2.413)
    first = level
    rest = (0.05 - first) / 4
    levels = nominal_levels((1, 2, 3, 4, 5), (first, rest, rest, rest, rest))
    assert levels[0] == pytest.approx(level, rel=1e-6)
    assert sum(levels) > 0.05


def test_the_error_of_a_random_walk_under_the_levels_is_alpha() -> None:
    schedule = plan(40)
    steps = np.random.default_rng(2).standard_normal((20_000, 40)).cumsum(axis=1)
    stopped = np.zeros(20_000, dtype=bool)
    for count, levels in zip(schedule.looks, schedule.levels, strict=True):
        z = np.abs(steps[:, count - 1]) / np.sqrt(count)
        stopped |= z >= stats.norm.isf(levels.difference / 2)
    low, high = stats.binom.ppf([0.0001, 0.9999], 20_000, 0.05) / 20_000
    assert low <= stopped.mean() <= high


def test_spending_starts_at_nothing_and_ends_at_alpha() -> None:
    assert spent(0.05, 0.0) == 0.0
    assert spent(0.05, 1.0) == pytest.approx(0.05)
    assert spent(0.05, 2.0) == pytest.approx(0.05)


def test_looks_start_where_ranks_can_decide_and_end_at_the_maximum() -> None:
    for maximum in (5, 6, 7, 8, 10, 20, 50, 200):
        schedule = plan(maximum)
        assert schedule.looks[-1] == schedule.maximum == maximum
        assert 2.0 ** (1 - schedule.looks[0]) <= 1.26 * schedule.levels[0].difference
        assert all(levels.difference <= 0.05 + 1e-9 for levels in schedule.levels)


@pytest.mark.parametrize("maximum", [5, 6, 8])
def test_the_last_look_of_a_short_plan_has_an_interval(maximum: int) -> None:
    schedule = plan(maximum)
    data = [1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0, 1.01][:maximum]
    seen = compare_at(
        data,
        [2 * value for value in reversed(data)],
        margin=0.05,
        direction="higher",
        confidence=schedule.confidence,
        blocks=range(maximum),
        levels=schedule.levels[-1],
    )
    assert seen.verdict == "different"


def test_a_plan_cut_short_keeps_the_looks_taken_and_spends_the_rest() -> None:
    schedule = plan(50)
    cut = schedule.ending_at(22)
    assert cut.maximum == 22
    past = [count for count in schedule.looks if count < 22]
    assert cut.looks[:-1] == tuple(past)
    assert cut.levels[: len(past)] == schedule.levels[: len(past)]
    assert cut.levels[-1].difference > schedule.levels[len(past)].difference


def test_a_plan_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(StatsError, match="maximum_blocks"):
        plan(4)
    with pytest.raises(StatsError, match="looks"):
        plan(10, looks=(5, 9))


@pytest.mark.slow
def test_repeated_looks_err_no_more_than_one_look_may_and_take_fewer_blocks() -> None:
    runs = 300
    rows = stopping_table(runs, maximum=24, noise=0.04, ratios=(1.0, 0.95, 0.85, 0.6, 0.1))
    allowed = stats.binom.ppf(0.9999, runs, 0.05) / runs
    for row in rows:
        assert row.wrong_sequential <= allowed
    assert rows[0].right_sequential >= 0.8
    mix = np.mean([row.cost for row in rows])
    assert mix <= 0.60
    # The saving is not bought with certainty.
    for row in rows[2:]:
        assert row.right_sequential >= row.right_fixed - 0.02


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bimodal", "heavy-tailed", "unequal spread"])
def test_repeated_looks_err_seldom_whatever_the_distribution(family: str) -> None:
    found = look_errors(family, 300, maximum=20)
    allowed = stats.binom.ppf(0.9999, 300, 0.05) / 300
    assert found.false_different <= allowed
    assert found.false_equivalent <= allowed
