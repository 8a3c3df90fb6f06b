"""The smallest effect to expect of the quick suite: a child computes it, which loads numpy."""

from __future__ import annotations

import math

import msgspec

from harness import statistics_child
from harness.doctor.steadiness.recording import Recording
from harness.doctor.steadiness.turns import SLICE_NS
from harness.plan.suites import SUITES, Suite
from harness.trial.slices.block import LEAST_ROUNDS

QUICK = SUITES["quick"]
TIMEOUT_S = 60.0


def rounds_of(suite: Suite) -> int:
    """Rounds of a block of its slices, where switching costs little."""
    measured_ns = suite.size.iterations * suite.size.seconds * 1e9
    return max(LEAST_ROUNDS, math.ceil(measured_ns / SLICE_NS))


def smallest(recording: Recording, suite: Suite = QUICK) -> tuple[float | None, str]:
    """The effect as a share; without one, why.

    Raises:
        RuntimeFault, HarnessFault: the statistics cannot say.
    """
    question = {
        "blocks": recording.blocks,
        "rounds": rounds_of(suite),
        "design_blocks": suite.blocks,
    }
    said = statistics_child.ask(
        "results.expect",
        _Answer,
        timeout_s=TIMEOUT_S,
        hint="the readings stand without it; run ./bootstrap",
        question=question,
    )
    return said.effect, said.reason


class _Answer(msgspec.Struct, frozen=True):
    effect: float | None
    reason: str
