"""Levels of arms that took turns: drift cancels, what one leaves to the next is told apart."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.stats import compare
from results.stats.interleaved import Block, Pair, carried, fit
from tests.support.slice_hosts import HOSTS, block, quiet, run

EFFECT = float(np.log(0.98))


def rng(seed: int = 46) -> np.random.Generator:
    return np.random.default_rng(seed)


def exact(levels: list[float], rounds: int, drift: float = 0.0, left: float = 0.0) -> Block:
    """Slices without noise: levels, a step of the clock with each round, what arm 1 leaves."""
    made = block(rng(), quiet, arms=len(levels), rounds=rounds, effect=0.0, left=0.0)
    logs = np.array(levels)[made.arms] + drift * made.rounds
    logs[1:] += left * (made.arms[:-1] == 1)
    return dataclasses.replace(made, logs=logs)


@pytest.mark.parametrize("arms", [2, 3, 4, 8])
def test_without_noise_the_levels_are_exact_whatever_the_rounds_do(arms: int) -> None:
    levels = [0.01 * place for place in range(arms)]
    found = fit(exact(levels, 12, drift=0.05)).levels
    assert found - found[0] == pytest.approx(np.array(levels) - levels[0], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("arms", [3, 4, 8])
def test_what_an_arm_leaves_to_the_next_does_not_count_against_the_next(arms: int) -> None:
    levels = [0.0] * arms
    fitted = fit(exact(levels, 24, drift=0.02, left=-0.03))
    assert fitted.levels == pytest.approx(np.full(arms, fitted.levels[0]), abs=2e-4)
    others = np.delete(fitted.left, 1)
    assert fitted.left[1] - others == pytest.approx(np.full(arms - 1, -0.03), abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("arms", [2, 3, 4, 8])
@pytest.mark.parametrize("host", HOSTS)
def test_the_estimate_is_right_on_average_on_every_host(arms: int, host: str) -> None:
    chance = rng()
    found = [
        levels[1] - levels[0]
        for _ in range(60)
        for levels in [fit(block(chance, HOSTS[host], arms=arms, rounds=20, effect=EFFECT)).levels]
    ]
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found) - EFFECT) < 3.5 * error + 2e-4


@pytest.mark.parametrize("host", ["two speeds, 1 s", "two speeds, 5 s", "taking turns"])
def test_turns_cancel_what_trials_one_after_another_do_not(host: str) -> None:
    """Of the same slices in one piece each, as trials have them, against in turns."""
    chance, turns, pieces = rng(), [], []
    for _ in range(60):
        made = block(chance, HOSTS[host], arms=4, rounds=20, effect=0.0, left=0.0)
        levels = fit(made).levels
        turns.append(levels[1] - levels[0])
        halves = made.logs.reshape(4, 20).mean(axis=1)
        pieces.append(halves[1] - halves[0])
    assert np.std(turns) < np.std(pieces) / 4


def test_one_wild_slice_in_ten_does_not_move_a_level() -> None:
    made = exact([0.0, 0.02, 0.0], 20)
    wild = made.logs.copy()
    wild[::10] -= 2.0
    found = fit(dataclasses.replace(made, logs=wild)).levels
    assert found[1] - found[0] == pytest.approx(0.02, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("host", HOSTS)
def test_intervals_cover_the_truth(host: str) -> None:
    chance, covered = rng(), 0
    for _ in range(150):
        found = compare(
            *run(chance, HOSTS[host], blocks=5, effect=EFFECT), margin=0.02, blocks=range(5)
        )
        covered += found.low is not None and found.low <= 0.98 <= (found.high or 0.0)
    assert covered / 150 >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("effect", "wrong"), [(0.0, "different"), (EFFECT, "equivalent")])
def test_verdicts_are_seldom_wrong(host: str, effect: float, wrong: str) -> None:
    """At the margin itself the worst case of “equivalent”; with no effect that of “different”."""
    chance, false = rng(), 0
    for _ in range(80):
        values = run(chance, HOSTS[host], blocks=5, effect=effect)
        false += compare(*values, margin=0.02, blocks=range(5)).verdict == wrong
    assert false / 80 <= 0.05


def test_carry_over_is_estimated_and_its_effect_bounded_by_blocks() -> None:
    chance = rng()
    made = [block(chance, quiet, arms=4, rounds=20, effect=EFFECT) for _ in range(20)]
    told = carried([(Pair(each, 0, 1), fit(each)) for each in made])
    assert told is not None
    assert told.left == pytest.approx(-0.0075, abs=0.001)  # −1 %, less what all leave on average
    assert told.bound is not None
    assert abs(told.effect) < told.bound < 0.001
    assert told.blocks == 20


def test_carry_over_of_one_block_has_no_bound() -> None:
    made = block(rng(), quiet, arms=4, rounds=20, effect=0.0)
    told = carried([(Pair(made, 0, 1), fit(made))])
    assert told is not None
    assert told.bound is None
    assert carried([]) is None


def test_an_arm_without_slices_has_no_level_and_the_others_keep_theirs() -> None:
    made = exact([0.0, 0.02, 0.0], 20)
    there = made.arms != 2
    missing = Block(
        made.logs[there], made.arms[there], made.rounds[there], made.places[there], count=3
    )
    levels = fit(missing).levels
    assert np.isnan(levels[2])
    assert levels[1] - levels[0] == pytest.approx(0.02, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    arms=st.integers(1, 5),
    rounds=st.integers(1, 6),
    data=st.data(),
)
def test_any_slices_give_finite_levels(arms: int, rounds: int, data: st.DataObject) -> None:
    values = st.floats(-300, 300) | st.sampled_from([0.0, 1.0, -700.0, 700.0])
    turns = [data.draw(st.permutations(range(arms))) for _ in range(rounds)]
    order = np.array(list(itertools.chain.from_iterable(turns)), dtype=np.intp)
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=order.size, max_size=order.size)))
    kept[0] = True
    logs = np.array(data.draw(st.lists(values, min_size=order.size, max_size=order.size)))
    made = Block(
        logs[kept],
        order[kept],
        np.repeat(np.arange(rounds, dtype=np.intp), arms)[kept],
        np.arange(order.size, dtype=np.intp)[kept],
        count=arms,
    )
    fitted = fit(made)
    assert np.isfinite(fitted.levels[np.unique(made.arms)]).all()
    assert np.isfinite(fitted.rest).all()
