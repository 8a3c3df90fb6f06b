"""A hundred thousand entries of an image take, each, the work of one of a thousand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from support.layer_trees import d, f, hard, link

from runtimes.images.layers.stack import tree
from runtimes.images.layers.store.store import LayerStore
from runtimes.images.layers.tar.member import Member
from runtimes.standalone.image import pack, pull

pytestmark = pytest.mark.parallel

MANY = 100_000
IN_EACH = 100


def members(count: int) -> Iterator[Member]:
    """So many names: directories, files, links and hard links, at several depths."""
    for number in range(count // IN_EACH):
        where = f"{number % 7}/{number % 31}/{number}"
        yield d(where)
        for each in range(IN_EACH - 3):
            yield f(f"{where}/f{each}")
        yield link(f"{where}/link", "f0")
        yield hard(f"{where}/hard", f"{where}/f1")


def work(home: Path, count: int) -> float:
    """Calls into layers for each entry, of a layer and of one above that replaces every tenth."""
    below = list(members(count))
    above = [f(member.name) for member in below[1::10] if member.kind == "file"]
    pack.pack([below, above], home / "image", pack.Description("many"), "gzip")
    store = LayerStore(home / "store", marks="user", durable=False)
    with mock.patch.object(tree, "openat2", wraps=tree.openat2) as calls:
        image = pull.pull(home / "image", store, lambda _: None)
    entries = sum(layer.entries for layer in store.layers())
    assert entries > count
    assert len(image.layers) == 2
    return float(calls.call_count) / entries


@pytest.mark.slow
def test_each_of_a_hundred_thousand_entries_takes_the_work_of_one_of_a_thousand(
    tmp_path: Path,
) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "many").mkdir()
    few, many = work(tmp_path / "few", MANY // 100), work(tmp_path / "many", MANY)
    assert many < 1.2 * few
