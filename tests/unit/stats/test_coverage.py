"""Coverage, measured with few replications and an honest tolerance.

A rate is refuted only where its count is outside the binomial's 0.01 % tail of the target:
with 300 replications an interval that covers 86 % in truth fails for sure.
"""

from __future__ import annotations

import pytest
from scipy import stats

from tests.support.coverage import FAMILIES, SIZES, CoverageRow, coverage_table, drift_table

RUNS = 300


def at_least(share: float) -> float:
    return float(stats.binom.ppf(1e-4, RUNS, share)) / RUNS


def at_most(share: float) -> float:
    return float(stats.binom.ppf(1 - 1e-4, RUNS, share)) / RUNS


def assert_honest(row: CoverageRow) -> None:
    assert row.covered >= at_least(0.93), row
    assert row.false_different <= at_most(0.05), row
    assert row.false_equivalent <= at_most(0.05), row
    assert row.declined == 0.0, row


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_intervals_cover_and_verdicts_seldom_err(family: str) -> None:
    rows = coverage_table(RUNS, families=[family])
    assert {row.n for row in rows} == set(SIZES)
    for row in rows:
        assert_honest(row)


@pytest.mark.slow
def test_under_drift_random_blocks_keep_the_promise_and_one_arm_after_the_other_breaks_it() -> None:
    for row in drift_table(RUNS):
        if row.design == "blocks":
            assert_honest(row)
        else:
            assert row.covered < 0.5, row
            assert row.false_different > 0.5, row
