"""Where the host has its cgroup hierarchies, from /proc/self/mountinfo (proc(5))."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NOT_CONTROLLERS = frozenset({"rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode"})


@dataclass(frozen=True, slots=True)
class Mounts:
    """cgroup mounts of this host."""

    v1: Mapping[str, Path]
    """Controller, or ``name=…`` of a hierarchy without one → mount point; co-mounted controllers
    share one.  OCI runtimes make cgroups in all of them."""
    v2: Path | None


def parse(mountinfo: str) -> Mounts:
    """Find the hierarchies in the text of a mountinfo file."""
    v1: dict[str, Path] = {}
    v2: Path | None = None
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        if not separator or len(fields) < 5 or len(tail) < 3:
            continue
        point = Path(_unescape(fields[4]))
        if tail[0] == "cgroup2" and v2 is None:
            v2 = point
        elif tail[0] == "cgroup":
            for option in tail[2].split(","):
                named = option.startswith("name=")
                if named or (option not in _NOT_CONTROLLERS and "=" not in option):
                    v1.setdefault(option, point)
    return Mounts(v1, v2)


def _unescape(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
