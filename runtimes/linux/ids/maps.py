"""Id maps of user namespaces (user_namespaces(7)): lines of *inside outside count*."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

IDS = 1 << 32
"""Ids are 32 bits wide; the last one means "none"."""

MOST_EXTENTS = 340
"""Lines of a map (Linux 4.15)."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Ids ``inside`` and the ``count - 1`` after it are ``outside`` and those after it."""

    inside: int
    outside: int
    count: int


WHOLE = (Extent(0, 0, IDS - 1),)
"""The map of the host's own user namespace."""

_LINE = re.compile(r"\s*(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s*")


def parse(text: str) -> tuple[Extent, ...]:
    """A map file of /proc; lines of another form say nothing."""
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return tuple(Extent(*map(int, match.groups())) for match in found if match)


def arguments(extents: Iterable[Extent]) -> list[str]:
    """As newuidmap(1) takes them."""
    return [str(number) for each in extents for number in (each.inside, each.outside, each.count)]


def lines(extents: Iterable[Extent]) -> str:
    """As the kernel takes them."""
    return "\n".join(f"{each.inside} {each.outside} {each.count}" for each in extents)


def nested(extents: Iterable[Extent]) -> tuple[Extent, ...]:
    """The map by which a further namespace has all ids of this one, as they are.

    Extent by extent: the kernel takes none that lies in two of the parent's.
    """
    return tuple(Extent(each.inside, each.inside, each.count) for each in extents)


@dataclass(frozen=True, slots=True)
class BoxIds:
    """What a box's ids, from 0 on, are to the launcher."""

    uids: tuple[Extent, ...]
    gids: tuple[Extent, ...]
    groups: bool = True
    """Whether group lists may be set: not after a user mapped its own group by itself."""

    @property
    def root(self) -> tuple[int, int]:
        """User and group of the box's root."""
        return (self.uids[0].outside, self.gids[0].outside)

    @property
    def is_whole(self) -> bool:
        """Whether all ids of a system are there, to ``nobody`` (65,534)."""
        return all(_holds(extents, 0, 65_534) for extents in (self.uids, self.gids))

    def has_group(self, gid: int) -> bool:
        """Whether the box has a group of that number."""
        return _holds(self.gids, gid, gid)


def _holds(extents: Sequence[Extent], first: int, last: int) -> bool:
    for each in sorted(extents, key=lambda extent: extent.inside):
        if each.inside <= first < each.inside + each.count:
            first = each.inside + each.count
    return first > last


def has_outside(uid: int) -> bool:
    """Whether user ``uid`` of the namespace around ours has an id in it."""
    own = parse(Path("/proc/self/uid_map").read_text())
    return any(each.outside <= uid < each.outside + each.count for each in own)


def own_boxes() -> BoxIds:
    """For root of a user namespace: the box has its ids, as they are, in one more of its own."""
    maps = Path("/proc/self")
    return BoxIds(
        uids=nested(parse((maps / "uid_map").read_text())),
        gids=nested(parse((maps / "gid_map").read_text())),
        groups=(maps / "setgroups").read_text().strip() == "allow",
    )
