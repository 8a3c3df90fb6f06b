"""What ``invoke import`` is given: ``FILE`` or ``ARM=FILE``, several apart by commas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from results.importers.arms import checked_arm
from results.importers.errors import ImportFault
from results.importers.files import Source

MOST_FILES = 1000


def sources(given: str, arm: str = "") -> tuple[Source, ...]:
    """The files that ``given`` names; ``arm`` is whose figures a plain ``FILE`` holds.

    A name that is a file as it stands is taken as it stands, commas and all.

    Raises:
        ImportFault: there is none, or an arm cannot be one.
    """
    whose = checked_arm(arm) if arm else ""
    if _is_file(given):
        return (Source(Path(given), whose),)
    found = [_source(each, whose) for each in given.split(",") if each]
    if not found:
        raise ImportFault("no file was named", "invoke import FILE, or invoke import ARM=FILE,…")
    if len(found) > MOST_FILES:
        raise ImportFault(f"{len(found)} files, at most {MOST_FILES}")
    return tuple(found)


def _source(given: str, arm: str) -> Source:
    name, equals, file = given.partition("=")
    if not equals or _is_file(given):
        return Source(Path(given), arm)
    return Source(Path(file), checked_arm(name))


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # too long, a NUL
        return False


def renames(given: Sequence[str]) -> dict[str, str]:
    """``NAME=ARM`` of every ``--map``; the name may hold equals signs, the arm none.

    Raises:
        ImportFault: it is of another form, or says two things of one name.
    """
    found: dict[str, str] = {}
    for each in given:
        name, equals, arm = each.rpartition("=")
        if not equals or not name.strip() or not arm.strip():
            raise ImportFault(f"--map {each!r:.100}: write NAME=ARM", "e.g. --map bare=native")
        name, arm = name.strip(), checked_arm(arm)
        if found.setdefault(name, arm) != arm:
            raise ImportFault(f"--map: {name!r:.80} is mapped to both {found[name]} and {arm}")
    return found
