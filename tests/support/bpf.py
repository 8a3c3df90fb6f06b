"""A small interpreter of seccomp programs: what the kernel would answer to a call."""

from __future__ import annotations

import struct
from collections.abc import Sequence

X86_64 = 0xC000003E
I386 = 0x40000003
AARCH64 = 0xC00000B7

ALLOW = 0x7FFF0000
ERRNO = 0x00050000
KILL = 0x00000000

_STEPS = 4096


def verdict(program: bytes, number: int, *, architecture: int, args: Sequence[int] = ()) -> int:
    """The action that ``program`` returns for one system call."""
    padded = (*args, *([0] * (6 - len(args))))
    data = struct.pack("=IIQ6Q", number & 0xFFFFFFFF, architecture, 0, *padded)
    instructions = list(struct.iter_unpack("=HBBI", program))
    accumulator = position = 0
    for _ in range(_STEPS):
        code, when_true, when_false, value = instructions[position]
        position += 1
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif code == 0x54:
            accumulator &= value
        elif code == 0x05:
            position += value
        elif code in _TESTS:
            position += when_true if _TESTS[code](accumulator, value) else when_false
        elif code == 0x06:
            return int(value)
        else:
            raise AssertionError(f"unknown instruction {code:#x}")
    raise AssertionError("the program does not end")


_TESTS = {
    0x15: lambda left, right: left == right,
    0x25: lambda left, right: left > right,
    0x35: lambda left, right: left >= right,
    0x45: lambda left, right: bool(left & right),
}
