"""Subordinate ids: which ranges /etc/subuid and /etc/subgid give to whom (subuid(5)).

Read as shadow's newuidmap reads them, but never more generously: a range that it might read
otherwise (a hexadecimal or octal number), or that reaches id 0 or the end of all ids, is none.
"""

from __future__ import annotations

import contextlib
import functools
import pwd
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes.linux.ids.maps import IDS, MOST_EXTENTS, BoxIds, Extent

SUBUID = Path("/etc/subuid")
SUBGID = Path("/etc/subgid")
FILE_BYTES = 4 << 20
LINE_BYTES = 1023
"""newuidmap takes no longer line."""

COUNT = 65_536
"""Ids of a box: those of a whole Debian, ``nobody`` (65,534) included."""
FIRST_FREE = 100_000
"""Where ``useradd`` begins to give ranges away (SUB_UID_MIN in login.defs)."""
OUR_NAME = "tarebench"
"""An owner of that name in both files says which ids boxes have."""

_NUMBER = re.compile(r"0|[1-9]\d{0,9}")


@dataclass(frozen=True, slots=True)
class Range:
    """Ids that belong to ``owner``, a name or a number."""

    owner: str
    start: int
    count: int

    @property
    def end(self) -> int:
        """The first id after it."""
        return self.start + self.count


def parse(text: bytes) -> tuple[Range, ...]:
    """The ranges of a file's text, in its order; lines of another form are passed over."""
    return tuple(_ranges(text[:FILE_BYTES]))


def _ranges(text: bytes) -> Iterator[Range]:
    for line in text.split(b"\n"):
        if len(line) > LINE_BYTES:
            continue
        try:
            owner, start, count = line.decode().split(":")
        except ValueError:  # other fields, or no UTF-8
            continue
        if not (owner and _NUMBER.fullmatch(start) and _NUMBER.fullmatch(count)):
            continue
        found = Range(owner, int(start), int(count))
        if found.count and found.start and found.end < IDS:
            yield found


def read(path: Path) -> tuple[Range, ...]:
    """The ranges of a file; none where there is none."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return parse(file.read(FILE_BYTES))
    return ()


def names_of(uid: int) -> frozenset[str]:
    """Words by which the files may name a user: its number, and each name that has it."""
    names = {entry.pw_name for entry in pwd.getpwall() if entry.pw_uid == uid}
    with contextlib.suppress(KeyError):  # a directory service need not list its users
        names.add(pwd.getpwuid(uid).pw_name)
    return frozenset({str(uid), *names})


def extents(own_id: int, ranges: Iterable[Range], owners: Collection[str]) -> tuple[Extent, ...]:
    """The map of a user namespace: 0 is the user's own id, 1 to ``COUNT`` its subordinate ones.

    Ids that occur twice (overlapping ranges, the user's own) are mapped once, as the kernel wants.
    """
    found, inside = [Extent(0, own_id, 1)], 1
    taken = [Range("", own_id, 1)]
    for each in ranges:
        clashes = any(each.start < other.end and other.start < each.end for other in taken)
        if each.owner not in owners or clashes or len(found) == MOST_EXTENTS:
            continue
        count = min(each.count, COUNT + 1 - inside)
        if count:
            found.append(Extent(inside, each.start, count))
            taken.append(each)
            inside += count
    return tuple(found)


def for_boxes_of_root(uids: Sequence[Range], gids: Sequence[Range]) -> BoxIds:
    """Ids for the boxes of the host's root.

    Those that both files give to ``tarebench``, else to ``root``; else ids that no one was given:
    whoever has a range may end, trace and change whatever runs by its ids.
    """
    for owners in ({OUR_NAME}, {"root", "0"}):
        pair = [
            next((each for each in ranges if each.owner in owners and each.count >= COUNT), None)
            for ranges in (uids, gids)
        ]
        if pair[0] is not None and pair[1] is not None:
            return _box_ids(pair[0].start, pair[1].start)
    start = free((*uids, *gids))
    return _box_ids(start, start)


def _box_ids(first_uid: int, first_gid: int) -> BoxIds:
    return BoxIds((Extent(0, first_uid, COUNT),), (Extent(0, first_gid, COUNT),))


def free(given: Iterable[Range]) -> int:
    """First of ``COUNT`` ids, from ``FIRST_FREE`` on, of which nobody was given one."""
    start = FIRST_FREE
    for each in sorted(given, key=lambda one: one.start):
        if each.start >= start + COUNT:
            break
        start = max(start, each.end)
    return start


@functools.cache
def boxes_of_root() -> BoxIds:
    """As ``for_boxes_of_root``, by this host's files; the same for all boxes of a process."""
    return for_boxes_of_root(read(SUBUID), read(SUBGID))
