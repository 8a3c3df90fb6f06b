"""What goes into the root filesystem, and the key under which the result is cached."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtimes.conventions import AGENT_PATH
from runtimes.faults import RuntimeFault

FORMAT = 2
"""Raised when the same recipe must give another tree: it is part of every key."""

AGENT_SOURCE = Path(__file__).parents[2] / "agent" / "src" / "agent.c"

ARCHITECTURES: Mapping[str, str] = {"x86_64": "amd64", "aarch64": "arm64"}
"""Machine as the kernel names it → as Debian, Go and OCI name it."""

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")
_SUITE = re.compile(r"[a-z][a-z0-9.-]*\Z")


@dataclass(frozen=True, slots=True)
class ProgramSource:
    """One C file, compiled statically into the root filesystem."""

    path: str
    """Absolute path in the root filesystem."""
    source: Path
    flags: tuple[str, ...] = ()
    """Extra compiler and linker flags, e.g. ``-lm``."""


AGENT = ProgramSource(AGENT_PATH, AGENT_SOURCE)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the root filesystem contains, but for package versions."""

    suite: str
    """Code name of the distribution's release, e.g. ``bookworm``; see ``host_distribution``."""
    packages: tuple[str, ...]
    programs: tuple[ProgramSource, ...] = ()
    """The agent is always added to these."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Text files: absolute path → content."""

    def __post_init__(self) -> None:
        """Refuse names that mmdebstrap or apt would read as an option or a pattern."""
        if not _SUITE.match(self.suite):
            raise RuntimeFault(f"suite {self.suite!r} is not a release's code name")
        for package in self.packages:
            if not _PACKAGE.match(package):
                raise RuntimeFault(f"{package!r} is not the name of a Debian package")
        for path in (*self.files, *(program.path for program in self.programs)):
            parts = [part for part in path.split("/") if part not in {"", ".", ".."}]
            if not parts or path != "/" + "/".join(parts):
                raise RuntimeFault(f"{path!r} is not a plain absolute path in a root filesystem")

    def all_programs(self) -> tuple[ProgramSource, ...]:
        """The agent, then the recipe's programs, one for each path."""
        named = {program.path: program for program in (AGENT, *self.programs)}
        return tuple(named[path] for path in sorted(named))


@dataclass(frozen=True, slots=True)
class Distribution:
    """Whose packages the root filesystem is made of."""

    id: str
    """``debian`` or ``ubuntu``."""
    suite: str


FALLBACK = Distribution("debian", "bookworm")
"""For a host that is neither Debian nor Ubuntu nor made from them."""


def architecture() -> str:
    """The host's architecture, as Debian names it.

    Raises:
        RuntimeFault: on a machine that we do not know.
    """
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise RuntimeFault(f"machine {machine!r} is not one of {known}")
    return ARCHITECTURES[machine]


def host_distribution(os_release: Path = Path("/etc/os-release")) -> Distribution:
    """The host's own distribution, so that boxes and host run the same release.

    A derivative names its base (``UBUNTU_CODENAME``, ``DEBIAN_CODENAME``); a stranger gets
    ``FALLBACK``.
    """
    try:
        release = parse_os_release(os_release.read_text("utf-8", "replace"))
    except OSError:
        return FALLBACK
    family = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    if "ubuntu" in family:
        suite = release.get("UBUNTU_CODENAME") or release.get("VERSION_CODENAME", "")
        return Distribution("ubuntu", suite) if _SUITE.match(suite) else FALLBACK
    if "debian" in family:
        suite = release.get("DEBIAN_CODENAME") or release.get("VERSION_CODENAME", "")
        return Distribution("debian", suite) if _SUITE.match(suite) else FALLBACK
    return FALLBACK


def parse_os_release(text: str) -> dict[str, str]:
    """``NAME=value`` lines of os-release(5); quotes removed, everything else ignored."""
    fields = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and name.isidentifier():
            fields[name] = value.strip("\"'")
    return fields


def key(recipe: Recipe, sources: Sequence[str], arch: str, toolchain: str = "") -> str:
    """Name of the cache entry: hexadecimal sha256 of everything that decides the content.

    Args:
        recipe: what to build.
        sources: the apt sources it is built from, one-line style.
        arch: Debian's name of the architecture.
        toolchain: what else decides the programs' bits, e.g. compiler flags.

    Raises:
        RuntimeFault: a program's source cannot be read.
    """
    programs = [
        (program.path, _source_digest(program.source), list(program.flags))
        for program in recipe.all_programs()
    ]
    described = {
        "format": FORMAT,
        "suite": recipe.suite,
        "packages": sorted(set(recipe.packages)),
        "sources": list(sources),
        "architecture": arch,
        "programs": programs,
        "files": dict(recipe.files),
        "toolchain": toolchain,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _source_digest(source: Path) -> str:
    """Digest over a C file and the headers beside it, which it may include."""
    digest = hashlib.sha256()
    try:
        for path in (source, *sorted(source.parent.glob("*.h"))):
            content = path.read_bytes()
            digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    except OSError as error:
        raise RuntimeFault(f"{error.filename}: {error.strerror}") from None
    return digest.hexdigest()
