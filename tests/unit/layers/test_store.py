"""The store unpacks a layer once, never shows half of one, removes only what nobody keeps."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.layer_trees import d, f

from runtimes.faults import RuntimeFault
from runtimes.images.canonical import HostileArchive
from runtimes.images.layers.store.garbage import collect, shrink
from runtimes.images.layers.store.layer_directory import Source
from runtimes.images.layers.store.records import StoredImage, StoredLayer, chain_id
from runtimes.images.layers.store.store import LayerStore
from runtimes.images.layers.tar import write
from runtimes.images.layers.tar.member import Member


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "layers", marks="user", durable=False)


def source(members: Sequence[Member], opened: list[int] | None = None) -> Source:
    """A layer; each opening is noted."""

    @contextlib.contextmanager
    def open_it() -> Iterator[Iterable[Member]]:
        if opened is not None:
            opened.append(threading.get_ident())
        yield members

    return open_it


def add(store: LayerStore, *layers: Sequence[Member], name: str = "image") -> StoredImage:
    """An image of ``layers``, tagged."""
    chain, chains = "", []
    for members in layers:
        chain = store.add(chain, write.digest(members), source(members), print).chain
        chains.append(chain)
    image = StoredImage(name, "sha256:" + "0" * 64, "amd64", tuple(chains))
    store.tag(image)
    return image


def test_directories_for_an_overlay_come_topmost_first(store: LayerStore) -> None:
    image = add(store, [d("a"), f("a/1")], [f("a/2")])
    upper, lower = store.lower_directories(image)
    assert (upper / "a/2").is_file()
    assert (lower / "a/1").is_file()
    assert store.image("image") == image


def test_a_layer_is_unpacked_once(store: LayerStore) -> None:
    opened: list[int] = []
    members = [f("a", b"x")]
    digest = write.digest(members)
    first = store.add("", digest, source(members, opened), print)
    again = store.add("", digest, source(members, opened), print)
    assert (first, len(opened)) == (again, 1)


def test_of_many_at_once_one_unpacks_a_layer(store: LayerStore) -> None:
    opened: list[int] = []
    members = [f(str(number), b"x") for number in range(50)]
    digest = write.digest(members)
    gate = threading.Barrier(6)
    made: list[StoredLayer] = []

    def worker() -> None:
        gate.wait(10)
        with store.locked():
            made.append(store.add("", digest, source(members, opened), lambda _: None))

    threads = [threading.Thread(target=worker) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(opened) == 1
    assert made == [made[0]] * 6


def test_the_same_layer_above_others_is_another_one(store: LayerStore) -> None:
    top = [f("etc/x")]
    one = add(store, [d("etc", 0o700)], top, name="one")
    two = add(store, [d("etc", 0o711)], top, name="two")
    modes = {(store.lower_directories(image)[0] / "etc").stat().st_mode for image in (one, two)}
    assert len(modes) == 2
    assert len(store.layers()) == 4


def test_images_that_begin_alike_share_layers(store: LayerStore) -> None:
    base = [d("etc")]
    add(store, base, [f("a")], name="one")
    add(store, base, [f("b")], name="two")
    assert len(store.layers()) == 3


def test_a_layer_that_is_refused_half_way_leaves_nothing(store: LayerStore) -> None:
    members = [f("a"), f(".wh.")]
    with pytest.raises(HostileArchive):
        store.add("", write.digest(members), source(members), print)
    assert store.layers() == []
    assert [path.suffix for path in store.layers_home.iterdir()] == [".lock"]


def test_what_a_killed_process_left_is_swept_by_the_next(store: LayerStore) -> None:
    members = [f("a")]
    digest = write.digest(members)
    left = store.layers_home / f".build-{digest[7:]}-x"
    (left / "entry/root").mkdir(parents=True)
    half = store.layers_home / digest[7:]  # without its record it does not count
    (half / "root").mkdir(parents=True)
    store.add("", digest, source(members), print)
    assert not left.exists()
    assert (half / "root/a").is_file()


def test_only_root_can_look_into_the_store(store: LayerStore) -> None:
    assert store.home.stat().st_mode & 0o777 == 0o700


def test_what_an_image_or_an_instance_keeps_is_not_collected(store: LayerStore) -> None:
    image = add(store, [f("a")], [f("b")])
    held = add(store, [f("a")], [f("c")], name="other")
    store.hold("tb-abc123-1", held)
    store.untag("other")
    assert collect(store, grace_s=0, now_s=lambda: 1e12).removed == ()
    store.release("tb-abc123-1")
    done = collect(store, grace_s=0, now_s=lambda: 1e12)
    assert done.removed == (held.layers[1],)
    assert done.kept == 2
    store.untag("image")
    assert set(collect(store, grace_s=0, now_s=lambda: 1e12).removed) == set(image.layers)
    assert list(store.layers_home.iterdir()) == []


def test_what_a_killed_run_held_can_be_forgotten(store: LayerStore) -> None:
    image = add(store, [f("a")])
    for holder in ("abc123", "tb-abc123-7", "tb-abc124-1", "by-hand"):
        store.hold(holder, image)
    assert sorted(store.forget("abc123")) == ["abc123", "tb-abc123-7"]
    assert sorted(use.holder for use in store.uses()) == ["by-hand", "tb-abc124-1"]


def test_a_layer_that_was_wanted_lately_stays(store: LayerStore) -> None:
    image = add(store, [f("a")])
    store.untag("image")
    entry = store.lower_directories(image)[0].parent
    os.utime(entry, (1000, 1000))
    assert collect(store, grace_s=60, now_s=lambda: 1059.0).removed == ()
    assert collect(store, grace_s=60, now_s=lambda: 1061.0).removed == image.layers


def test_a_limit_lets_go_of_what_was_unused_longest_and_of_nothing_in_use(
    store: LayerStore,
) -> None:
    images = [
        add(store, [f("a", b"x" * 1000)], [f(name, b"y" * 100)], name=name)
        for name in ("old", "new", "held")
    ]
    for age, image in enumerate(images):
        os.utime(store.lower_directories(image)[0].parent, (1000 + age, 1000 + age))
    store.hold("tb-abc123-1", images[2])
    gone, done = shrink(store, 1300)
    assert (gone, done.kept) == ((), 4)
    gone, done = shrink(store, 1250)
    assert (gone, done.removed) == (("old",), (images[0].layers[1],))
    gone, done = shrink(store, 0)
    assert (gone, done.kept) == (("new",), 2)
    assert [image.name for image in store.images()] == ["held"]


def test_nothing_is_collected_while_layers_are_added(store: LayerStore) -> None:
    with store.locked(), pytest.raises(RuntimeFault, match="in use"):
        collect(store)


def test_a_collection_sweeps_what_was_half_made_or_half_removed(store: LayerStore) -> None:
    add(store, [f("a")])
    for name in (".build-x-1", ".dead-y"):
        (store.layers_home / name).mkdir()
    collect(store)
    assert {path.suffix or path.name[:1] for path in store.layers_home.iterdir()} == {
        ".lock",
        store.layers()[0].chain[7:8],
    }


BROKEN = [
    '{"name": 1}',
    "{",
    "",
    "[" * 100_000,
    '{"name": "other", "digest": "x", "architecture": "amd64", "layers": ["sha256:'
    + "0" * 64
    + '"]}',
    '{"name": "broken", "digest": "x", "architecture": "amd64", "layers": []}',
    '{"name": "broken", "digest": "x", "architecture": "amd64", "layers": ["../../etc"]}',
    " " * (5 << 20),
    '{"name": "\xff"}',
]


@pytest.mark.parametrize("content", BROKEN)
def test_a_damaged_image_costs_itself_only(store: LayerStore, content: str) -> None:
    kept = add(store, [f("a")])
    add(store, [f("b")], name="broken")
    (store.home / "images" / "broken.json").write_bytes(content.encode("latin-1"))
    assert [image.name for image in store.images()] == ["image"]
    assert [(each.kind, each.name) for each in store.inventory().damaged] == [("image", "broken")]
    with pytest.raises(RuntimeFault, match=r"broken\.json"):
        store.image("broken")
    done = collect(store, grace_s=0, now_s=lambda: 1e12)
    assert (len(done.removed), done.kept) == (1, 1)
    assert "broken" in str(done.damaged[0])
    assert store.layer(kept.layers[0]) is not None
    assert shrink(store, 1 << 30)[0] == ()
    assert store.untag("broken")
    assert store.inventory().damaged == ()


def test_while_a_holder_is_damaged_no_layer_goes_and_no_image(store: LayerStore) -> None:
    held = add(store, [f("a")], name="held")
    store.hold("abc123", held)
    store.untag("held")
    add(store, [f("b")], name="other")
    record = store.home / "uses" / "abc123.json"
    record.write_text("{")
    assert collect(store, grace_s=0, now_s=lambda: 1e12).removed == ()
    gone, done = shrink(store, 0)
    assert (gone, done.removed, [each.name for each in done.damaged]) == ((), (), ["abc123"])
    assert store.forget("abc123") == ["abc123"]
    assert collect(store, grace_s=0, now_s=lambda: 1e12).removed == held.layers


@pytest.mark.parametrize("content", ["{", '{"chain": "x"}'])
def test_a_damaged_layer_costs_the_images_that_have_it(store: LayerStore, content: str) -> None:
    image = add(store, [f("a")])
    other = add(store, [f("b")], name="other")
    (store.lower_directories(image)[0].parent / "layer.json").write_text(content)
    assert [layer.chain for layer in store.layers()] == list(other.layers)
    with pytest.raises(RuntimeFault, match=r"layer\.json"):
        store.hold("somebody", image)
    assert collect(store, grace_s=0, now_s=lambda: 1e12).removed == ()
    store.untag("image")
    assert collect(store, grace_s=0, now_s=lambda: 1e12).removed == image.layers
    add(store, [f("a")])
    store.hold("somebody", other)


def test_a_record_that_could_not_be_read_again_is_not_written(store: LayerStore) -> None:
    image = add(store, [f("a")])
    long = replace(image, command=("x",) * 1_000_000)
    with pytest.raises(RuntimeFault, match=r"the record of 'image' would have \d+ bytes") as caught:
        store.tag(long)
    assert "command line" in caught.value.hint
    assert store.image("image") == image
    assert sorted(path.name for path in (store.home / "images").iterdir()) == ["image.json"]


def test_a_layer_that_names_itself_as_its_parent_is_not_followed_for_ever(
    store: LayerStore,
) -> None:
    image = add(store, [f("a")])
    path = store.lower_directories(image)[0].parent / "layer.json"
    path.write_text(path.read_text().replace('"parent": ""', f'"parent": "{image.layers[0]}"'))
    with pytest.raises(RuntimeFault, match="do not belong together"):
        store.add(image.layers[0], "sha256:" + "1" * 64, source([]), print)


def test_an_image_without_its_layers_cannot_be_kept(store: LayerStore) -> None:
    image = StoredImage("x", "sha256:" + "0" * 64, "amd64", (chain_id("", "sha256:" + "1" * 64),))
    with pytest.raises(RuntimeFault, match="is missing"):
        store.tag(image)
    with pytest.raises(RuntimeFault, match="is missing"):
        store.hold("somebody", image)


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a\0b", "x" * 201, "a b"])
def test_names_that_are_none_are_refused(store: LayerStore, name: str) -> None:
    image = add(store, [f("a")])
    with pytest.raises(RuntimeFault, match="is not a name"):
        store.hold(name, image)


@pytest.mark.parametrize(
    "chain", ["", "sha256:../../etc", "sha512:" + "0" * 64, "sha256:" + "G" * 64]
)
def test_only_digests_name_layers(store: LayerStore, chain: str) -> None:
    with pytest.raises(RuntimeFault, match="not the name of a layer"):
        store.layer(chain)


def test_the_unknown_image_is_answered_with_the_known_ones(store: LayerStore) -> None:
    add(store, [f("a")], name="docker.io/library/x:1")
    with pytest.raises(RuntimeFault, match="no image 'y'") as caught:
        store.image("y")
    assert caught.value.hint == "there are: docker.io/library/x:1"
    assert store.untag("docker.io/library/x:1")
    assert not store.untag("docker.io/library/x:1")
