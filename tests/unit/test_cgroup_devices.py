"""The device program: what it says is what the rules say, instruction by instruction."""

from __future__ import annotations

import struct

import pytest

from runtimes.linux.cgroups import devices
from runtimes.linux.cgroups.specs import DeviceRule

ACCESS = {"m": 1, "r": 2, "w": 4}
TYPES = {"b": 1, "c": 2}
REACH = 200


def run(program: bytes, kind: str, major: int, minor: int, access: str) -> int:
    """What the kernel's interpreter would return."""
    wanted = sum(ACCESS[letter] for letter in access)
    context = {0: wanted << 16 | TYPES[kind], 4: major, 8: minor}
    code = list(struct.iter_unpack("=BBhi", program))
    registers: dict[int, int] = {}
    at = 0
    for _ in range(REACH):
        opcode, pair, offset, value = code[at]
        target, source = pair & 15, pair >> 4
        at += 1
        if opcode == 0x61:
            registers[target] = context[offset]
        elif opcode == 0xB7:
            registers[target] = value
        elif opcode == 0xBF:
            registers[target] = registers[source]
        elif opcode == 0x57:
            registers[target] &= value
        elif opcode == 0x77:
            registers[target] >>= value
        elif opcode == 0x55:
            at += offset if registers[target] != value else 0
        elif opcode == 0x5D:
            at += offset if registers[target] != registers[source] else 0
        elif opcode == 0x95:
            return registers[0]
        else:
            raise AssertionError(f"unknown opcode {opcode:#x}")
    raise AssertionError("the program does not end")


@pytest.mark.parametrize(
    ("kind", "major", "minor", "access", "allowed"),
    [
        ("c", 1, 3, "rw", True),
        ("c", 1, 3, "rwm", True),
        ("c", 1, 4, "r", False),
        ("b", 1, 3, "r", False),
        ("b", 254, 0, "m", True),
        ("b", 254, 0, "rm", False),
        ("c", 136, 77, "rw", True),
        ("c", 10, 229, "w", False),
    ],
)
def test_dockers_default_list_allows_what_docker_allows(
    kind: str, major: int, minor: int, access: str, allowed: bool
) -> None:
    assert run(devices.program(devices.DEFAULT), kind, major, minor, access) == int(allowed)


def test_an_empty_list_allows_nothing() -> None:
    assert run(devices.program(()), "c", 1, 3, "r") == 0


def test_a_rule_for_everything_allows_everything() -> None:
    program = devices.program((DeviceRule("a", None, None),))
    assert run(program, "b", 8, 1, "rwm") == 1


def test_v1_lines_say_the_same() -> None:
    rules = (DeviceRule("a", None, None, "m"), DeviceRule("c", 136, None, "rw"))
    assert devices.allow_lines(rules) == ("c *:* m", "b *:* m", "c 136:* rw")
