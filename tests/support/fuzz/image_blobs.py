"""Compressed layers: bombs, broken and cut streams, many members, by the real decompressors."""

from __future__ import annotations

import gzip
import random
import shutil
import tarfile
import time
import zlib
from pathlib import Path

from runtimes import process
from runtimes.standalone.image import documents
from runtimes.standalone.image.documents import Descriptor, Execution, Layers, digest_of, encode
from runtimes.standalone.image.image import host_architecture
from runtimes.standalone.image.layout import Layout
from tests.support.fuzz import Report
from tests.support.fuzz.image_cases import RULES, bring, ground, replay
from tests.support.fuzz.image_layers import made
from tests.support.fuzz.mutate import mutated

_BOMBS = (1 << 16, 1 << 20, 5 << 20, 40 << 20)
_SLACK_BYTES = 1 << 20


def archive(rng: random.Random) -> bytes:
    """A layer before compression; some are bombs, in a file or behind the end."""
    size = rng.choice(_BOMBS)
    match rng.randrange(3):
        case 0:
            return made("zeros", bytes(size)) + bytes(1024)
        case 1:
            return made("small", b"x") + bytes(1024) + bytes(size)
        case _:
            entries = [made(f"f{number}", rng.randbytes(50)) for number in range(20)]
            return b"".join(entries) + bytes(1024)


def gzipped(rng: random.Random, raw: bytes) -> bytes:
    """As one member, as many, or with members that hold nothing."""
    if rng.random() < 0.5:
        return zlib.compress(raw, rng.choice([0, 1, 9]), wbits=31)
    pieces = rng.choice([2, 7])
    step = -(-len(raw) // pieces)
    members = [gzip.compress(raw[at : at + step], 1, mtime=0) for at in range(0, len(raw), step)]
    empty = gzip.compress(b"", mtime=0) * rng.choice([0, 1, 2000])
    return empty + empty.join(members)


def zstandard(rng: random.Random, raw: bytes, scratch: Path) -> bytes:
    """As zstd makes it, with a long window or frames that are skipped."""
    scratch.write_bytes(raw)
    level = rng.choice(["-1", "-19", "--fast=5", "--long=27"])
    argv = ["zstd", "--quiet", "--stdout", level, str(scratch)]
    packed = process.run(argv, timeout_s=60).stdout
    skipped = b"\x50\x2a\x4d\x18" + (100).to_bytes(4, "little") + bytes(100)
    return rng.choice([b"", skipped * 50]) + packed


def layout(path: Path, blob: bytes, diff: str, suffix: str) -> None:
    """An image whose only layer is ``blob``."""
    made_ = Layout(path)
    layer = made_.document(blob, documents.LAYER + suffix)
    configuration = documents.Configuration(
        host_architecture(), "linux", Layers("layers", (diff,)), Execution()
    )
    config: Descriptor = made_.document(encode(configuration), documents.CONFIG)
    manifest = documents.Manifest(2, config, (layer,))
    made_.name(made_.document(encode(manifest), documents.MANIFEST), "fuzz")


def fuzz(rng: random.Random, seconds: float, corpus: Path) -> Report:
    """See tests.support.fuzz; deep is a layer of which a block came out."""
    findings: list[str] = []
    cases = reached = 0
    suffixes = ["+gzip", *(["+zstd"] if process.find("zstd") else [])]
    with ground() as home:
        for path in sorted(corpus.glob("*.tar.gz")):
            findings += replay(home, path)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            raw, suffix = archive(rng), rng.choice(suffixes)
            blob = gzipped(rng, raw) if suffix == "+gzip" else zstandard(rng, raw, home / "raw")
            if rng.random() < 0.25:
                blob = mutated(rng, blob, 2)
            layout(home / "image", blob, digest_of(raw), suffix)
            outcome = bring(home, home / "image")
            shutil.rmtree(home / "image")
            cases += 1
            reached += outcome.archive_bytes >= tarfile.BLOCKSIZE
            most = RULES.most_bytes(len(blob)) + _SLACK_BYTES
            if outcome.archive_bytes > most:
                findings.append(f"case {cases}: {outcome.archive_bytes} bytes of {len(blob)}")
            findings += [f"case {cases}: {finding}" for finding in outcome.findings]
    return Report(cases, reached, tuple(findings))
