"""The distribution's own archive among the host's apt sources: third parties are left out.

A box must hold what the distribution ships, from the mirror that this host can reach.  Both
formats of sources.list(5) are read.  What counts as the archive is decided by the suite, the
component, and the signing key or else the shape of the address: ``Signed-By`` names the
archive's keyring, or is absent and the address has a path element such as ``debian``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtimes.images.rootfs.recipe import Distribution

COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "debian": ("main",),
    "ubuntu": ("main", "universe"),
}
_ALIASES = {"stable", "oldstable", "testing", "unstable", "sid"}
_POCKETS = {"", "-updates", "-security", "/updates"}
_KEYRINGS = {"debian": ("debian-archive", "debian-keyring"), "ubuntu": ("ubuntu-archive",)}
_KEPT_OPTIONS = {"signed-by", "trusted", "check-valid-until", "allow-insecure"}

_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<rest>.+)\Z")
_SAFE = re.compile(r"[\x21-\x5a\x5c\x5e-\x7e]+\Z")
"""Printable, without blanks and square brackets: what may stand in a one-line source."""


@dataclass(frozen=True, slots=True)
class Source:
    """One line of a sources.list: an address, one suite, its components."""

    uri: str
    suite: str
    components: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case, e.g. ``signed-by``."""

    def line(self) -> str:
        """One-line style, for mmdebstrap."""
        options = " ".join(
            f"{name}={value}"
            for name, value in sorted(self.options.items())
            if name in _KEPT_OPTIONS
        )
        head = f"deb [{options}]" if options else "deb"
        return f"{head} {self.uri} {self.suite} {' '.join(self.components)}"


def parse_one_line(text: str) -> Iterator[Source]:
    """Enabled binary sources of a ``*.list`` file; lines that make no sense are skipped."""
    for raw in text.splitlines():
        match = _ONE_LINE.match(raw.partition("#")[0].strip())
        if match is None:
            continue
        suite, *components = match["rest"].split()
        pairs = (option.partition("=") for option in (match["options"] or "").split())
        options = {name.lower(): value for name, _, value in pairs}
        yield Source(match["uri"], suite, tuple(components), options)


def parse_deb822(text: str) -> Iterator[Source]:
    """Enabled binary sources of a ``*.sources`` file: every address with every suite."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = _deb822_fields(stanza)
        enabled = fields.get("enabled", "yes").lower() not in {"no", "false", "off", "0", "without"}
        if not enabled or "deb" not in fields.get("types", "").split():
            continue
        components = tuple(fields.get("components", "").split())
        options = {name: fields[name] for name in _KEPT_OPTIONS if fields.get(name)}
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri, suite, components, options)


def _deb822_fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in {" ", "\t"}:
            if name:
                fields[name] += " " + line.strip()
            continue
        head, colon, value = line.partition(":")
        name = head.strip().lower() if colon else ""
        if name:
            fields[name] = value.strip()
    return fields


def read(etc_apt: Path) -> list[Source]:
    """Every enabled binary source of the host, in the order in which apt reads them."""
    found: list[Source] = []
    main = etc_apt / "sources.list"
    for path in (main, *sorted(etc_apt.glob("sources.list.d/*"))):
        parse = {".list": parse_one_line, ".sources": parse_deb822}.get(path.suffix)
        if parse is None or not path.is_file():
            continue
        found += parse(path.read_text("utf-8", "replace"))
    return found


def archive_lines(
    sources: Iterable[Source], distribution: Distribution, arch: str
) -> tuple[str, ...]:
    """One-line sources of ``distribution``'s archive: never empty.

    Where the host has none that we recognise, the distribution's well-known address is used.
    """
    wanted = COMPONENTS[distribution.id]
    lines: dict[str, None] = {}
    for source in sources:
        if not _is_archive(source, distribution):
            continue
        components = tuple(name for name in wanted if name in source.components)
        if components:
            kept = Source(source.uri, source.suite, components, source.options)
            lines.setdefault(kept.line())
    return tuple(lines) or well_known_lines(distribution, arch)


def well_known_lines(distribution: Distribution, arch: str) -> tuple[str, ...]:
    """The distribution's public archive."""
    components = " ".join(COMPONENTS[distribution.id])
    suite = distribution.suite
    if distribution.id == "ubuntu":
        uri = (
            "http://ports.ubuntu.com/ubuntu-ports"
            if arch == "arm64"
            else "http://archive.ubuntu.com/ubuntu"
        )
        return tuple(
            f"deb {uri} {suite}{pocket} {components}" for pocket in ("", "-updates", "-security")
        )
    uri = "http://deb.debian.org/debian"
    return (
        f"deb {uri} {suite} {components}",
        f"deb {uri} {suite}-updates {components}",
        f"deb {uri}-security {suite}-security {components}",
    )


def _is_archive(source: Source, distribution: Distribution) -> bool:
    if not _suite_belongs(source.suite, distribution) or not _is_plain(source):
        return False
    signed_by = source.options.get("signed-by", "")
    if signed_by:
        stem = signed_by.rpartition("/")[2]
        return stem.startswith(_KEYRINGS[distribution.id])
    return _address_looks_like(source.uri, distribution.id)


def _suite_belongs(suite: str, distribution: Distribution) -> bool:
    bases = {distribution.suite} | (_ALIASES if distribution.id == "debian" else set())
    return any(suite.startswith(base) and suite[len(base) :] in _POCKETS for base in bases)


def _is_plain(source: Source) -> bool:
    """Whether it can be written in one-line style: a key inside the file, for one, cannot."""
    values: Sequence[str] = (source.uri, source.suite, *source.components)
    kept = [value for name, value in source.options.items() if name in _KEPT_OPTIONS]
    return all(_SAFE.match(value) for value in (*values, *kept))


def _address_looks_like(uri: str, distribution_id: str) -> bool:
    host, _, path = uri.partition("://")[2].partition("/")
    if host.endswith(f".{distribution_id}.{'org' if distribution_id == 'debian' else 'com'}"):
        return True
    elements = {element.partition(".")[0] for element in f"{path or uri}".split("/")}
    names = {f"{distribution_id}{tail}" for tail in ("", "-security", "-ports")}
    return bool(elements & names)
