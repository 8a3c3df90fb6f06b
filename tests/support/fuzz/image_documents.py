"""The documents of an image, and the records of the layer store, with their fields changed.

A changed document gets its digest and length in the document that names it, so that it is parsed.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtimes.images.layers.store.garbage import collect, shrink
from runtimes.images.layers.store.store import LayerStore
from runtimes.standalone.image import pack, pull
from runtimes.standalone.image.documents import digest_of
from tests.support.fuzz import Report
from tests.support.fuzz.image_cases import bring, ground, replay
from tests.support.fuzz.mutate import mutated
from tests.support.members import file

_PLACES = ("oci-layout", "index", "manifest", "config")
_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 1e308, "", "x", "\x1b]0;x\a", "\u202e", "\ud800", "../../etc",
    "sha256:" + "0" * 64, "sha512:" + "0" * 128, "x" * 5000, [], ["x"], [None], {}, {"x": "y"},
    [[[[]]]], "linux", "amd64",
)  # fmt: skip


def base(home: Path) -> Path:
    """A layout with an image of two layers."""
    contents = [[file("etc/hosts", b"h")], [file("etc/.wh.hosts"), file("x", b"x")]]
    pack.pack(contents, home / "base", pack.Description("one"), "none")
    return home / "base"


def places(value: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401  # JSON
    """Every container in a document with every key of it."""
    found: list[tuple[Any, Any]] = []
    pending = [value]
    while pending:
        here = pending.pop()
        keys = (
            here if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
        )
        for key in keys:
            found.append((here, key))
            pending.append(here[key])
    return found


def tampered(rng: random.Random, raw: bytes) -> bytes:
    """A document with a field or two changed, removed or repeated; or some bytes of it."""
    if rng.random() < 0.1:
        return mutated(rng, raw)
    document = json.loads(raw)
    for _ in range(rng.randint(1, 2)):
        where, key = rng.choice(places(document) or [({}, "x")])
        match rng.randrange(5):
            case 0 if isinstance(where, dict):
                where.pop(key, None)
            case 1 if isinstance(where, list) and where:
                where *= rng.choice([2, 2, 300])
            case 2 if isinstance(where, dict):
                where[rng.choice(list(where) or ["x"]).upper()] = copy.deepcopy(rng.choice(_ODD))
            case _ if isinstance(where, dict) or key < len(where):
                where[key] = copy.deepcopy(rng.choice(_ODD))
            case _:
                pass
    return json.dumps(document).encode()


def spoil(rng: random.Random, layout: Path, which: str) -> None:
    """Change one document of the layout, and those above it that name it."""

    def at(name: str) -> Callable[[bytes], bytes]:
        return (lambda raw: tampered(rng, raw)) if name == which else bytes

    def blob(descriptor: dict[str, Any], raw: bytes) -> None:
        descriptor.update(digest=digest_of(raw), size=len(raw))
        (layout / "blobs/sha256" / descriptor["digest"][7:]).write_bytes(raw)

    def named(descriptor: dict[str, Any]) -> bytes:
        return (layout / "blobs/sha256" / descriptor["digest"][7:]).read_bytes()

    version = layout / "oci-layout"
    version.write_bytes(at("oci-layout")(version.read_bytes()))
    index = json.loads((layout / "index.json").read_bytes())
    manifest = json.loads(named(index["manifests"][0]))
    blob(manifest["config"], at("config")(named(manifest["config"])))
    blob(index["manifests"][0], at("manifest")(json.dumps(manifest).encode()))
    (layout / "index.json").write_bytes(at("index")(json.dumps(index).encode()))


def records(rng: random.Random, home: Path, image: Path) -> list[str]:
    """One record of a store damaged: the others stay, and the store goes on."""
    store = LayerStore(home / "records", marks="user", durable=False)
    try:
        for name in ("one", "two", "three"):
            pull.pull(image, store, lambda _: None, tag=name)
        store.hold("abc123", store.image("three"))
        one = home / "records/images/one.json"
        layer = rng.choice(list(store.layers_home.glob("*/*.json")))
        path = rng.choice([one, one, home / "records/uses/abc123.json", layer])
        raw = path.read_bytes()
        path.write_bytes(tampered(rng, raw) if rng.random() < 0.7 else mutated(rng, raw))
        there = store.inventory()
        found = []
        if path == one and [image.name for image in there.images if image.name != "one"] != [
            "three", "two",
        ]:  # fmt: skip
            found.append(f"other images are gone with {path.name}")
        for each in ("one", "two"):
            store.untag(each)
        collect(store, grace_s=-1)
        shrink(store, 0)
        held = path.parent.name != "uses" or any(each.kind == "use" for each in there.damaged)
        if held and len([entry for entry in store.layers_home.iterdir() if entry.is_dir()]) != 2:
            found.append(f"layers that are held are gone with {path.name}")
    except Exception as error:  # noqa: BLE001  # a fault, too: the store must go on
        found = [f"{type(error).__name__}: {error}"]
    shutil.rmtree(home / "records")
    return found


def fuzz(rng: random.Random, seconds: float, corpus: Path) -> Report:
    """See tests.support.fuzz; deep is a document that was parsed, or a record."""
    findings: list[str] = []
    cases = reached = 0
    with ground() as home:
        for path in sorted(corpus.glob("*.tar.gz")):
            findings += replay(home, path)
        layout = base(home)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            cases += 1
            if rng.random() < 0.2:
                found, parsed = records(rng, home, layout), True
            else:
                shutil.copytree(layout, home / "image")
                spoil(rng, home / "image", rng.choice(_PLACES))
                outcome = bring(home, home / "image")
                shutil.rmtree(home / "image")
                found = outcome.findings + listed(outcome.refused)
                parsed = "is not what its name says" not in outcome.refused
            reached += parsed
            findings += [f"case {cases}: {finding}" for finding in found]
    return Report(cases, reached, tuple(findings))


def listed(refused: str) -> list[str]:
    """A refusal is a sentence of bounded length."""
    return [f"a refusal of {len(refused)} characters"] if len(refused) > 2000 else []
