"""``python -m results.expect``: the smallest effect to expect, for a process without statistics.

Reads JSON ``{"blocks": [[[[arm, ns], …], …], …], "rounds": N, "design_blocks": N}`` from standard
input: blocks of rounds of slices, each with the number of its arm, 0 or 1, and how long its fixed
work took.  Prints ``{"effect": 0.0042, "reason": ""}``; without an effect, why.  Exit status: 0,
or 2 for a document that is none.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from results.records.bounds import Blocks
from results.stats import StatsError
from results.stats.expected import smallest
from results.stats.interleaved import Block

Arm = Annotated[int, msgspec.Meta(ge=0, le=1)]
Nanoseconds = Annotated[int, msgspec.Meta(ge=1, le=1 << 62)]
Round = tuple[tuple[Arm, Nanoseconds], ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What was measured, and the design that it is asked for."""

    blocks: tuple[tuple[Round, ...], ...]
    rounds: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
    design_blocks: Blocks


@dataclass(frozen=True, slots=True)
class Answer:
    """The effect as a share, or why there is none."""

    effect: float | None
    reason: str = ""


def answer(question: Question) -> Answer:
    """Ask the statistics."""
    blocks = [_block(rounds) for rounds in question.blocks if any(rounds)]
    try:
        effect = smallest(blocks, rounds=question.rounds, design_blocks=question.design_blocks)
    except StatsError as error:
        return Answer(None, str(error))
    return Answer(effect)


def _block(rounds: Sequence[Round]) -> Block:
    slices = [(arm, ns, number) for number, each in enumerate(rounds) for arm, ns in each]
    arms, took_ns, numbers = (np.array(column) for column in zip(*slices, strict=True))
    return Block(
        logs=-np.log(took_ns.astype(np.float64)),
        arms=arms.astype(np.intp),
        rounds=numbers.astype(np.intp),
        places=np.arange(arms.size, dtype=np.intp),
        count=2,
    )


def main() -> int:
    """Answer one question; the exit status."""
    try:
        question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.buffer.write(msgspec.json.encode(answer(question)) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
