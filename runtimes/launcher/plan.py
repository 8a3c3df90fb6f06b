"""What the launcher is to do: a frozen list of typed steps, and its wire format.

Python decides everything and touches nothing; the launcher (the C files beside this one)
executes the steps in order and decides nothing.  So a plan can be looked at, tested and
compared without root, and a start does not wait for an interpreter.

Wire format: see plan.c.
"""

from __future__ import annotations

import enum
import functools
import struct
from dataclasses import dataclass

from runtimes.launcher.operations import Operation

MAGIC = b"TBPL"


class Side(enum.IntEnum):
    """Which of the two processes runs a step."""

    LAUNCHER = 0
    """Started by the harness, with the host's privileges."""
    CHILD = 1
    """The clone, in the new namespaces."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation, who runs it, and the stage of the start that it belongs to."""

    side: Side
    stage: str
    operation: Operation


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that makes one box."""

    steps: tuple[Step, ...]

    def pack(self) -> bytes:
        """The plan as the launcher reads it."""
        head = MAGIC + struct.pack("=I", len(self.steps))
        return head + b"".join(_pack(step) for step in self.steps)


@functools.lru_cache(maxsize=1024)
def _pack(step: Step) -> bytes:
    """Most steps are the same in every start of a profile: they are packed once."""
    operation = step.operation
    numbers, strings = operation.numbers(), operation.strings()
    parts = [struct.pack("=4H", operation.CODE, step.side, len(numbers), len(strings))]
    parts.extend(struct.pack("=Q", number & 0xFFFF_FFFF_FFFF_FFFF) for number in numbers)
    for text in strings:
        data = text if isinstance(text, bytes) else text.encode()
        if isinstance(text, str) and b"\0" in data:
            raise ValueError(f"NUL in {text!r}")
        parts.append(struct.pack("=I", len(data)) + data + b"\0")
    return b"".join(parts)
