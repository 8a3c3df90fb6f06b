"""What `docker save` writes is read as well."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from support.layer_trees import archive, f
from support.layouts import (
    BASE,
    TOP,
    bring,
)

from runtimes.images.canonical import HostileArchive
from runtimes.images.layers.store.store import LayerStore
from runtimes.standalone.image.documents import BadImage, digest_of
from runtimes.standalone.image.image import host_architecture


def saved(path: Path, *, links: bool = False, **changes: object) -> Path:
    """What `docker save` writes for the image of two layers."""
    layers = [archive(BASE), archive(TOP)]
    config = {
        "architecture": host_architecture(),
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [digest_of(raw) for raw in layers]},
        "config": {"Cmd": ["sh"]},
    }
    entry = {"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["0/layer.tar", "1/layer.tar"]}
    files = {"c.json": json.dumps(config).encode()}
    files |= {f"{number}/layer.tar": raw for number, raw in enumerate(layers)}
    with tarfile.open(path, "w") as out:
        members = [f("manifest.json", json.dumps([entry | changes]).encode())]
        members += [f(name, raw) for name, raw in files.items()]
        for member in members:
            info = tarfile.TarInfo(member.name)
            content = b"".join(member.pieces)
            if links and member.name == "1/layer.tar":
                info.type, info.linkname = tarfile.SYMTYPE, "../real/layer.tar"
                out.addfile(info)
                info = tarfile.TarInfo("real/layer.tar")
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("links", [False, True])
def test_what_docker_saved_is_read(tmp_path: Path, store: LayerStore, *, links: bool) -> None:
    path = saved(tmp_path / "saved.tar", links=links)
    assert "etc/again" in bring(path, store)
    assert store.image("x:1").command == ("sh",)


def test_a_saved_image_that_misses_or_mixes_layers_is_refused(
    tmp_path: Path, store: LayerStore
) -> None:
    path = saved(tmp_path / "a.tar", Layers=["0/layer.tar", "2/layer.tar"])
    with pytest.raises(BadImage, match=r"2/layer\.tar is missing"):
        bring(path, store)
    path = saved(tmp_path / "b.tar", Layers=["1/layer.tar", "0/layer.tar"])
    with pytest.raises((BadImage, HostileArchive), match=r"hard link|uncompressed"):
        bring(path, store)
    path = saved(tmp_path / "c.tar", Config="/etc/passwd")
    with pytest.raises(BadImage, match="must be relative"):
        bring(path, store)
