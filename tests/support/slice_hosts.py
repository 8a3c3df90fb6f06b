"""Hosts as they are, in numbers: what a clock does to slices, and blocks drawn on such hosts."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping

import numpy as np

from harness.trial.slices import order
from results.stats.interleaved import Block, fit
from results.stats.values import FloatArray

SLICE_S = 0.07
PARTS = 10
"""Of a slice, in each of which the clock has one speed."""
NOISE, SPIKES, SPIKE = 0.008, 0.05, 0.08
"""Of each slice: noise of the log; how often something interrupts it, and what that takes."""
SLOW = 1.2
LEFT = -0.01
"""What the candidate leaves to the slice after it: 1 % less."""

ORDERS = 50
"""Drawn once: drawing takes longer than everything else."""

Drift = Callable[[np.random.Generator, int], FloatArray]
"""Log of the host's speed in each of so many slices."""


def quiet(rng: np.random.Generator, slices: int) -> FloatArray:
    """Nothing but the noise."""
    del rng
    return np.zeros(slices)


def linear(rng: np.random.Generator, slices: int) -> FloatArray:
    """Slower by up to a tenth, as a processor that warms up."""
    return -rng.uniform(0.0, 0.1) * np.arange(slices) / slices


def two_speeds(dwell_s: float) -> Drift:
    """A clock that flips by a fifth, as a Markov chain that stays for so long on average."""

    def drift(rng: np.random.Generator, slices: int) -> FloatArray:
        flips = rng.random(slices * PARTS) < 1.0 - np.exp(-SLICE_S / PARTS / dwell_s)
        slow = (np.cumsum(flips) + rng.integers(2)) % 2
        speed = np.where(slow == 1, 1.0 / SLOW, 1.0)
        return np.log(speed.reshape(slices, PARTS).mean(axis=1))

    return drift


def taking_turns(rng: np.random.Generator, slices: int) -> FloatArray:
    """Another process on the same core: seconds on, seconds off; it gets about half of it."""
    edges = np.cumsum(rng.uniform(1.0, 3.0, 100)) - rng.uniform(0.0, 2.0)
    at_s = np.arange(slices * PARTS) * SLICE_S / PARTS
    shared = np.searchsorted(edges, at_s) % 2 == 1
    speed = np.where(shared, 0.5 * np.exp(0.06 * rng.standard_normal(at_s.size)), 1.0)
    return np.log(speed.reshape(slices, PARTS).mean(axis=1))


HOSTS: Mapping[str, Drift] = {
    "quiet": quiet,
    "linear drift": linear,
    "two speeds, 1 s": two_speeds(1.0),
    "two speeds, 5 s": two_speeds(5.0),
    "taking turns": taking_turns,
}


@functools.cache
def orders(arms: int, rounds: int) -> list[list[order.Row]]:
    """Orders of slices, drawn once."""
    chance = random.Random(46)  # a schedule, no secret
    return [order.rounds(arms, rounds, chance) for _ in range(ORDERS)]


def block(
    rng: np.random.Generator,
    drift: Drift,
    *,
    arms: int,
    rounds: int,
    effect: float,
    left: float = LEFT,
) -> Block:
    """A block in which arm 1 differs from the others by ``effect`` (log) and leaves ``left``."""
    turns = np.array(orders(arms, rounds)[int(rng.integers(ORDERS))], dtype=np.intp).ravel()
    logs = drift(rng, turns.size) + NOISE * rng.standard_normal(turns.size)
    logs -= (rng.random(turns.size) < SPIKES) * rng.exponential(SPIKE, turns.size)
    logs += effect * (turns == 1)
    logs[1:] += left * (turns[:-1] == 1)
    return Block(
        logs=logs,
        arms=turns,
        rounds=np.repeat(np.arange(rounds, dtype=np.intp), arms),
        places=np.arange(turns.size, dtype=np.intp),
        count=arms,
    )


def run(
    rng: np.random.Generator,
    drift: Drift,
    *,
    blocks: int,
    effect: float,
    instance: float = 0.001,
    arms: int = 4,
    rounds: int = 12,
) -> tuple[FloatArray, FloatArray]:
    """Values of arms 0 and 1 in each block; each instance has a level of its own as well."""
    levels = [
        fit(block(rng, drift, arms=arms, rounds=rounds, effect=effect)).levels[:2]
        + instance * rng.standard_normal(2)
        for _ in range(blocks)
    ]
    baseline, candidate = np.exp(np.array(levels)).T
    return baseline, candidate
