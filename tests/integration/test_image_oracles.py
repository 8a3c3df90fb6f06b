"""Images of ours in others' hands, others' images in ours: skopeo, umoci and overlayfs agree."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.layer_trees import manifest

from runtimes import process
from runtimes.images.layers.store.store import LayerStore
from runtimes.images.layers.tar.member import EPOCH_NS, Member
from runtimes.images.layers.unpack.apply import apply
from runtimes.standalone.image import pack, pull
from runtimes.standalone.image.compression import Compression
from tests.support.members import directory, file

pytestmark = [
    pytest.mark.parallel,
    pytest.mark.root,
    pytest.mark.usefixtures("root_needed"),
]

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
"""cap_net_bind_service, effective: what setcap writes."""

BASE = [
    directory("", 0o755),
    directory("etc", 0o750),
    file("etc/hosts", b"h"),
    file("etc/passwd", b"p" * 5000, 0o600, 1000),
    directory("usr", 0o755),
    directory("usr/lib", 0o711),
    file("usr/lib/a", b"a"),
    Member("usr/lib/b", "hardlink", link="usr/lib/a"),
    Member("lib", "symlink", 0o777, link="usr/lib"),
    directory("dev"),
    Member("dev/null", "character", 0o666, device=(1, 3)),
    Member("pipe", "fifo", 0o640, 5, 6),
    directory("opt", 0o755),
    file("opt/one", b"1"),
    directory("opt/deep"),
    file("opt/deep/two", b"2"),
    directory("tmp", 0o1777),
]
MIDDLE = [
    directory("", 0o755),
    directory("etc", 0o755),
    file("etc/.wh.hosts"),
    file("etc/new", b"n", 0o4755),
    directory("opt", 0o700),
    file("opt/.wh..wh..opq"),
    file("opt/three", b"3"),
    directory("usr", 0o755),
    directory("usr/lib", 0o755),
    Member(
        "usr/lib/net",
        "file",
        0o755,
        size=1,
        xattrs={"security.capability": CAPABILITY, "user.note": b"\0\xff"},
        pieces=(b"n",),
    ),
]
TOP = [
    directory("", 0o755),
    file("lib", b"no link any more"),
    directory("etc", 0o755, 7),
    file("etc/hosts", b"again"),
    file(".wh.pipe"),
    file(".wh.tmp"),
    directory("usr", 0o755),
    file("usr/.wh.lib"),
    Member("usr/new", "symlink", 0o777, 3, 4, EPOCH_NS - 5 * 10**9, link="/nowhere"),
]
LAYERS = [BASE, MIDDLE, TOP]


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "store", durable=False)


def tool(*argv: str) -> bytes:
    """Run an oracle; skip where it is not installed."""
    if process.find(argv[0]) is None:
        pytest.skip(f"needs {argv[0]}, as an oracle")
    return process.run(list(argv), timeout_s=120).stdout


def ours(path: Path, store: LayerStore, name: str = "") -> dict[str, tuple[object, ...]]:
    """What the image at ``path`` shows, by our reading, through the store."""
    return manifest(store.lower_directories(pull.pull(path, store, print, name=name)))


def umocis(layout: Path, name: str, into: Path) -> dict[str, tuple[object, ...]]:
    """The same by umoci's."""
    tool("umoci", "raw", "unpack", "--image", f"{layout}:{name}", str(into))
    return manifest([into])


@pytest.fixture(params=["none", "gzip", "zstd"])
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An image of ours of three layers, called ``x``."""
    compression: Compression = request.param
    pack.pack(LAYERS, tmp_path / "packed", pack.Description("x"), compression)
    return tmp_path / "packed"


def test_skopeo_reads_our_images(packed: Path) -> None:
    told = json.loads(tool("skopeo", "inspect", f"oci:{packed}:x"))
    index = json.loads((packed / "index.json").read_bytes())
    assert told["Digest"] == index["manifests"][0]["digest"]
    assert len(told["Layers"]) == 3
    config = json.loads(tool("skopeo", "inspect", "--config", f"oci:{packed}:x"))
    assert config["config"]["Entrypoint"] == ["/opt/tarebench/agent"]


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_what_skopeo_copies_is_the_same_image(
    packed: Path, tmp_path: Path, store: LayerStore, kind: str
) -> None:
    if kind == "docker-archive" and b"tar+zstd" in b"".join(blobs_of(packed)):
        pytest.skip("skopeo 1.9 does not decompress zstd for docker-archive")
    copy = tmp_path / "copy"
    target = f"{kind}:{copy}:tarebench/x:1"
    tool("skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{packed}:x", target)
    assert ours(copy, store) == ours(packed, store)
    assert len(store.layers()) == 3  # the same ones


def blobs_of(layout: Path) -> list[bytes]:
    return [path.read_bytes() for path in (layout / "blobs/sha256").iterdir()]


def test_skopeo_reads_our_archives(tmp_path: Path) -> None:
    digest = pack.pack_archive(LAYERS, tmp_path / "a.tar", pack.Description("x"))
    told = json.loads(tool("skopeo", "inspect", f"oci-archive:{tmp_path}/a.tar:x"))
    assert told["Digest"] == digest


@pytest.mark.parametrize("compression", ["none", "gzip"])  # umoci 0.4 knows no zstd
def test_umoci_unpacks_our_images_to_the_same_tree(
    tmp_path: Path, store: LayerStore, compression: Compression
) -> None:
    layout = tmp_path / "packed"
    pack.pack(LAYERS, layout, pack.Description("x"), compression)
    assert umocis(layout, "x", tmp_path / "theirs") == ours(layout, store)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """An image made by umoci: inserted, repacked, hidden and made opaque; called ``x``."""
    layout = tmp_path / "umoci"
    image = f"{layout}:x"
    tool("umoci", "init", "--layout", str(layout))
    tool("umoci", "new", "--image", image)
    base = tmp_path / "base"
    base.mkdir()
    apply(BASE, base)
    tool("umoci", "insert", "--image", image, str(base), "/")
    bundle = tmp_path / "bundle"
    tool("umoci", "unpack", "--image", image, str(bundle))
    change(bundle / "rootfs")
    tool("umoci", "repack", "--image", image, str(bundle))
    tool("umoci", "insert", "--image", image, "--whiteout", "/opt/one")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/only").write_text("only")
    os.link(tmp_path / "more/only", tmp_path / "more/twice")
    tool("umoci", "insert", "--image", image, "--opaque", str(tmp_path / "more"), "/usr/lib")
    tool("umoci", "insert", "--image", image, str(tmp_path / "more"), "/var/lib/more")
    return layout


def change(root: Path) -> None:
    """What somebody does in a container: every kind of change that a layer can say."""
    (root / "etc/hosts").unlink()
    (root / "etc/new").write_text("new")
    (root / "etc/new").chmod(0o4711)
    os.link(root / "usr/lib/a", root / "usr/lib/c")
    os.link(root / "etc/new", root / "etc/newer")
    shutil.rmtree(root / "opt/deep")
    (root / "opt/deep").write_text("a file now")
    (root / "lib").unlink()
    (root / "lib").mkdir()
    (root / "lib/inside").symlink_to("/etc/../../..")
    os.mknod(root / "dev/zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    os.setxattr(root / "etc/passwd", "user.note", b"\0x")
    os.chown(root / "tmp", 12, 34)


def test_images_of_umoci_unpack_to_its_tree(
    theirs: Path, tmp_path: Path, store: LayerStore
) -> None:
    expected = umocis(theirs, "x", tmp_path / "raw")
    found = ours(theirs, store)
    for name in ("", "var", "var/lib"):  # only implied there: umoci takes the present time
        expected[name] = (*expected[name][:4], found[name][4], *expected[name][5:])
    assert found == expected
    assert len(store.layers()) == 5
    assert expected["usr/lib/only"][0] == "file"
    assert "opt/one" not in expected


@pytest.fixture
def mounted(tmp_path: Path, store: LayerStore, theirs: Path) -> Iterator[tuple[Path, list[Path]]]:
    """The layers of umoci's image as the kernel shows them."""
    layers = store.lower_directories(pull.pull(theirs, store, print))
    view = tmp_path / "view"
    view.mkdir()
    lower = ":".join(map(str, layers))
    process.run(
        ["mount", "-t", "overlay", "overlay", "-o", f"ro,lowerdir={lower}", str(view)],
        timeout_s=30,
    )
    try:
        yield view, list(layers)
    finally:
        process.run(["umount", str(view)], timeout_s=30)


def test_overlayfs_shows_what_we_say_it_shows(mounted: tuple[Path, list[Path]]) -> None:
    view, layers = mounted
    assert manifest([view]) == manifest(layers)


def test_one_directory_has_all_that_the_layers_show(tmp_path: Path, store: LayerStore) -> None:
    pack.pack(LAYERS, tmp_path / "image", pack.Description("x"), "none")
    image = pull.pull(tmp_path / "image", store, print)
    pull.unpack(store, image, tmp_path / "flat")
    assert manifest([tmp_path / "flat"]) == manifest(store.lower_directories(image))


def test_as_many_layers_as_an_overlay_has_can_be_made(tmp_path: Path, store: LayerStore) -> None:
    layers = [[directory("d"), file(f"d/{number}", b"x")] for number in range(120)]
    pack.pack(layers, tmp_path / "deep", pack.Description("x"), "none")
    image = pull.pull(tmp_path / "deep", store, print)
    assert len([name for name in manifest(store.lower_directories(image)) if "/" in name]) == 120
    with tempfile.TemporaryDirectory(prefix="tb-", dir="/run") as short:
        (view := tmp_path / "view").mkdir()
        # mount(2) takes one page of options: 38 of the store's own paths, 200 of these.
        links = [Path(short, str(at)) for at in range(len(image.layers))]
        for link, layer in zip(links, store.lower_directories(image), strict=True):
            link.symlink_to(layer)
        lower = ":".join(map(str, links))
        argv = ["mount", "-t", "overlay", "overlay", "-o", f"ro,lowerdir={lower}", str(view)]
        process.run(argv, timeout_s=30)
        try:
            assert len(list((view / "d").iterdir())) == 120
        finally:
            process.run(["umount", str(view)], timeout_s=30)
