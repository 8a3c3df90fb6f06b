"""The default seccomp filter, compiled ahead of time to the program that the kernel loads.

Equal in effect to what runc and crun load for the same profile, through libseccomp: a test holds
the two against each other, call by call.  Compiling costs milliseconds, so it is done once per
run and never in a start.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable, Sequence
from types import ModuleType

from runtimes.faults import RuntimeFault
from runtimes.ns.seccomp import calls, tree

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
_COMPATIBLE = {"x86_64": ("X86", 0x40000003), "aarch64": ("ARM", 0x40000028)}
_UNKNOWN = -1


def compile_filter() -> bytes:
    """The filter for this machine's architecture: an array of ``struct sock_filter``.

    libseccomp tells the numbers; the filter itself is a tree of ours (seccomp_tree.py).

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
    if machine not in _AUDIT:
        raise RuntimeFault(
            f"there is no filter for {machine}", hint="use profile no-seccomp, and tell us"
        )
    known = highest(pyseccomp)
    own = _section(pyseccomp, pyseccomp.Arch.NATIVE, known)
    if machine == "x86_64":
        x32 = _section(pyseccomp, pyseccomp.Arch.X32, tree.LAST)
        own = tree.split_at(_X32_BIT, own, x32)
    compatible, audit = _COMPATIBLE[machine]
    other = _section(pyseccomp, getattr(pyseccomp.Arch, compatible), known)
    return tree.program({_AUDIT[machine]: own, audit: other})


def _section(library: ModuleType, architecture: int, known: int) -> list[tree.Instruction]:
    """One architecture's answers.  Calls newer than ``known`` are missing, not forbidden."""
    denied, missing = tree.ERRNO | errno.EPERM, tree.ERRNO | errno.ENOSYS

    def numbers(names: Iterable[str]) -> dict[str, int]:
        direct = calls.I386_DIRECT if architecture == library.Arch.X86 else {}
        found = {
            name: direct.get(name, int(library.resolve_syscall(architecture, name)))
            for name in names
        }
        return {name: number for name, number in found.items() if number >= 0}

    allowed = numbers((*calls.ALLOWED, *calls.BY_ARCHITECTURE.get(platform.machine(), ())))
    newer = {name: number for name, number in calls.NEWER.items() if number <= known != tree.LAST}
    blocks = {
        "clone": tree.argument_has_any_bit(0, calls.NAMESPACE_FLAGS, denied, tree.ALLOW),
        "socket": tree.argument_is_one_of(
            0, calls.REFUSED_FAMILIES, denied, tree.ALLOW, below=calls.FAMILIES
        ),
        "personality": tree.argument_is_one_of(0, calls.PERSONALITIES, tree.ALLOW, denied),
        # A filter cannot look behind a pointer: where they are "not there" libc falls back to
        # clone, and on i386 to socket and its siblings (Linux 4.3).
        "clone3": tree.answer(missing),
        "socketcall": tree.answer(missing),
    }
    special = {number: blocks[name] for name, number in numbers(blocks).items()}
    verdicts = dict.fromkeys((*newer.values(), *allowed.values()), tree.ALLOW)
    return tree.section(verdicts, special, default=denied, known=known, unknown=missing)


def resolve(library: ModuleType, name: str) -> int | None:
    """Number of a system call here; ``None`` where this architecture has none.

    libseccomp gives calls of other architectures negative numbers, and -1 what it does not know.
    """
    number = int(library.resolve_syscall(library.Arch.NATIVE, name))
    if number >= 0:
        return number
    return calls.NEWER.get(name) if number == _UNKNOWN else number


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
