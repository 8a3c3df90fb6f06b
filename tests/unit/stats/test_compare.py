"""Verdicts, properties and refusals of ``compare``."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from results.stats import Comparison, StatsError, compare

QUIET = [100.0, 100.4, 99.7, 100.1, 99.9, 100.3, 99.8, 100.2]
values = st.lists(st.floats(0.01, 1e6), min_size=5, max_size=12)
margins = st.floats(0.001, 0.9)


def scaled(data: Iterable[float], by: float) -> list[float]:
    return [value * by for value in data]


def test_a_clear_loss_is_different_and_worse() -> None:
    found = compare(QUIET, scaled(QUIET, 0.8), margin=0.02)
    assert (found.verdict, found.outcome) == ("different", "worse")
    assert found.ratio == pytest.approx(0.8, rel=0.01)
    assert found.worse_by == pytest.approx(0.2, rel=0.05)


def test_for_times_a_smaller_ratio_is_better() -> None:
    found = compare(QUIET, scaled(QUIET, 0.8), margin=0.02, direction="lower")
    assert (found.verdict, found.outcome) == ("different", "better")
    assert found.worse_by == pytest.approx(-0.2, rel=0.05)


def test_the_bounds_of_the_loss_enclose_it_in_either_direction() -> None:
    for direction in ("higher", "lower"):
        found = compare(QUIET, scaled(QUIET, 0.9), margin=0.02, direction=direction)
        assert found.worse_by_at_least is not None
        assert found.worse_by_at_most is not None
        assert found.worse_by_at_least <= found.worse_by <= found.worse_by_at_most


def test_the_same_values_are_equivalent() -> None:
    found = compare(QUIET, QUIET, margin=0.02)
    assert (found.verdict, found.outcome) == ("equivalent", "same")


def test_a_small_real_difference_inside_the_margin_is_negligible() -> None:
    found = compare(QUIET, scaled(QUIET, 1.01), margin=0.05)
    assert found.verdict == "negligible"
    assert found.low is not None
    assert found.low > 1.0


def test_noise_wider_than_the_margin_is_inconclusive() -> None:
    found = compare([80, 120, 95, 130, 70], [85, 110, 140, 75, 90], margin=0.02)
    assert (found.verdict, found.outcome) == ("inconclusive", "unknown")


@pytest.mark.parametrize("count", [1, 2, 4])
def test_too_few_trials_give_a_ratio_and_no_interval(count: int) -> None:
    found = compare(QUIET[:count], scaled(QUIET[:count], 2.0), margin=0.02)
    assert found.verdict == "inconclusive"
    assert (found.low, found.high, found.equivalence_low, found.equivalence_high) == (None,) * 4
    assert found.ratio == pytest.approx(2.0, rel=0.01)
    assert "fewer than 5 trials" in found.warnings[0]


def test_constant_data_are_judged_and_warned_about() -> None:
    found = compare([7.0] * 5, [7.0] * 5, margin=0.02)
    assert (found.verdict, found.low, found.high) == ("equivalent", 1.0, 1.0)
    assert any("identical" in warning for warning in found.warnings)
    assert compare([7.0] * 5, [8.0] * 5, margin=0.02).verdict == "different"
    assert compare([7.0] * 2, [7.0] * 2, margin=0.02).verdict == "inconclusive"


def test_constants_that_differ_by_a_rounding_error_are_equal() -> None:
    assert compare([0.3] * 6, [0.1 + 0.2] * 6, margin=0.02).verdict == "equivalent"


def test_iterations_are_averaged_per_trial_and_never_pooled() -> None:
    nested = [[value - 5.0, value, value + 5.0] for value in QUIET]
    found = compare(nested, QUIET, margin=0.02)
    flat = compare(QUIET, QUIET, margin=0.02)
    assert (found.n_baseline, found.n_candidate) == (len(QUIET), len(QUIET))
    assert found.low == pytest.approx(flat.low)
    assert found.high == pytest.approx(flat.high)


def test_ragged_trials_weigh_the_same() -> None:
    ragged = [[100.0], [101.0, 99.0], [100.0] * 5, [102.0, 98.0], [100.0]]
    assert compare(ragged, [100.0] * 5, margin=0.02).ratio == pytest.approx(1.0)


def test_arrays_series_and_lists_give_the_same_comparison() -> None:
    expected = compare(QUIET, scaled(QUIET, 1.1), margin=0.02)
    array, frame = np.array(QUIET), pd.Series(scaled(QUIET, 1.1), index=range(10, 18))
    assert compare(array, frame, margin=0.02) == expected
    integers = np.array([100, 101, 99, 102, 98])
    assert compare(integers, integers.tolist(), margin=0.02).ratio == 1.0


def test_blocks_remove_what_both_arms_share() -> None:
    waves = [1.0, 1.5, 2.0, 1.2, 1.7, 1.1, 1.9, 1.3]
    x = [q * w for q, w in zip(QUIET, waves, strict=True)]
    y = [1.03 * q * w for q, w in zip(reversed(QUIET), waves, strict=True)]
    assert compare(x, y, margin=0.01).verdict == "inconclusive"
    paired = compare(x, y, margin=0.01, blocks=range(8))
    assert paired.verdict == "different"
    assert "paired by block" in paired.method


def test_a_block_without_one_arm_is_left_out_with_a_warning() -> None:
    found = compare(QUIET, QUIET[:7], margin=0.02, blocks=(range(8), range(1, 8)))
    assert (found.n_baseline, found.n_candidate, found.n_units) == (7, 7, 7)
    assert any("only one of the arms" in warning for warning in found.warnings)


def test_blocks_may_come_in_any_order_and_hold_several_trials() -> None:
    blocks = list(range(8))
    forward = compare(QUIET, scaled(QUIET, 1.2), margin=0.02, blocks=blocks)
    other = compare(QUIET[::-1], scaled(QUIET, 1.2), margin=0.02, blocks=(blocks[::-1], blocks))
    assert (other.low, other.high) == pytest.approx((forward.low, forward.high))
    twice = compare(
        QUIET + QUIET[:1], scaled(QUIET, 1.2), margin=0.02, blocks=([*blocks, 0], blocks)
    )
    assert any("unequal numbers" in warning for warning in twice.warnings)
    assert twice.n_units == 8


def test_no_shared_block_is_inconclusive_with_the_reason() -> None:
    found = compare(QUIET, QUIET, margin=0.02, blocks=(range(8), range(10, 18)))
    assert (found.verdict, found.low) == ("inconclusive", None)
    assert any("no block holds both arms" in warning for warning in found.warnings)


def test_five_blocks_decide_a_clear_case() -> None:
    blocks = range(5)
    assert compare(QUIET[:5], scaled(QUIET[3:], 3.0), margin=0.02, blocks=blocks).verdict == (
        "different"
    )


def test_dependent_values_are_warned_about() -> None:
    drifting = [100.0 + 0.5 * place for place in range(20)]
    found = compare(drifting, drifting, margin=0.02)
    assert any("dependent" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1.0, float("nan")], r"candidate\[1\]: nan"),
        ([1.0, float("-inf")], r"candidate\[1\]: -inf"),
        ([1.0, -2.0], r"candidate\[1\]: -2 is negative"),
        ([0.0], r"candidate\[0\]: the value is zero"),
        (["12"], r"candidate\[0\]: '12' is not a number"),
        ([True], r"candidate\[0\]: True is not a number"),
        ([None], r"candidate\[0\]: None is not a number"),
        ([[1.0], [1.0, float("inf")]], r"candidate\[1\]\[1\]: inf"),
        ([[1.0], []], r"candidate\[1\]: the trial has no iterations"),
        ([], "candidate: there are no values"),
        ("123", "candidate: str is not a sequence"),
        (5.0, "candidate: float is not a sequence"),
        ({1.0, 2.0}, "candidate: set is not a sequence"),
        ([10**400], r"candidate\[0\]: 1000"),
        (np.array([[1.0, 2.0], [3.0, np.nan]]), r"candidate\[1\]\[1\]: nan"),
        (np.ma.array([1.0, 2.0], mask=[False, True]), r"candidate\[1\]: masked"),
        (pd.Series([1.0, None]), r"candidate\[1\]: nan"),
    ],
)
def test_unusable_values_are_named_with_argument_and_index(bad: object, message: str) -> None:
    with pytest.raises(StatsError, match=message):
        compare(QUIET, bad, margin=0.02)  # type: ignore[arg-type]


@pytest.mark.parametrize("margin", [0, 1, -0.1, 1.5, float("nan"), "x", None])
def test_a_margin_outside_zero_to_one_is_refused(margin: object) -> None:
    with pytest.raises(StatsError, match="margin"):
        compare(QUIET, QUIET, margin=margin)  # type: ignore[arg-type]


def test_blocks_that_do_not_fit_the_trials_are_refused() -> None:
    with pytest.raises(StatsError, match="2 block ids for 8 baseline trials"):
        compare(QUIET, QUIET, margin=0.02, blocks=[1, 2])
    with pytest.raises(StatsError, match="pair"):
        compare(QUIET, QUIET[:5], margin=0.02, blocks=range(8))
    with pytest.raises(StatsError, match="direction"):
        compare(QUIET, QUIET, margin=0.02, direction="up")  # type: ignore[arg-type]


def assert_sound(found: Comparison) -> None:
    """What holds of every comparison."""
    assert math.isfinite(found.ratio)
    if found.low is None or found.high is None:
        assert found.verdict == "inconclusive"
        assert found.warnings
        return
    assert found.equivalence_low is not None
    assert found.equivalence_high is not None
    assert 0 < found.low <= found.equivalence_low <= found.ratio
    assert found.ratio <= found.equivalence_high <= found.high < math.inf
    inside = found.equivalence_low >= (1 - found.margin) * (
        1 - 1e-9
    ) and found.equivalence_high <= 1 / (1 - found.margin) * (1 + 1e-9)
    if found.verdict in ("equivalent", "negligible"):
        assert inside


@settings(deadline=None)
@given(x=values, y=values, margin=margins)
def test_intervals_are_nested_and_agree_with_the_verdict(
    x: list[float], y: list[float], margin: float
) -> None:
    assert_sound(compare(x, y, margin=margin))


@settings(deadline=None)
@given(x=values, y=values, by=st.floats(0.001, 1000.0))
def test_a_change_of_unit_changes_nothing(x: list[float], y: list[float], by: float) -> None:
    one = compare(x, y, margin=0.05)
    other = compare(scaled(x, by), scaled(y, by), margin=0.05)
    assert other.ratio == pytest.approx(one.ratio, rel=1e-6)


@settings(deadline=None)
@given(x=values, y=values)
@example(x=[1.0, 1.0, 539700.0, *[632460.0] * 3], y=[*[0.01171875] * 4, 0.01])
def test_swapping_the_arms_inverts_the_ratio_and_keeps_the_verdict(
    x: list[float], y: list[float]
) -> None:
    one, other = compare(x, y, margin=0.05), compare(y, x, margin=0.05)
    assert other.ratio == pytest.approx(1 / one.ratio)
    assert one.low is not None
    assert other.high == pytest.approx(1 / one.low)
    assert other.verdict == one.verdict


@settings(deadline=None)
@given(x=values, y=values, data=st.data())
def test_without_blocks_the_order_of_trials_is_irrelevant(
    x: list[float], y: list[float], data: st.DataObject
) -> None:
    one = compare(x, y, margin=0.05)
    other = compare(data.draw(st.permutations(x)), y, margin=0.05)
    assert (other.ratio, other.low, other.high) == (one.ratio, one.low, one.high)


@settings(deadline=None)
@given(x=values, y=values, small=margins, large=margins)
def test_what_is_inside_a_margin_is_inside_a_wider_one(
    x: list[float], y: list[float], small: float, large: float
) -> None:
    small, large = sorted((small, large))
    inside = {"equivalent", "negligible"}
    if compare(x, y, margin=small).verdict in inside:
        assert compare(x, y, margin=large).verdict in inside


@settings(deadline=None)
@given(x=values, y=values)
def test_more_confidence_never_narrows(x: list[float], y: list[float]) -> None:
    one = compare(x, y, margin=0.05, confidence=0.9)
    other = compare(x, y, margin=0.05, confidence=0.95)
    assert one.low is not None
    assert other.low is not None
    assert other.low <= one.low


@settings(max_examples=50, deadline=None)
@given(data=st.lists(st.tuples(st.floats(1, 100), st.floats(1, 100)), min_size=1, max_size=12))
def test_paired_comparisons_are_sound(data: list[tuple[float, float]]) -> None:
    x, y = [pair[0] for pair in data], [pair[1] for pair in data]
    assert_sound(compare(x, y, margin=0.05, blocks=range(len(data))))


def test_fifty_trials_take_a_fraction_of_the_time_that_a_naive_bootstrap_takes() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(100, 1, 50), rng.normal(100, 1, 50)
    compare(x, y, margin=0.02, blocks=range(50))
    start = time.perf_counter()
    for _ in range(10):
        compare(x, y, margin=0.02, blocks=range(50))
    ours = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(2_000):
        np.median(rng.choice(y, 50)) / np.median(rng.choice(x, 50))
    assert ours / 10 < time.perf_counter() - start
