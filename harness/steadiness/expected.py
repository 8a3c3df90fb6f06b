"""The smallest effect to expect of the quick suite: a child computes it, which loads numpy."""

from __future__ import annotations

import math
import sys

import msgspec

from harness.errors import HarnessFault
from harness.places import PROJECT
from harness.settling import ONE_THREAD
from harness.slices.block import LEAST_ROUNDS
from harness.steadiness.recording import Recording
from harness.steadiness.turns import SLICE_NS
from harness.suites import SUITES, Suite
from runtimes import process

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
    done = process.run(
        [sys.executable, "-m", "results.expect"],
        timeout_s=TIMEOUT_S,
        env=ONE_THREAD,
        stdin=msgspec.json.encode(question),
        cwd=PROJECT,
        hint="the readings stand without it; run ./bootstrap",
    )
    try:
        said = msgspec.json.decode(done.stdout, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HarnessFault(f"the statistics answered what cannot be read: {error}") from None
    return said.effect, said.reason


class _Answer(msgspec.Struct, frozen=True):
    effect: float | None
    reason: str
