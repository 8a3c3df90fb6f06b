"""Which run is meant, and which arm of it: ``latest~1:docker``, a name, a short id or a path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from results.errors import StoreError
from results.records.records import arm_name
from results.store.store import RunDirectory, names

_LATEST = re.compile(r"latest(?:~(\d{1,6}))?")


class SelectionFault(StoreError):
    """What was selected is not there, or does not fit together.

    Attributes:
        exit_code: of the command line: something given does not exist or fit.
    """

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Selection:
    """A run, or one arm of it."""

    directory: RunDirectory
    arm: str
    """Empty for all."""


def select(given: str, root: Path) -> Selection:
    """The run that ``given`` names, with its arm where one follows after a colon.

    Raises:
        SelectionFault: there is no such run or arm; the valid names are listed.
        StoreError: its files are damaged.
    """
    run, colon, arm = given, "", ""
    ends = [len(given), *(place for place, char in enumerate(given) if char == ":")]
    for end in ends:  # a path may hold colons, and so may an arm
        if _exists(given[:end], root):
            run, colon, arm = given[:end], given[end : end + 1], given[end + 1 :]
            break
    else:
        run, colon, arm = given.partition(":")
    directory = RunDirectory.open(_named(run, root), root)
    if colon:
        arms = [arm_name(each.backend, each.profile) for each in directory.run().arms]
        if arm not in arms:
            raise SelectionFault(
                f"run {directory.path.name} has no arm {arm!r:.60}", f"its arms: {', '.join(arms)}"
            )
    return Selection(directory, arm)


def _exists(run: str, root: Path) -> bool:
    if _LATEST.fullmatch(run):
        return True
    try:
        return RunDirectory.open(run, root) is not None
    except StoreError:
        return False


def _named(run: str, root: Path) -> str:
    """``latest~N`` as a run's name; anything else as it is."""
    found = _LATEST.fullmatch(run)
    if not found:
        return run
    there, back = names(root), int(found[1] or 0)
    if back >= len(there):
        raise SelectionFault(
            f"{run}: there are {len(there)} runs in {root}", "make one with “invoke bench”"
        )
    return there[back]
