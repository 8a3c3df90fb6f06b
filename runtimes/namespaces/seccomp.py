"""The default seccomp filter, compiled ahead of time to the program that the kernel loads.

libseccomp (through pyseccomp) does what runc and crun do with the same profile; compiling costs
milliseconds, so it is done once per run and never in a start.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import struct
from collections.abc import Sequence
from types import ModuleType
from typing import Protocol

from runtimes.base import RuntimeFault
from runtimes.namespaces import seccomp_calls as calls

_INSTRUCTION = struct.Struct("=HBBI")
_LOAD_NUMBER = (0x20, 0, 0, 0)  # BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)
_LOAD_ARCHITECTURE = (0x20, 0, 0, 4)
_JUMP_GREATER = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_JUMP_EQUAL = 0x15
_JUMP_GREATER_EQUAL = 0x35
_RETURN = 0x06
_RETURN_ERRNO = 0x00050000
_X32_BIT = 0x40000000
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SUB_ARCHITECTURES = {"x86_64": ("X86", "X32"), "aarch64": ("ARM",)}
_UNKNOWN = -1
_BINARY_TREE = 2
"""Loading a filter runs it once for every call number, to find those that are always allowed
(Linux 5.11): through a tree that takes a quarter of the time.  The answers are the same."""


class Filter(Protocol):
    """The part of pyseccomp.SyscallFilter in use."""

    def add_arch(self, arch: int) -> None:
        """Let calls of a further architecture through the same rules."""
        ...

    def add_rule(self, action: int, syscall: int | str, *args: object) -> None:
        """What to do with one call, on conditions."""
        ...


def compile_filter() -> bytes:
    """The filter for this machine's architecture: an array of ``struct sock_filter``.

    Raises:
        RuntimeFault: libseccomp is missing.
    """
    try:
        import pyseccomp  # noqa: PLC0415  # loads a shared library: only where a filter is wanted
    except (ImportError, RuntimeError, OSError) as error:
        raise RuntimeFault(
            f"libseccomp cannot be loaded: {error}",
            hint="apt-get install libseccomp2, or use profile no-seccomp",
        ) from None
    machine = platform.machine()
    wanted = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
    with contextlib.suppress(OSError):  # libseccomp before 2.5 has linear filters only
        wanted.set_attr(pyseccomp.Attr.CTL_OPTIMIZE, _BINARY_TREE)
    _add_unconditional(pyseccomp, wanted, machine)
    _add_conditional(pyseccomp, wanted)
    known = highest(pyseccomp)
    with os.fdopen(os.memfd_create("filter"), "w+b") as file:
        wanted.export_bpf(file)
        file.seek(0)
        return newer_is_missing(machine, known) + file.read()


def resolve(library: ModuleType, name: str) -> int | None:
    """Number of a system call here; ``None`` where this architecture has none.

    libseccomp gives calls of other architectures negative numbers, and -1 what it does not know.
    """
    number = int(library.resolve_syscall(library.Arch.NATIVE, name))
    if number >= 0:
        return number
    return calls.NEWER.get(name) if number == _UNKNOWN else number


def _add_unconditional(library: ModuleType, wanted: Filter, machine: str) -> None:
    for architecture in _SUB_ARCHITECTURES.get(machine, ()):
        wanted.add_arch(getattr(library.Arch, architecture))
    for name in (*calls.ALLOWED, *calls.BY_ARCHITECTURE.get(machine, ())):
        number = resolve(library, name)
        if number is not None:
            wanted.add_rule(library.ALLOW, number)


def _add_conditional(library: ModuleType, wanted: Filter) -> None:
    for persona in calls.PERSONALITIES:
        wanted.add_rule(library.ALLOW, "personality", library.Arg(0, library.EQ, persona))
    wanted.add_rule(library.ALLOW, "socket", library.Arg(0, library.NE, calls.AF_VSOCK))
    no_namespace = library.Arg(0, library.MASKED_EQ, calls.NAMESPACE_FLAGS, 0)
    wanted.add_rule(library.ALLOW, "clone", no_namespace)
    # A filter cannot look behind clone3's pointer: "not there" makes libc fall back to clone.
    wanted.add_rule(library.ERRNO(errno.ENOSYS), "clone3")


def highest(library: ModuleType) -> int:
    """Highest number that the filter knows."""
    numbers = (resolve(library, name) for name in calls.ALLOWED)
    return max(number for number in numbers if number is not None)


def newer_is_missing(machine: str, known: int) -> bytes:
    """Instructions to run first: calls newer than the filter get ENOSYS, not EPERM.

    libc tries new calls first and falls back to old ones on ENOSYS only; runc does the same
    (since 1.0.0-rc93).
    """
    if machine not in _AUDIT:
        return b""
    program: Sequence[tuple[int, int, int, int]] = (
        _LOAD_ARCHITECTURE,
        (_JUMP_EQUAL, 0, 4, _AUDIT[machine]),
        _LOAD_NUMBER,
        (_JUMP_GREATER_EQUAL, 2, 0, _X32_BIT),
        (_JUMP_GREATER, 0, 1, known),
        (_RETURN, 0, 0, _RETURN_ERRNO | errno.ENOSYS),
    )
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)
