"""A filter as a search tree over ranges of system call numbers.

The kernel runs a new filter once for every call number and architecture, to find those that it
always allows (Linux 5.11), and translates it to machine code: both cost what the filter is long.
Numbers that share an answer lie together in a few dozen ranges, so a tree over ranges has half
the instructions of libseccomp's binary tree, which has a leaf for each number.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

ALLOW = 0x7FFF0000
ERRNO = 0x00050000
KILL_THREAD = 0x00000000

Instruction = tuple[int, int, int, int]
"""Code, jump when true, jump when false, operand (struct sock_filter)."""

_PACKED = struct.Struct("=HBBI")
_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP = 0x05
_JUMP_EQUAL = 0x15
_JUMP_NOT_LESS = 0x35
_JUMP_ANY_BIT = 0x45
_RETURN = 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_ARGUMENT_BYTES = 8
LAST = (1 << 32) - 1
"""Highest number there can be."""


def answer(verdict: int) -> tuple[Instruction, ...]:
    """Give ``verdict``."""
    return ((_RETURN, 0, 0, verdict),)


def argument_is_one_of(
    index: int, values: Sequence[int], then: int, otherwise: int
) -> tuple[Instruction, ...]:
    """On the lower half of an argument: the calls in question take 32 bits of it."""
    tests = [
        (_JUMP_EQUAL, len(values) - place, 0, value & 0xFFFFFFFF)
        for place, value in enumerate(values)
    ]
    return (_load_argument(index), *tests, *answer(otherwise), *answer(then))


def argument_has_any_bit(
    index: int, mask: int, then: int, otherwise: int
) -> tuple[Instruction, ...]:
    """As ``argument_is_one_of``."""
    test = (_JUMP_ANY_BIT, 1, 0, mask)
    return (_load_argument(index), test, *answer(otherwise), *answer(then))


def _load_argument(index: int) -> Instruction:
    return (_LOAD, 0, 0, _FIRST_ARGUMENT + _ARGUMENT_BYTES * index)  # little-endian: lower half


def section(
    verdicts: Mapping[int, int],
    special: Mapping[int, tuple[Instruction, ...]],
    *,
    default: int,
    known: int,
    unknown: int,
) -> list[Instruction]:
    """What is done for one architecture, with the call's number loaded.

    Args:
        verdicts: number → answer.
        special: number → instructions that end with an answer.
        default: answer for all other numbers up to ``known``.
        known: highest number there is an opinion about.
        unknown: answer for numbers above.
    """
    code: list[Instruction] = []
    for number, block in special.items():
        code += [(_JUMP_EQUAL, 0, len(block), number), *block]
    return [*code, *_tree(_runs(verdicts, default, known, unknown))]


def _runs(
    verdicts: Mapping[int, int], default: int, known: int, unknown: int
) -> list[tuple[int, int]]:
    """First number and answer of each range, ascending, with no two neighbours alike."""
    points = {number: verdict for number, verdict in verdicts.items() if number <= known}
    edges = sorted({0, known + 1, *points, *(number + 1 for number in points)})
    runs: list[tuple[int, int]] = []
    for edge in edges:
        verdict = unknown if edge > known else points.get(edge, default)
        if edge <= LAST and (not runs or runs[-1][1] != verdict):
            runs.append((edge, verdict))
    return runs


def _tree(runs: Sequence[tuple[int, int]]) -> list[Instruction]:
    if len(runs) == 1:
        return list(answer(runs[0][1]))
    middle = len(runs) // 2
    left, right = _tree(runs[:middle]), _tree(runs[middle:])
    return [(_JUMP_NOT_LESS, len(left), 0, runs[middle][0]), *left, *right]


def program(sections: Mapping[int, list[Instruction]]) -> bytes:
    """The whole filter.  Calls of an architecture without a section end their thread.

    Args:
        sections: AUDIT_ARCH_* → its section.
    """
    code: list[Instruction] = [(_LOAD, 0, 0, _ARCHITECTURE)]
    for architecture, body in sections.items():
        loaded = [(_LOAD, 0, 0, _NUMBER), *body]
        code += [(_JUMP_EQUAL, 1, 0, architecture), (_JUMP, 0, 0, len(loaded)), *loaded]
    return b"".join(_PACKED.pack(*one) for one in (*code, *answer(KILL_THREAD)))


def split_at(number: int, below: list[Instruction], above: list[Instruction]) -> list[Instruction]:
    """Two sections of one architecture, told apart by the number (x86_64's x32 calls)."""
    return [(_JUMP_NOT_LESS, 0, 1, number), (_JUMP, 0, 0, len(below)), *below, *above]
