"""What a box by hand has in its root besides the layers: trees of the host, and scratch space.

The launcher makes a detached copy of each tree of the host, with its attributes on every mount in
it; the child attaches it once the old root has gone, at a place that is looked up within the box's
own root.  So neither a link in the layers nor a mount below the tree leads anywhere else.
"""

from __future__ import annotations

import posixpath
import re
from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes.arguments import size_bytes
from runtimes.faults import RuntimeFault
from runtimes.launcher import limits
from runtimes.launcher.operations import AttachInRoot, CloneTree, MountInRoot, Operation
from runtimes.launcher.operations.base import NODEV, NOSUID, RDONLY
from runtimes.ns.mounts.mount_plan import DEVICES, FIRST_NODE_SLOT

_FIRST_SLOT = FIRST_NODE_SLOT + len(DEVICES)
MOST_BINDS = limits.MAX_HELD - _FIRST_SLOT

_LONGEST = 4094
_MODE = re.compile(r"[01]?[0-7]{3}")


@dataclass(frozen=True, slots=True)
class Bound:
    """A file or a directory of the host, with all that is mounted below it."""

    source: Path
    target: str
    read_only: bool = False
    """In all its depth."""

    @property
    def is_file(self) -> bool:
        """Whether a file is to be put there."""
        return not self.source.is_dir()


@dataclass(frozen=True, slots=True)
class Scratch:
    """A tmpfs of the box's own."""

    target: str
    size_bytes: int | None = None
    """``None``: the kernel's default, half of the memory."""
    mode: str = "1777"


Addition = Bound | Scratch


def parse_bind(text: str) -> Bound:
    """``SRC:DST[:ro]``; SRC may hold colons.  For argparse."""
    words = text.split(":")
    option = words.pop() if words[-1] in {"ro", "rw"} else "rw"
    if len(words) < 2:
        raise ArgumentTypeError(f"{text!r:.100}: write it as SRC:DST or SRC:DST:ro")
    source, target = ":".join(words[:-1]), words[-1]
    try:
        found = Path(source).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        circle = isinstance(error, RuntimeError)
        why = "links in a circle" if circle else getattr(error, "strerror", None) or "no path"
        raise ArgumentTypeError(f"{source!r:.200} cannot be bound: {why}") from error
    return Bound(found, _place(target), option == "ro")


def parse_tmpfs(text: str) -> Scratch:
    """``DST[:size=N,mode=OCTAL]``.  For argparse."""
    target, _, options = text.partition(":")
    size, mode = None, "1777"
    for option in options.split(",") if options else ():
        name, _, value = option.partition("=")
        if name == "size":
            size = size_bytes(value)
        elif name == "mode" and _MODE.fullmatch(value):
            mode = value
        else:
            raise ArgumentTypeError(f"{option!r:.100}: a tmpfs takes size=64m and mode=1777")
    return Scratch(_place(target), size, mode)


def _place(target: str) -> str:
    """A clean absolute path in the box, below its root."""
    clean = posixpath.normpath(target).lstrip("/")
    if not target.startswith("/") or ".." in target.split("/") or not clean:
        raise ArgumentTypeError(f"{target!r:.100} is no absolute path in the box, without .. in it")
    if "\0" in target or len(clean.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise ArgumentTypeError(f"{target!r:.100} is no path")
    return f"/{clean}"


def check(additions: Sequence[Addition]) -> None:
    """Refuse what cannot be attached.

    Raises:
        RuntimeFault: too many, or two at one place.
    """
    if len(_bound(additions)) > MOST_BINDS:
        raise RuntimeFault(f"a box takes at most {MOST_BINDS} of --bind", hint="bind a directory")
    targets = [each.target for each in additions]
    for target in targets:
        if targets.count(target) > 1:
            raise RuntimeFault(
                f"{target} is given more than once", hint="only one thing can be at one place"
            )


def is_read_only(addition: Addition) -> bool:
    """Whether the box is to have it without changing it."""
    return isinstance(addition, Bound) and addition.read_only


def _bound(additions: Sequence[Addition]) -> list[Bound]:
    return [each for each in additions if isinstance(each, Bound)]


def held(additions: Sequence[Addition]) -> list[Operation]:
    """The launcher's part."""
    return [
        CloneTree(
            slot,
            str(each.source),
            recursive=True,
            attributes=NODEV | (RDONLY if each.read_only else 0),
            direct=True,
        )
        for slot, each in enumerate(_bound(additions), _FIRST_SLOT)
    ]


def placed(additions: Sequence[Addition]) -> list[Operation]:
    """The child's part: parents before what is below them, whatever the order they came in."""
    slots = {each: slot for slot, each in enumerate(_bound(additions), _FIRST_SLOT)}
    steps: list[Operation] = []
    for each in sorted(additions, key=lambda one: one.target.count("/")):
        if isinstance(each, Bound):
            steps.append(AttachInRoot(slots[each], each.target, each.is_file))
            continue
        size = "" if each.size_bytes is None else f",size={each.size_bytes}"
        steps.append(
            MountInRoot("tmpfs", each.target, "tmpfs", NOSUID | NODEV, f"mode={each.mode}{size}")
        )
    return steps
