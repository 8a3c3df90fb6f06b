"""A filter as a search tree over ranges of system call numbers.

The kernel runs a new filter once for every call number and architecture, to find those that it
always allows (Linux 5.11), and translates it to machine code: both cost what the filter is long.
Numbers that share an answer lie together in a few dozen ranges, and all ranges of one answer jump
to the same instruction, so a tree over ranges has a third of the instructions of libseccomp's
binary tree, which has a leaf for each number.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALLOW = 0x7FFF0000
ERRNO = 0x00050000
KILL_THREAD = 0x00000000

Instruction = tuple[int, int, int, int]
"""Code, jump when true, jump when false, operand (struct sock_filter)."""

Block = tuple[Instruction, ...]
"""Instructions that end with an answer."""

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


def answer(verdict: int) -> Block:
    """Give ``verdict``."""
    return ((_RETURN, 0, 0, verdict),)


def argument_is_one_of(
    index: int, values: Sequence[int], then: int, otherwise: int, *, below: int = 0
) -> Block:
    """On the lower half of an argument: the calls in question take 32 bits of it.

    ``below``: from this value on it is ``then`` as well; 0 where there is no such value.
    """
    tests = [(_JUMP_EQUAL, value & 0xFFFFFFFF) for value in values]
    tests += [(_JUMP_NOT_LESS, below)] if below else []
    jumps = [(code, len(tests) - at, 0, value) for at, (code, value) in enumerate(tests)]
    return (_load_argument(index), *jumps, *answer(otherwise), *answer(then))


def argument_has_any_bit(index: int, mask: int, then: int, otherwise: int) -> Block:
    """As ``argument_is_one_of``."""
    test = (_JUMP_ANY_BIT, 1, 0, mask)
    return (_load_argument(index), test, *answer(otherwise), *answer(then))


def _load_argument(index: int) -> Instruction:
    return (_LOAD, 0, 0, _FIRST_ARGUMENT + _ARGUMENT_BYTES * index)  # little-endian: lower half


def section(
    verdicts: Mapping[int, int],
    special: Mapping[int, Block],
    *,
    default: int,
    known: int,
    unknown: int,
) -> list[Instruction]:
    """What is done for one architecture, with the call's number loaded.

    Args:
        verdicts: number → answer.
        special: number → instructions that end with an answer; goes before ``verdicts``.
        default: answer for all other numbers up to ``known``.
        known: highest number there is an opinion about.
        unknown: answer for numbers above.
    """
    blocks = {number: answer(verdict) for number, verdict in verdicts.items()} | dict(special)
    forks: list[_Fork] = []
    root = _grow(_runs(blocks, answer(default), known, answer(unknown)), forks)
    return _laid_out(forks) if isinstance(root, int) else list(root)


@dataclass(slots=True)
class _Fork:
    """Where ranges part: numbers from ``first`` on go ``above``, to a later fork or a block."""

    first: int
    below: int | Block
    above: int | Block


def _runs(
    blocks: Mapping[int, Block], default: Block, known: int, unknown: Block
) -> list[tuple[int, Block]]:
    """First number and block of each range, ascending, with no two neighbours alike."""
    points = {number: block for number, block in blocks.items() if number <= known}
    edges = sorted({0, known + 1, *points, *(number + 1 for number in points)})
    runs: list[tuple[int, Block]] = []
    for edge in edges:
        block = unknown if edge > known else points.get(edge, default)
        if edge <= LAST and (not runs or runs[-1][1] != block):
            runs.append((edge, block))
    return runs


def _grow(runs: Sequence[tuple[int, Block]], forks: list[_Fork]) -> int | Block:
    """Add the forks of a search tree over ``runs``; its root, or the one block that there is."""
    if len(runs) == 1:
        return runs[0][1]
    middle, index = len(runs) // 2, len(forks)
    fork = _Fork(runs[middle][0], (), ())
    forks.append(fork)
    fork.below = _grow(runs[:middle], forks)
    fork.above = _grow(runs[middle:], forks)
    return index


def _laid_out(forks: Sequence[_Fork]) -> list[Instruction]:
    """Forks first, then each block once: jumps go forward, over at most 255 instructions."""
    blocks: dict[Block, int] = {}
    end = len(forks)
    for target in (one for fork in forks for one in (fork.below, fork.above)):
        if not isinstance(target, int) and target not in blocks:
            blocks[target] = end
            end += len(target)

    def jump(index: int, target: int | Block) -> int:
        return (target if isinstance(target, int) else blocks[target]) - index - 1

    code = [
        (_JUMP_NOT_LESS, jump(index, fork.above), jump(index, fork.below), fork.first)
        for index, fork in enumerate(forks)
    ]
    return [*code, *(one for block in blocks for one in block)]


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
