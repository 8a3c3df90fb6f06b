"""Layers that replace, link, hide and copy each other, most of them sound, through pull and unpack.

Entries are drawn with a memory of what is there already, so that links lead somewhere and what is
hidden exists; then, now and again, one field of a header or some bytes are changed.
"""

from __future__ import annotations

import os
import random
import shutil
import tarfile
import time
from pathlib import Path

from runtimes.standalone.image import pack
from tests.support.fuzz import Report
from tests.support.fuzz.image_cases import bring, ground, replay
from tests.support.fuzz.mutate import mutated

_ME = os.getuid()
_PARTS = ("a", "b", "c", "d", "usr", "lib", "é", "n" * 100)
_FIELDS = (
    (100, 8), (108, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155),
)  # fmt: skip
"""Mode, owner, size, time, kind, link, magic and prefix: where they begin, how long they are."""
_NUMBERS = (0, 1, 0o777, 4096, 1 << 20, (1 << 33) - 1)
_RECORDS = (
    ("SCHILY.xattr.user.a", "x"), ("SCHILY.xattr.security.selinux", "x"), ("mtime", "1.5"),
    ("SCHILY.xattr.user.overlay.opaque", "y"), ("SCHILY.xattr.trusted.overlay.redirect", "/"),
    ("GNU.sparse.major", "1"), ("size", "7"), ("path", "../x"), ("mtime", "nan"), ("uid", "-1"),
)  # fmt: skip


class Draw:
    """Entries, with a memory of what is there."""

    def __init__(self, rng: random.Random, outside: Path) -> None:
        self._rng, self._outside = rng, outside
        self._kinds: dict[str, str] = {}
        """Name → ``file``, ``directory`` or ``link``."""

    def entry(self) -> bytes:
        """One entry's header and content."""
        ways = {self._file: 30, self._directory: 20, self._link: 8, self._hard: 15, self._mark: 12,
                self._deep: 1, self._odd: 1}  # fmt: skip
        return self._rng.choices(list(ways), list(ways.values()))[0]()

    def _new(self, kind: str) -> str:
        """A name to be: now and then one that is there, or below a link."""
        if self._rng.random() < 0.15 and self._kinds:
            name = self._rng.choice(list(self._kinds))
        else:
            kinds = {"directory"} if self._rng.random() < 0.95 else {"link"}
            below = self._known(kinds) if self._rng.random() < 0.7 else ""
            name = f"{below}/{self._rng.choice(_PARTS)}".lstrip("/")
        if kind != "directory" or self._kinds.get(name) != "directory":
            self._forget(name)
        self._kinds[name] = kind
        return name

    def _known(self, kinds: set[str]) -> str:
        known = [name for name, kind in self._kinds.items() if kind in kinds]
        return self._rng.choice(known) if known else ""

    def _forget(self, name: str) -> None:
        gone = [each for each in self._kinds if each == name or each.startswith(f"{name}/")]
        for each in gone:
            del self._kinds[each]

    def _file(self) -> bytes:
        content = self._rng.randbytes(self._rng.choice([0, 3, 700, 5000]))
        return made(self._new("file"), content)

    def _directory(self) -> bytes:
        mode = self._rng.choice([0o755, 0o1777])
        return made(self._new("directory"), type=tarfile.DIRTYPE, mode=mode)

    def _link(self) -> bytes:
        inside = f"/{self._known({'directory'})}"
        target = self._rng.choice(
            [inside, inside, self._known({"link"}) or "a", str(self._outside)]
        )
        return made(self._new("link"), type=tarfile.SYMTYPE, linkname=target)

    def _hard(self) -> bytes:
        target = self._known({"file"})
        name = self._new("file")
        if self._kinds.get(target) != "file" or name == target:
            return made(name)
        return made(name, type=tarfile.LNKTYPE, linkname=target)

    def _mark(self) -> bytes:
        if self._rng.random() < 0.5:
            return made(f"{self._known({'directory'})}/.wh..wh..opq".lstrip("/"))
        name = self._known({"file", "link", "directory"}) or "a"
        parent, _, base = name.rpartition("/")
        return made(f"{parent}/.wh.{base}".lstrip("/"))

    def _deep(self) -> bytes:
        path = "/".join("x" * self._rng.choice([20, 120, 200, 250]))
        if self._rng.random() < 0.5:
            return made(self._new("link"), type=tarfile.SYMTYPE, linkname=path)
        through = self._known({"link", "directory"})
        return made(f"{through}/{path}/f".lstrip("/"))

    def _odd(self) -> bytes:
        records = dict(self._rng.sample(_RECORDS, 1))
        if self._rng.random() < 0.3:
            records |= {f"comment.{number}": "x" for number in range(self._rng.choice([9, 300]))}
        return made(self._new("file"), b"content", pax_headers=records)


def made(name: str, content: bytes = b"", **fields: object) -> bytes:
    """An entry as tools write it."""
    info = tarfile.TarInfo(name)
    info.size, info.uid, info.gid, info.mode = len(content), _ME, _ME, 0o755
    for key, value in fields.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % 512)


def tampered(rng: random.Random, entry: bytes) -> bytes:
    """One field of an entry's first header changed, its checksum right again."""
    at, width = rng.choice(_FIELDS)
    raw = bytearray(entry)
    if width in {8, 12} and rng.random() < 0.7:
        raw[at : at + width] = b"%0*o\0" % (width - 1, rng.choice(_NUMBERS) % 8 ** (width - 1))
    else:
        raw[at : at + width] = rng.randbytes(1) * width
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    return bytes(raw)


def layers(rng: random.Random, outside: Path) -> list[bytes]:
    """Archives, the lowest first."""
    draw = Draw(rng, outside)
    found = []
    for _ in range(rng.randint(1, 4)):
        entries = [draw.entry() for _ in range(rng.randint(1, 25))]
        if rng.random() < 0.1:
            number = rng.randrange(len(entries))
            entries[number] = tampered(rng, entries[number])
        found.append(b"".join(entries) + bytes(1024))
    if rng.random() < 0.1:
        found[-1] = mutated(rng, found[-1], 2)
    return found


def fuzz(rng: random.Random, seconds: float, corpus: Path) -> Report:
    """See tests.support.fuzz; deep is an image of which at least ten names were made, or all."""
    findings: list[str] = []
    cases = reached = 0
    with ground() as home:
        for path in sorted(corpus.glob("*.tar.gz")):
            findings += replay(home, path)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            archives = layers(rng, home / "outside")
            files = [home / f"{number}.tar" for number in range(len(archives))]
            for file, archive in zip(files, archives, strict=True):
                file.write_bytes(archive)
            pack.pack(files, home / "image", pack.Description("fuzz"), "none")
            outcome = bring(home, home / "image")
            cases += 1
            reached += not outcome.refused or outcome.entries >= 10
            findings += [f"case {cases}: {finding}" for finding in outcome.findings]
            shutil.rmtree(home / "image")
    return Report(cases, reached, tuple(findings))
