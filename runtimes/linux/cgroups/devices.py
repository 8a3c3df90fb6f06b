"""The device controller: v1 lists, and on v2 a small eBPF program that says yes or no.

The program gets ``struct bpf_cgroup_dev_ctx`` (linux/bpf.h): access << 16 | type, major, minor.
Instructions are the kernel's 8 bytes each: opcode, registers, offset, immediate.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from runtimes.linux.cgroups.specs import DeviceRule

DEFAULT = (
    DeviceRule("a", None, None, "m"),
    DeviceRule("c", 1, 3),
    DeviceRule("c", 1, 5),
    DeviceRule("c", 1, 7),
    DeviceRule("c", 1, 8),
    DeviceRule("c", 1, 9),
    DeviceRule("c", 5, 0),
    DeviceRule("c", 5, 1),
    DeviceRule("c", 5, 2),
    DeviceRule("c", 136, None),
)
"""What Docker allows: mknod of anything, use of the harmless ones and of terminals."""

_TYPES = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}
_ALL_ACCESS = 7

_INSTRUCTION = struct.Struct("=BBhi")
_LOAD_WORD = 0x61  # BPF_LDX | BPF_MEM | BPF_W
_MOVE = 0xB7  # BPF_ALU64 | BPF_MOV | BPF_K
_MOVE_REGISTER = 0xBF
_AND = 0x57
_SHIFT_RIGHT = 0x77
_JUMP_NOT_EQUAL = 0x55
_JUMP_NOT_EQUAL_REGISTER = 0x5D
_EXIT = 0x95
_RESULT, _CONTEXT, _TYPE, _WANTED, _MAJOR, _MINOR = 0, 1, 2, 3, 4, 5


def allow_lines(rules: Sequence[DeviceRule]) -> tuple[str, ...]:
    """Lines for v1's ``devices.allow``, after ``a`` was written to ``devices.deny``."""
    return tuple(
        f"{kind} {_or_any(rule.major)}:{_or_any(rule.minor)} {rule.access}"
        for rule in rules
        for kind in ("cb" if rule.kind == "a" else rule.kind)
    )


def _or_any(number: int | None) -> str:
    return "*" if number is None else str(number)


def program(rules: Sequence[DeviceRule]) -> bytes:
    """eBPF that returns 1 for what a rule allows and 0 for the rest."""
    code = [
        _one(_LOAD_WORD, _TYPE, _CONTEXT, 0),
        _one(_MOVE_REGISTER, _WANTED, _TYPE),
        _one(_AND, _TYPE, value=0xFFFF),
        _one(_SHIFT_RIGHT, _WANTED, value=16),
        _one(_LOAD_WORD, _MAJOR, _CONTEXT, 4),
        _one(_LOAD_WORD, _MINOR, _CONTEXT, 8),
    ]
    for rule in rules:
        code.extend(_rule(rule))
    return b"".join([*code, _one(_MOVE, _RESULT, value=0), _one(_EXIT)])


def _rule(rule: DeviceRule) -> list[bytes]:
    checks: list[tuple[int, int, int, int]] = []  # opcode, register, other register, value
    before: list[bytes] = []
    access = sum(_ACCESS[letter] for letter in set(rule.access))
    if access != _ALL_ACCESS:  # all that is wanted is among what is allowed
        before = [
            _one(_MOVE_REGISTER, _CONTEXT, _WANTED),
            _one(_AND, _CONTEXT, value=access),
        ]
        checks.append((_JUMP_NOT_EQUAL_REGISTER, _CONTEXT, _WANTED, 0))
    if rule.kind != "a":
        checks.append((_JUMP_NOT_EQUAL, _TYPE, 0, _TYPES[rule.kind]))
    if rule.major is not None:
        checks.append((_JUMP_NOT_EQUAL, _MAJOR, 0, rule.major))
    if rule.minor is not None:
        checks.append((_JUMP_NOT_EQUAL, _MINOR, 0, rule.minor))
    over = len(checks) + 1  # the remaining checks, and the two that say yes
    return [
        *before,
        *(_one(op, reg, other, over - place, value)
          for place, (op, reg, other, value) in enumerate(checks)),
        _one(_MOVE, _RESULT, value=1),
        _one(_EXIT),
    ]  # fmt: skip


def _one(opcode: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return _INSTRUCTION.pack(opcode, source << 4 | target, offset, value)
