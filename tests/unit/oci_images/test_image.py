"""Images are chosen by name and machine; documents that make no sense are refused."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.layouts import (
    BASE,
    FOREIGN,
    TOP,
    Edit,
    blob_files,
    bring,
    edit,
    replace_blob,
)

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.images.layers.store.garbage import collect
from runtimes.images.layers.store.store import LayerStore
from runtimes.standalone.image import documents, pack, pull, source
from runtimes.standalone.image.compression import Compression
from runtimes.standalone.image.documents import BadImage
from runtimes.standalone.image.image import host_architecture


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("kind", ["directory", "archive"])
def test_what_is_packed_is_pulled(
    tmp_path: Path, store: LayerStore, compression: Compression, kind: str
) -> None:
    if compression == "zstd" and process.find("zstd") is None:
        pytest.skip("needs the program zstd")
    write = pack.pack if kind == "directory" else pack.pack_archive
    write([BASE, TOP], tmp_path / "image", pack.Description("x:1"), compression)
    assert bring(tmp_path / "image", store) == {"etc/hosts", "etc/passwd", "etc/again"}
    stored = store.image("x:1")
    assert (*stored.entrypoint, *stored.command) == ("/opt/tarebench/agent",)
    assert stored.environment[0].startswith("PATH=")


def test_the_same_image_packed_twice_has_the_same_digest_and_bytes(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        digest = pack.pack_archive([BASE, TOP], tmp_path / name, pack.Description("x"))
        made.append((digest, (tmp_path / name).read_bytes()))
    assert made[0] == made[1]


def test_several_images_in_a_layout_are_told_apart_by_name(layout: Path, store: LayerStore) -> None:
    pack.pack([TOP[:1]], layout, pack.Description("two"), "none")
    assert "etc/passwd" in bring(layout, store, name="one")
    with pytest.raises(BadImage, match="2 images fit") as caught:
        bring(layout, store)
    assert caught.value.hint == "name one of: one, two"
    with pytest.raises(BadImage, match="no image 'three'") as caught:
        bring(layout, store, name="three")
    assert caught.value.hint == "there are: one, two"


def test_a_layout_for_two_machines_gives_the_one_for_this(tmp_path: Path) -> None:
    pack.pack([BASE], tmp_path / "l", pack.Description("x"), "none")
    pack.pack([BASE], tmp_path / "l", pack.Description("y", architecture=FOREIGN), "none")
    with source.opened(tmp_path / "l") as where:
        assert pull.load(where).architecture == host_architecture()
        assert pull.load(where, architecture=FOREIGN).architecture == FOREIGN


@pytest.mark.parametrize("told", [True, False])
def test_an_image_for_another_machine_is_refused_clearly(
    tmp_path: Path, store: LayerStore, *, told: bool
) -> None:
    pack.pack([BASE], tmp_path / "l", pack.Description("x", architecture=FOREIGN), "none")
    if not told:  # by the index; the configuration always tells
        edit(tmp_path / "l", index=lambda index: index["manifests"][0].pop("platform"))
    with pytest.raises(BadImage, match=f"linux/{FOREIGN}.*") as caught:
        bring(tmp_path / "l", store)
    assert f"get one for linux/{host_architecture()}" in caught.value.hint
    assert store.layers() == []


def test_indexes_of_indexes_are_followed_and_bounded(layout: Path, store: LayerStore) -> None:
    def nest(index: dict[str, Any]) -> None:
        for _ in range(3):
            inner = json.dumps(index).encode()
            entry: dict[str, Any] = {"mediaType": documents.INDEX}
            replace_blob(layout, inner, entry)
            index["manifests"] = [entry]

    edit(layout, index=nest)
    assert "etc/passwd" in bring(layout, store)

    def many(index: dict[str, Any]) -> None:
        entries = []
        for number in range(40):
            raw = json.dumps({"schemaVersion": 2, "manifests": [], "n": number}).encode()
            entries.append({"mediaType": documents.INDEX})
            replace_blob(layout, raw, entries[-1])
        index["manifests"] = entries

    (layout / "index.json").write_text('{"schemaVersion": 2, "manifests": []}')
    top: dict[str, Any] = {"schemaVersion": 2}
    many(top)
    (layout / "index.json").write_text(json.dumps(top))
    with pytest.raises(BadImage, match="too many indexes"):
        bring(layout, store)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"manifest": lambda m: m["layers"].pop()}, "1 layers, but 2 digests"),
        ({"manifest": lambda m: m["layers"][0].update(mediaType="x/y")}, "'x/y' is not understood"),
        ({"manifest": lambda m: m["layers"][0].update(size=-1)}, "size -1"),
        ({"manifest": lambda m: m["layers"][0].update(size=1 << 50)}, "is too large"),
        ({"manifest": lambda m: m["layers"][0].update(digest="sha256:../../../x")}, "not a sha256"),
        ({"manifest": lambda m: m["layers"][0].update(digest="md5:00")}, "not a sha256"),
        ({"manifest": lambda m: m["config"].update(mediaType="a/b")}, "an artifact of type 'a/b'"),
        ({"manifest": lambda m: m["config"].update(size=1 << 40)}, "bytes is refused"),
        ({"config": lambda c: c.update(os="windows")}, "for windows/"),
        ({"config": lambda c: c["rootfs"].update(type="x")}, "root file system of type 'x'"),
        ({"config": lambda c: c.update(config={"Env": "x"})}, "Env"),
        ({"config": lambda c: c["rootfs"].update(diff_ids=[])}, "2 layers, but 0"),
        ({"index": lambda i: i.update(manifests=[])}, "nothing that is an image"),
        ({"index": lambda i: i.pop("manifests")}, "manifests"),
    ],
)
def test_documents_that_make_no_sense_are_refused(
    layout: Path, store: LayerStore, changes: dict[str, Edit], words: str
) -> None:
    edit(layout, **changes)
    with pytest.raises(BadImage, match=words):
        bring(layout, store)


def test_names_from_an_image_cannot_steer_a_terminal(layout: Path, store: LayerStore) -> None:
    def rename(index: dict[str, Any]) -> None:
        index["manifests"][0]["annotations"][documents.REFERENCE] = "\x1b]0;mine\a"

    edit(layout, index=rename)
    with pytest.raises(BadImage, match="no image 'x'") as caught:
        bring(layout, store, name="x")
    assert caught.value.hint.isprintable()


def test_an_image_is_held_from_disk_without_being_kept(layout: Path, store: LayerStore) -> None:
    for what in (str(layout), f"{layout}:one"):
        with pull.held(what, store, "abc123", print) as image:
            assert [use.holder for use in store.uses()] == ["abc123"]
            assert collect(store, grace_s=-1).kept == len(image.layers) == 2
        assert (store.uses(), store.images()) == ([], [])
    assert len(collect(store, grace_s=-1).removed) == 2


def test_an_image_is_held_by_its_name_in_the_store(layout: Path, store: LayerStore) -> None:
    pulled = pull.pull(layout, store, print, tag="docker.io/x:1")
    with pull.held("docker.io/x:1", store, "abc123", print) as image:
        assert image == pulled
    assert store.uses() == []


@pytest.mark.parametrize("what", ["nothing", "./nothing", "/nothing:x"])
def test_an_image_that_is_nowhere_is_told(store: LayerStore, what: str) -> None:
    with pytest.raises(RuntimeFault, match="no image"), pull.held(what, store, "a", print):
        pass


def test_a_path_may_have_colons_and_so_may_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a:b"
    path.mkdir()
    assert pull.split(str(path)) == (path, "")
    assert pull.split(f"{path}:c:d") == (path, "c:d")


def test_what_the_specification_leaves_open_is_ignored(layout: Path, store: LayerStore) -> None:
    def null(config: dict[str, Any]) -> None:
        config["config"] = {"Env": None, "Entrypoint": None, "Cmd": ["a"], "Volumes": {}}
        config["history"] = [{"empty_layer": True}]

    edit(layout, config=null)
    image = pull.pull(layout, store, print)
    assert ((*image.entrypoint, *image.command), image.environment) == (("a",), ())


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b"[" * 200_000, b"\xff", b" " * 5_000_000]
)
@pytest.mark.parametrize("name", ["index.json", "oci-layout"])
def test_nonsense_for_a_document_is_refused(
    layout: Path, store: LayerStore, name: str, raw: bytes
) -> None:
    (layout / name).write_bytes(raw)
    with pytest.raises(BadImage, match=name):
        bring(layout, store)


def test_more_layers_than_an_overlay_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault, match="1 to 500 layers, not 501"):
        pack.pack([[]] * 501, tmp_path / "l", pack.Description("x"))


def test_layers_that_are_there_are_not_read_again(layout: Path, store: LayerStore) -> None:
    bring(layout, store)
    told: list[str] = []
    for blob in blob_files(layout):
        if b"etc/passwd" in blob.read_bytes():
            blob.unlink()
    pull.pull(layout, store, told.append, tag="again")
    assert store.image("again").layers == store.image("one").layers


@pytest.mark.parametrize("content", [b"", b"x" * 2000, gzip.compress(b"x", mtime=0)])
def test_what_is_no_image_is_refused(tmp_path: Path, store: LayerStore, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BadImage):
        bring(tmp_path / "x", store)
    with pytest.raises(BadImage, match="cannot open"):
        bring(tmp_path / "nothing", store)


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_what_is_no_file_is_no_image_and_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = Path("/dev/zero")
    if kind == "fifo":
        path = tmp_path / "fifo"
        os.mkfifo(path)
    with pytest.raises(BadImage, match="not a file"), source.opened(path):
        pass
