"""What an image may take is bounded for all its layers together."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from support.layer_trees import d, f, hard
from support.layouts import edit

from runtimes.faults import RuntimeFault
from runtimes.images.canonical import HostileArchive
from runtimes.images.layers.limits.budget import Budget
from runtimes.images.layers.limits.rules import Rules
from runtimes.images.layers.store.store import LayerStore
from runtimes.images.layers.tar.member import Member
from runtimes.standalone.image import compression, pack, pull
from runtimes.standalone.image.compression import Compression
from runtimes.standalone.image.source import Opened

SMALL = Rules(ratio=10, ratio_from_bytes=4 << 20)
LARGE = 1 << 20


def image(home: Path, layers: list[list[Member]], compression: Compression = "gzip") -> Path:
    pack.pack(layers, home / "image", pack.Description("x"), compression)
    return home / "image"


def copies(number: int) -> list[list[Member]]:
    """Layers of some hundred bytes that each copy a large file up from below."""
    large = [f("large", bytes(LARGE))]
    return [large, *([hard(f"again-{each}", "large")] for each in range(number))]


def test_copies_from_below_count_in_all_layers_together(tmp_path: Path, store: LayerStore) -> None:
    path = image(tmp_path, copies(12))
    sizes = sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    assert sizes < 20_000
    with pytest.raises(HostileArchive, match=r"layer sha256.*4194304 bytes would be written"):
        pull.pull(path, store, print, rules=SMALL)
    assert store.images() == []


def test_an_image_that_was_refused_is_not_taken_piece_by_piece(
    tmp_path: Path, store: LayerStore
) -> None:
    path = image(tmp_path, copies(12))
    for _ in range(3):
        with pytest.raises(HostileArchive, match="4194304 bytes would be written"):
            pull.pull(path, store, print, rules=SMALL)
        assert sum(layer.size_bytes for layer in store.layers()) == 4 * LARGE


def test_layers_that_are_there_allow_no_more_than_they_did(
    tmp_path: Path, store: LayerStore
) -> None:
    (tmp_path / "one").mkdir()
    pull.pull(image(tmp_path / "one", copies(3)), store, print, tag="one", rules=SMALL)
    path = image(tmp_path, copies(12))
    with pytest.raises(HostileArchive, match="4194304 bytes would be written"):
        pull.pull(path, store, print, rules=SMALL)


def test_what_is_not_compressed_may_be_copied(tmp_path: Path, store: LayerStore) -> None:
    pull.pull(image(tmp_path, copies(8), "none"), store, print, rules=SMALL)
    assert sum(layer.size_bytes for layer in store.layers()) == 9 * LARGE


def test_entries_count_in_all_layers_together(tmp_path: Path, store: LayerStore) -> None:
    layers = [[f(f"{layer}/{name}") for name in range(10)] for layer in range(3)]
    rules = Rules(entries=32)
    with pytest.raises(HostileArchive, match="the image has more than 32 entries"):
        pull.pull(image(tmp_path, layers), store, print, rules=rules)
    assert pull.pull(tmp_path / "image", store, print, rules=Rules(entries=33)).name == "x"


def test_what_comes_out_counts_in_all_layers_together(tmp_path: Path, store: LayerStore) -> None:
    layers = [[f(f"{each}", bytes(1000))] for each in range(4)]
    rules = replace(SMALL, total_bytes=4 * 10240)
    pull.pull(image(tmp_path, layers), store, print, tag="a", rules=rules)
    fresh = LayerStore(tmp_path / "fresh", marks="user", durable=False)
    with pytest.raises(HostileArchive, match="come out of its layers"):
        pull.pull(tmp_path / "image", fresh, print, rules=replace(rules, total_bytes=40_000))


def test_paths_count_as_they_are_once_their_links_are_expanded(
    tmp_path: Path, store: LayerStore
) -> None:
    long = "/".join(["y" * 100] * 20)
    link = Member("s", "symlink", link=long)
    members = [d("a"), link, *(f(f"s/{number}") for number in range(30))]
    path = image(tmp_path, [members])
    with pytest.raises(HostileArchive, match="names of the image have more than 60000 bytes"):
        pull.pull(path, store, print, rules=Rules(path_bytes=60_000))
    pull.pull(path, store, print, rules=Rules(path_bytes=200_000))


def test_an_image_takes_no_longer_than_its_time() -> None:
    now_ns = [5]
    budget = Budget(Rules(seconds=10), lambda: now_ns[0])
    now_ns[0] += 10 * 10**9
    budget.made(1)
    budget.read(1)
    now_ns[0] += 1
    with pytest.raises(HostileArchive, match="takes more than 10 s"):
        budget.read(0)


def test_millions_of_empty_gzip_members_are_not_copied_over_and_over(tmp_path: Path) -> None:
    empty = gzip.compress(b"", mtime=0)
    blob = empty * (200_000 // len(empty))
    fed = 0

    class Counting:
        def __init__(self, wbits: int) -> None:
            self._decoder = decompressobj(wbits=wbits)

        def __getattr__(self, name: str) -> object:
            return getattr(self._decoder, name)

        def decompress(self, data: bytes, most: int) -> bytes:
            nonlocal fed
            fed += len(data)
            return self._decoder.decompress(data, most)

    decompressobj = zlib.decompressobj
    (tmp_path / "blob").write_bytes(blob)
    with (
        (tmp_path / "blob").open("rb") as file,
        mock.patch.object(compression.zlib, "decompressobj", Counting),
        compression.decompressed(
            Opened(file.read, len(blob)), "gzip", Rules(), Budget(Rules()), "x"
        ) as stream,
    ):
        assert stream.read(10) == b""
    assert fed < 400 * len(blob)


def test_a_configuration_that_could_not_be_kept_is_refused_before_anything_is_unpacked(
    tmp_path: Path, store: LayerStore
) -> None:
    path = image(tmp_path, [[f("a")]])
    edit(path, config=lambda config: config["config"].update(Env=["x"] * 800_000))
    assert len(json.dumps(["x"] * 800_000)) < 4 << 20
    with pytest.raises(RuntimeFault, match=r"the record of 'x' would have \d+ bytes"):
        pull.pull(path, store, print)
    assert (store.images(), store.layers(), store.inventory().damaged) == ([], [], ())
