"""Images for fuzzing: brought through the real pull and unpack, and what must hold afterwards."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from runtimes.faults import RuntimeFault
from runtimes.images.layers.limits.budget import Budget
from runtimes.images.layers.limits.rules import Rules
from runtimes.images.layers.stack import tree, walk
from runtimes.images.layers.store.garbage import collect
from runtimes.images.layers.store.records import StoredImage
from runtimes.images.layers.store.store import LayerStore
from runtimes.images.layers.tar.member import Member
from runtimes.linux import trees
from runtimes.standalone.image import pull

RULES = Rules(entries=3000, total_bytes=16 << 20, ratio_from_bytes=4 << 20, path_bytes=1 << 20)
SECRET = b"secret of the host"
_CORPUS_ARCHITECTURE = "amd64"
_CALLS = 30
"""System calls into layers for each part of a path, at most; it is about ten."""


@dataclass(slots=True)
class Outcome:
    """What became of one image."""

    entries: int = 0
    """Names that came as far as being made."""
    archive_bytes: int = 0
    """What came out of its layers' compression."""
    refused: str = ""
    """By what words, if it was."""
    findings: list[str] = field(default_factory=list)


@contextmanager
def ground() -> Iterator[Path]:
    """A directory with a secret in it, gone afterwards at any depth."""
    home = Path(tempfile.mkdtemp(prefix="tarebench-fuzz-"))
    try:
        (home / "outside").mkdir()
        (home / "outside/canary").write_bytes(SECRET)
        yield home
    finally:
        trees.remove(home)


def bring(home: Path, image: Path, architecture: str = "") -> Outcome:
    """Pull the image at ``image``, unpack it, let go of it; only ``RuntimeFault`` may end that."""
    outcome = Outcome()
    budgets: list[Budget] = []

    def budget(rules: Rules) -> Budget:
        budgets.append(Budget(rules))
        return budgets[-1]

    try:
        store = LayerStore(home / "store", marks="user", durable=False, rules=RULES)
        with (
            mock.patch.object(pull, "Budget", budget),
            mock.patch.object(tree, "openat2", side_effect=tree.openat2) as calls,
        ):
            try:
                stored = pull.pull(
                    image, store, str, tag="fuzz", architecture=architecture, rules=RULES
                )
            except RuntimeFault as fault:
                outcome.refused = str(fault)
                stored = None
        outcome.findings += _after(store, budgets, calls.call_count)
        if stored is not None:
            outcome.findings += _shown(home, store, stored)
        outcome.findings += _left(home, store)
    except Exception as error:  # noqa: BLE001  # which is what is looked for
        outcome.findings.append(f"{type(error).__name__}: {error}"[:500])
    for each in budgets:
        outcome.entries, outcome.archive_bytes = each.entries, each.archive_bytes
    shutil.rmtree(home / "flat", ignore_errors=True)
    trees.remove(home / "store", ignore_errors=True)
    return outcome


def replay(home: Path, packed: Path) -> list[str]:
    """What comes of one file of a corpus: an archive with an image, compressed once more."""
    image = home / "corpus.tar"
    image.write_bytes(gzip.decompress(packed.read_bytes()))
    found = bring(home, image, _CORPUS_ARCHITECTURE).findings
    return [f"{packed.name}: {finding}" for finding in found]


def _after(store: LayerStore, budgets: list[Budget], calls: int) -> Iterator[str]:
    for budget in budgets:
        written = sum(layer.size_bytes for layer in store.layers())
        if written > RULES.most_bytes(budget.blob_bytes):
            yield f"{written} bytes written from {budget.blob_bytes}"
        if calls > _CALLS * (100 + budget.path_bytes + budget.entries):
            yield f"{calls} calls for {budget.entries} entries, {budget.path_bytes} bytes of paths"
    if list(store.layers_home.glob(".build-*")):
        yield "something half-made was left"


def _shown(home: Path, store: LayerStore, stored: StoredImage) -> Iterator[str]:
    """What the image shows can be unpacked, and is the same then."""
    layers = store.lower_directories(stored)
    before = [_described(member) for member in walk.merged(layers, marks="user")]
    pull.unpack(store, stored, home / "flat")
    after = [_described(member) for member in walk.merged([home / "flat"], marks="user")]
    if before != after:
        yield f"unpacked it shows {sorted(set(after) ^ set(before))[:3]}"
    for name, _, content in after:
        if name.count("/") >= RULES.depth:
            yield f"a path of {name.count('/') + 1} levels"
        if name.rpartition("/")[2].startswith(".wh.") or SECRET in content:
            yield f"{name!r} must not be there"
    if store.image("fuzz") != stored:
        yield "its record is another"


def _described(member: Member) -> tuple[str, str, bytes]:
    what = f"{member.kind} {member.mode:o} {member.uid} {member.gid} {member.link} {member.device}"
    return member.name, what, b"".join(member.pieces)


def _left(home: Path, store: LayerStore) -> Iterator[str]:
    store.untag("fuzz")
    collect(store, grace_s=-1)
    if left := [path.name for path in store.layers_home.iterdir()]:
        yield f"left in the store: {left}"
    if store.inventory().damaged:
        yield f"damaged: {store.inventory().damaged[0]}"
    outside = home / "outside"
    names = sorted(path.name for path in outside.iterdir())
    canary = outside / "canary"
    if names != ["canary"] or canary.read_bytes() != SECRET or canary.stat().st_nlink != 1:
        yield "something outside was changed"
