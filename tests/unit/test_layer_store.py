"""What the harness knows of the layer store, and what `invoke clean` does in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.layer_trees import f

from harness.clean import layer_store
from harness.clean.clean import clean_cache
from harness.directories import Places
from harness.doctor.doctor import _layers
from harness.host import lock
from runtimes.images.layers.store.store import LayerStore
from runtimes.standalone.image import pack, pull


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with a store: an image of two layers, one of which nothing keeps."""
    cache = tmp_path / "cache"
    store = LayerStore(layer_store.home(cache), marks="user", durable=False)
    for name, layers in (("one", [[f("a", b"x" * 5000)]]), ("two", [[f("b")]])):
        pack.pack(layers, tmp_path / name, pack.Description(name), "none")
        image = pull.pull(tmp_path / name, store, print)
        os.utime(store.lower_directories(image)[0].parent, (1000, 1000))
    store.untag("two")
    return cache


def held(cache: Path, holder: str) -> None:
    store = LayerStore(layer_store.home(cache), marks="user")
    store.hold(holder, store.image("one"))


def told(cache: Path) -> tuple[str, str]:
    rows = _layers(Places(cache, cache, cache))
    return (rows[0].state, rows[0].why) if rows else ("", "")


def test_what_dead_runs_held_is_let_go_and_what_living_ones_hold_is_not(cache: Path) -> None:
    for holder in ("dead01", "tb-dead02-7", "11fe01", "somebody-else"):
        held(cache, holder)
    with lock.alive("11fe01"):
        assert layer_store.in_use(cache) == ("11fe01",)
        assert layer_store.clean(cache) == [
            "hold of dead01 on layers",
            "hold of tb-dead02-7 on layers",
            "1 unused layers (0 MiB)",
        ]
        assert told(cache)[1].endswith("1 images, 1 layers, 0 MiB, in use by run 11fe01")
    left = [use.holder for use in LayerStore(layer_store.home(cache)).uses()]
    assert left == ["11fe01", "somebody-else"]


def test_a_cache_is_emptied_but_for_layers_that_are_mounted(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "MEASURING", "measuring-test-3")
    (cache / "other").mkdir()
    held(cache, "11fe02")
    with lock.alive("11fe02"):
        assert clean_cache(cache)[0].endswith("in use by run 11fe02: left alone")
        assert [path.name for path in cache.iterdir()] == ["layers"]
    assert clean_cache(cache) == [f"cache {cache}/layers"]


def test_a_damaged_record_is_told_and_nothing_is_removed(cache: Path) -> None:
    (layer_store.home(cache) / "uses/x.json").write_text("{")
    assert "x.json" in layer_store.clean(cache)[0]
    assert told(cache)[0] == "caution"
    assert len(LayerStore(layer_store.home(cache)).layers()) == 2


def test_without_a_store_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert (layer_store.clean(tmp_path), told(tmp_path)) == ([], ("", ""))
    assert list(tmp_path.iterdir()) == []
