"""Rank distributions against scipy, and order statistics against sorting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from results.stats import ranks
from results.stats.intervals import RESERVE, Levels, paired, unpaired


@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 4), (5, 5), (7, 2), (10, 20), (30, 30)])
def test_the_mann_whitney_distribution_is_scipys(m: int, n: int) -> None:
    ours = ranks._mann_whitney_cdf(min(m, n), max(m, n))
    x = np.arange(m, dtype=float)
    for u in range(0, m * n + 1, max(1, m * n // 7)):
        # The u-th of a sequence of samples with U = u: shift y's to lie above u pairs.
        assert 0.0 < ours[u] <= 1.0 + 1e-12
    separate = stats.mannwhitneyu(x, np.arange(n) + m + 1.0, method="exact").pvalue
    assert 2.0 * ours[0] == pytest.approx(min(separate, 2.0))
    assert ours[-1] == pytest.approx(1.0)


def test_the_mann_whitney_distribution_is_that_of_all_arrangements() -> None:
    m, n = 4, 3
    counts = np.zeros(m * n + 1)
    for chosen in itertools.combinations(range(m + n), m):
        counts[sum(chosen) - m * (m - 1) // 2] += 1
    assert np.allclose(ranks._mann_whitney_cdf(3, 4), np.cumsum(counts) / counts.sum())


def test_the_signed_rank_distribution_is_that_of_all_signs() -> None:
    n = 6
    totals = [
        sum(rank for rank, sign in enumerate(signs, 1) if sign)
        for signs in itertools.product((False, True), repeat=n)
    ]
    counts = np.bincount(totals, minlength=n * (n + 1) // 2 + 1)
    assert np.allclose(ranks._signed_rank_cdf(n), np.cumsum(counts) / 2**n)


@pytest.mark.parametrize(("n", "k"), [(5, -1), (6, 0), (7, 2), (8, 3), (10, 8), (20, 52)])
def test_signed_rank_cutoffs_are_those_of_the_tables(n: int, k: int) -> None:
    assert ranks.signed_rank_cutoff(n, 0.025) == k


@pytest.mark.parametrize(("m", "n", "k"), [(3, 3, -1), (4, 4, 0), (5, 5, 2), (10, 10, 23)])
def test_mann_whitney_cutoffs_are_those_of_the_tables(m: int, n: int, k: int) -> None:
    assert ranks.mann_whitney_cutoff(m, n, 0.025) == k


def test_beyond_the_exact_range_the_cutoff_continues_and_errs_to_the_wide_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exact = [ranks.mann_whitney_cutoff(n, n, 0.025) for n in (20, 25, 30)]
    signed = [ranks.signed_rank_cutoff(n, 0.025) for n in (50, 100, 200)]
    monkeypatch.setattr(ranks, "EXACT_PAIRS", 0)
    monkeypatch.setattr(ranks, "EXACT_SIGNED", 0)
    for n, k in zip((20, 25, 30), exact, strict=True):
        assert k - 2 <= ranks.mann_whitney_cutoff(n, n, 0.025) <= k
    for n, k in zip((50, 100, 200), signed, strict=True):
        assert k - 3 <= ranks.signed_rank_cutoff(n, 0.025) <= k


def test_bisection_finds_what_sorting_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    x, y = np.round(rng.normal(0, 1, 40), 1), np.round(rng.normal(1, 2, 30), 1)
    places = [0, 1, 17, 600, 1198, 1199]
    walsh_places = [0, 5, 400, 819]
    dense = ranks.ordered_differences(x, y, places), ranks.ordered_walsh(x, walsh_places)
    monkeypatch.setattr(ranks, "DENSE_PAIRS", 0)
    assert np.allclose(ranks.ordered_differences(x, y, places), dense[0], atol=1e-12)
    assert np.allclose(ranks.ordered_walsh(x, walsh_places), dense[1], atol=1e-12)


def test_the_unpaired_interval_holds_exactly_the_shifts_that_the_test_accepts() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(0, 1, 5), rng.normal(0.5, 1, 5)
    found = unpaired(x, y, Levels.of(0.95))
    assert found.wide is not None
    for shift, accepted in ((found.wide[0] + 1e-6, True), (found.wide[0] - 1e-6, False)):
        p = stats.mannwhitneyu(y - shift, x, method="exact").pvalue
        assert bool(p > 0.05 * RESERVE) is accepted


def test_the_paired_interval_holds_exactly_the_shifts_that_the_test_accepts() -> None:
    d = np.random.default_rng(6).normal(0.5, 1, 12)
    found = paired(d, Levels.of(0.95))
    assert found.wide is not None
    for shift, accepted in ((found.wide[1] - 1e-6, True), (found.wide[1] + 1e-6, False)):
        p = stats.wilcoxon(d - shift, method="exact").pvalue
        assert bool(p > 0.05 * RESERVE) is accepted
