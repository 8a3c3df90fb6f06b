"""What the launcher is to do: a frozen list of typed steps, and its wire format.

Python decides everything and touches nothing; the launcher (the C files beside this one)
executes the steps in order and decides nothing.  So a plan can be looked at, tested and
compared without root, and a start does not wait for an interpreter.

Wire format: see plan.c.
"""

from __future__ import annotations

import enum
import functools
import itertools
import struct
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from runtimes.launcher import limits
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
class Segment:
    """Steps of one side and stage, and how they are packed."""

    steps: tuple[Step, ...]
    packed: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that makes one box."""

    steps: tuple[Step, ...]
    _body: bytes = field(default=b"", repr=False, compare=False)
    """The steps packed, where they came so."""

    @classmethod
    def joined(cls, segments: Iterable[Segment]) -> Plan:
        """A plan of segments; those that are the same in many plans are packed only once."""
        parts = tuple(segments)
        steps = tuple(itertools.chain.from_iterable(part.steps for part in parts))
        return cls(steps, b"".join([part.packed for part in parts]))

    def pack(self) -> bytes:
        """The plan as the launcher reads it.

        Raises:
            RuntimeFault: it holds more than a plan may.
        """
        limits.check_count(len(self.steps))
        body = self._body or b"".join(_pack(step, ends=True) for step in self.steps)
        return MAGIC + struct.pack("=I", len(self.steps)) + body


def segment(side: Side, stage: str, operations: Iterable[Operation]) -> Segment:
    """Operations of one side and stage, packed; the end of the last is told as the stage's.

    Most are the same from one start to the next, and an operation is sooner compared than packed.
    """
    return _segment(side, stage, tuple(operations))


@functools.lru_cache(maxsize=64)
def _segment(side: Side, stage: str, operations: tuple[Operation, ...]) -> Segment:
    steps = tuple(Step(side, stage, operation) for operation in operations)
    last = len(steps) - 1
    packed = [_pack(step, ends=index == last) for index, step in enumerate(steps)]
    return Segment(steps, b"".join(packed))


@functools.lru_cache(maxsize=512)
def fixed(
    side: Side, stage: str, make: Callable[..., Iterable[Operation]], *arguments: Hashable
) -> Segment:
    """The segment of ``make(*arguments)``, computed once: half of a plan is the same each time."""
    return segment(side, stage, make(*arguments))


_HEAD = struct.Struct("=4H")
_LENGTH = struct.Struct("=I")
_ENDS_STAGE = 0x8000


def _pack(step: Step, *, ends: bool) -> bytes:
    operation = step.operation
    numbers, strings = operation.numbers(), [_encoded(text) for text in operation.strings()]
    limits.check_step(operation, numbers, strings)
    side = step.side | (_ENDS_STAGE if ends else 0)
    parts = [_HEAD.pack(operation.CODE, side, len(numbers), len(strings))]
    if numbers:
        unsigned = [number & 0xFFFF_FFFF_FFFF_FFFF for number in numbers]
        parts.append(struct.pack(f"={len(unsigned)}Q", *unsigned))
    for data in strings:
        parts += (_LENGTH.pack(len(data)), data, b"\0")
    return b"".join(parts)


def _encoded(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    data = text.encode("utf-8", "surrogateescape")
    if b"\0" in data:
        raise ValueError(f"NUL in {text!r}")
    return data
