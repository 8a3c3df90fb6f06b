"""What of QEMU's memory is the guest's own, and what emulation alone adds, from its mappings."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEAD = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) ([r-][w-][x-])[ps] .*$", re.MULTILINE)
_CHARGED = re.compile(rb"^(?:Pss|Private_Hugetlb|Shared_Hugetlb):\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Shares:
    """Parts of one QEMU's proportional set size."""

    guest_bytes: int | None
    """Memory of the guest that it has touched: the same under KVM; None where it was not found."""
    translation_bytes: int
    """The emulator's translated code; 0 under KVM."""


@dataclass(frozen=True, slots=True)
class _Mapping:
    size: int
    may: bytes
    """``rwx``, each perhaps ``-``."""
    charged: int


def shares(pid: int, memory_bytes: int) -> Shares:
    """Of a QEMU whose guest has ``memory_bytes``, from its smaps (proc_pid_smaps(5))."""
    with contextlib.suppress(OSError):
        return shares_in(Path(f"/proc/{pid}/smaps").read_bytes(), memory_bytes)
    return Shares(None, 0)


def shares_in(smaps: bytes, memory_bytes: int) -> Shares:
    """See ``shares``.

    QEMU maps a guest's memory as one block, or one for each of its nodes: the largest that are
    written and not executed, and exactly as large as the guest was told.  Whatever else is found
    is told to nobody.  Translated code is what is written and executed; nothing else of QEMU is.
    """
    found = list(_mappings(smaps))
    left, guest = memory_bytes, 0
    for each in sorted(found, key=lambda mapping: -mapping.size):
        if each.may.startswith(b"rw-") and each.size <= left:
            left -= each.size
            guest += each.charged
        if not left:
            break
    translated = sum(each.charged for each in found if each.may == b"rwx")
    return Shares(None if left else guest, translated)


def _mappings(smaps: bytes) -> Iterator[_Mapping]:
    heads = list(_HEAD.finditer(smaps))
    ends = [head.start() for head in heads[1:]] + [len(smaps)] * bool(heads)
    for head, end in zip(heads, ends, strict=True):
        body = smaps[head.end() : end]
        charged = sum(int(kib) * 1024 for kib in _CHARGED.findall(body))
        yield _Mapping(int(head[2], 16) - int(head[1], 16), head[3], charged)
