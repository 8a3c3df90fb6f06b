"""What a plan may hold, as limits.h says it: checked before it is sent, to be named.

The launcher refuses more as well, and could only say that it cannot read its plan.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from runtimes.faults import RuntimeFault
from runtimes.launcher.operations import Execute, Hook, Operation, Seccomp

MESSAGE_BYTES = 4 << 20
"""A request whole: names of descriptors, and the plan."""
MAX_STEPS = 4096
MAX_NUMBERS = 8
"""Of one step."""
MAX_STRINGS = 65535
"""Of one step: arguments and variables of a program, and a few more."""
MAX_PASSED = 64
"""Descriptors that come with a plan."""
MAX_HELD = 64
"""Mounts that the launcher holds for the child."""

FILTER_INSTRUCTIONS = 4096
"""The kernel's, of a seccomp program (BPF_MAXINSNS)."""
_INSTRUCTION_BYTES = 8
_IN_A_FILE = "pass them in a file or on standard input"


def argument_bytes() -> int:
    """The kernel's limit of one argument or variable: 32 pages with its end (execve(2))."""
    return 32 * os.sysconf("SC_PAGE_SIZE") - 1


def check_step(operation: Operation, numbers: Sequence[int], strings: Sequence[bytes]) -> None:
    """Refuse a step that the launcher would not take.

    Raises:
        RuntimeFault: naming the step, the limit, and how much there is.
    """
    if len(strings) > MAX_STRINGS:
        programs = isinstance(operation, Execute | Hook)
        what = "arguments and variables" if programs else "strings"
        raise RuntimeFault(
            f"{_named(operation)}: {len(strings)} {what}, and a plan takes at most {MAX_STRINGS}",
            hint=_IN_A_FILE if programs else "ask for less",
        )
    if len(numbers) > MAX_NUMBERS:
        raise RuntimeFault(
            f"{_named(operation)}: {len(numbers)} numbers, and a plan takes at most {MAX_NUMBERS}"
        )
    if isinstance(operation, Execute | Hook):
        _check_arguments(operation, strings)
    elif isinstance(operation, Seccomp):
        _check_filter(operation)
    elif (slot := getattr(operation, "slot", 0)) >= MAX_HELD:
        raise RuntimeFault(
            f"{_named(operation)}: it is mount {slot + 1}, and a plan holds at most {MAX_HELD}",
            hint="bind a directory that they are in",
        )


def _check_arguments(operation: Operation, strings: Sequence[bytes]) -> None:
    longest = max(strings, key=len)
    if len(longest) > (most := argument_bytes()):
        begins = longest[:40].decode(errors="replace")
        raise RuntimeFault(
            f"{_named(operation)}: an argument or variable ({begins}…) has {len(longest)} bytes, "
            f"and Linux takes at most {most}",
            hint=_IN_A_FILE,
        )


def _check_filter(operation: Seccomp) -> None:
    count = len(operation.program) // _INSTRUCTION_BYTES
    if count > FILTER_INSTRUCTIONS:
        raise RuntimeFault(
            f"a seccomp filter of {count} instructions, and Linux takes {FILTER_INSTRUCTIONS}",
            hint="name fewer calls, conditions or architectures in it",
        )


def check_count(steps: int) -> None:
    """Refuse a plan of too many steps.

    Raises:
        RuntimeFault: with the limit.
    """
    if steps > MAX_STEPS:
        raise RuntimeFault(
            f"{steps} steps would make this box, and a plan takes at most {MAX_STEPS}",
            hint="ask for fewer mounts, devices, paths to hide, limits or hooks",
        )


def check_message(length: int) -> None:
    """Refuse a message that is too long.

    Raises:
        RuntimeFault: with the limit.
    """
    if length > MESSAGE_BYTES:
        raise RuntimeFault(
            f"what is to be made of this box takes {length} bytes, "
            f"and a plan takes at most {MESSAGE_BYTES}",
            hint=f"arguments and variables are most of it: {_IN_A_FILE}",
        )


def check_descriptors(count: int) -> None:
    """Refuse too many descriptors.

    Raises:
        RuntimeFault: with the limit.
    """
    if count > MAX_PASSED:
        raise RuntimeFault(
            f"{count} descriptors go with this plan, and it takes at most {MAX_PASSED}",
            hint="hand fewer files over",
        )


def _named(operation: Operation) -> str:
    return f"{operation.verb} {operation.thing}".strip()[:200]
