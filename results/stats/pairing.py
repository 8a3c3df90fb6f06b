"""Pairing trials by block."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from results.stats.errors import StatsError
from results.stats.values import FloatArray

Blocks = Sequence[Any]
"""One sequence of block ids for both arms (same length), or a pair of such sequences.

It is a pair exactly if it has two elements that are sequences themselves, not strings or
tuples; an id is anything hashable.
"""


@dataclass(frozen=True, slots=True)
class PairedBlocks:
    """Mean value per arm of the blocks that have both, in order of first appearance."""

    baseline: FloatArray
    candidate: FloatArray
    n_baseline: int
    n_candidate: int
    """Trials in those blocks."""
    warnings: tuple[str, ...]


def pair_values(x: FloatArray, y: FloatArray, blocks: Blocks) -> PairedBlocks:
    """Mean per arm and block; both are empty where no block holds both arms.

    A block without one of the arms is left out, and counted in a warning.
    """
    blocks_x, blocks_y = _both(blocks, x.size, y.size)
    of_x, of_y = _grouped(x, blocks_x), _grouped(y, blocks_y)
    shared = [block for block in of_x if block in of_y]
    mean_x = np.array(
        [math.fsum(of_x[block]) / len(of_x[block]) for block in shared], dtype=np.float64
    )
    mean_y = np.array(
        [math.fsum(of_y[block]) / len(of_y[block]) for block in shared], dtype=np.float64
    )
    used_x = sum(len(of_x[block]) for block in shared)
    used_y = sum(len(of_y[block]) for block in shared)
    warnings: list[str] = []
    incomplete = len(of_x) + len(of_y) - 2 * len(shared)
    if incomplete:
        warnings.append(
            f"{incomplete} blocks hold only one of the arms and are left out "
            f"({x.size - used_x} baseline and {y.size - used_y} candidate trials)"
        )
    if any(len(of_x[block]) != len(of_y[block]) for block in shared):
        warnings.append("some blocks hold unequal numbers of trials: each block counts once")
    return PairedBlocks(mean_x, mean_y, used_x, used_y, tuple(warnings))


def _both(blocks: Blocks, n_x: int, n_y: int) -> tuple[list[Hashable], list[Hashable]]:
    entries = _ids(blocks, "blocks")
    if len(entries) == 2 and all(_is_sequence(entry) for entry in entries):
        first, second = _ids(entries[0], "blocks[0]"), _ids(entries[1], "blocks[1]")
    else:
        first = second = entries
        if n_x != n_y:
            raise StatsError(
                f"one sequence of blocks cannot serve {n_x} baseline and {n_y} candidate trials",
                argument="blocks",
                hint="give a pair (baseline_blocks, candidate_blocks)",
            )
    for ids, count, side in ((first, n_x, "baseline"), (second, n_y, "candidate")):
        if len(ids) != count:
            raise StatsError(f"{len(ids)} block ids for {count} {side} trials", argument="blocks")
    return first, second


def _is_sequence(entry: object) -> bool:
    return hasattr(entry, "__len__") and not isinstance(entry, (str, bytes))


def _ids(blocks: Blocks, argument: str) -> list[Any]:
    if isinstance(blocks, (str, bytes)) or not hasattr(blocks, "__iter__"):
        raise StatsError(f"{type(blocks).__name__} is not a sequence of ids", argument=argument)
    return list(blocks)


def _grouped(values: FloatArray, blocks: Sequence[Hashable]) -> dict[Hashable, list[float]]:
    groups: dict[Hashable, list[float]] = {}
    for place, (value, block) in enumerate(zip(values.tolist(), blocks, strict=True)):
        if block != block:  # noqa: PLR0124 - only NaN differs from itself
            raise StatsError("NaN is not a block", argument="blocks", index=(place,))
        try:
            groups.setdefault(block, []).append(value)
        except TypeError:
            raise StatsError(
                f"{type(block).__name__} cannot be a block id", argument="blocks", index=(place,)
            ) from None
    return groups
