"""Every byte of an image is checked, and no more comes out of it than is permitted."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.layer_trees import archive, f
from support.layouts import (
    BASE,
    blob_files,
    bring,
    edit,
    with_layer,
)

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.images.canonical import HostileArchive
from runtimes.images.layers.limits.rules import Rules
from runtimes.images.layers.store.store import LayerStore
from runtimes.standalone.image.documents import BadImage, digest_of


@pytest.mark.parametrize("how", ["shorter", "longer", "other", "gone", "link", "fifo"])
@pytest.mark.parametrize("which", range(4))
def test_a_blob_that_is_not_what_its_name_says_is_refused(
    layout: Path, store: LayerStore, tmp_path: Path, how: str, which: int
) -> None:
    victim = blob_files(layout)[which]
    raw = victim.read_bytes()
    victim.unlink()
    if how == "link":
        (tmp_path / "real").write_bytes(raw)
        victim.symlink_to(tmp_path / "real")
    elif how == "fifo":
        os.mkfifo(victim)
    elif how != "gone":
        changed = {"shorter": raw[:-1], "longer": raw + b"\0", "other": b"X" + raw[1:]}
        victim.write_bytes(changed[how])
    with pytest.raises(BadImage, match=r"not what its name|is missing|link|regular file"):
        bring(layout, store)


def test_a_layer_that_unpacks_to_another_than_the_configuration_says_is_refused(
    layout: Path, store: LayerStore
) -> None:
    def swap(config: dict[str, Any]) -> None:
        config["rootfs"]["diff_ids"][0] = digest_of(b"another")

    edit(layout, config=swap)
    with pytest.raises(BadImage, match="uncompressed it is sha256:"):
        bring(layout, store)
    assert store.layers() == []


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 3), st.integers(0, 1 << 20), st.none() | st.binary(min_size=1, max_size=50))
def test_a_damaged_image_never_passes_for_the_whole_one(
    layout: Path, store: LayerStore, which: int, where: int, noise: bytes | None
) -> None:
    victim = blob_files(layout)[which]
    raw = victim.read_bytes()
    place = where % len(raw)
    changed = raw[:place]  # cut off, or overwritten
    if noise is not None:
        changed += noise + raw[place + len(noise) :]
    victim.write_bytes(changed)
    try:
        if changed == raw:
            bring(layout, store)
        else:
            with pytest.raises(RuntimeFault):
                bring(layout, store)
    finally:
        victim.write_bytes(raw)
        shutil.rmtree(store.layers_home)
        store.layers_home.mkdir()


def test_a_gzip_file_of_several_members_is_one_layer(layout: Path, store: LayerStore) -> None:
    raw = archive(BASE)
    blob = gzip.compress(raw[:700]) + gzip.compress(b"") + gzip.compress(raw[700:])
    with_layer(layout, blob, digest_of(raw))
    assert bring(layout, store) == {"etc/hosts", "etc/passwd"}


@pytest.mark.parametrize("suffix", ["+gzip", "+zstd"])
def test_compression_that_is_broken_or_cut_off_is_refused(
    layout: Path, store: LayerStore, tmp_path: Path, suffix: str
) -> None:
    if suffix == "+zstd" and process.find("zstd") is None:
        pytest.skip("needs the program zstd")
    raw = archive([f("a", os.urandom(100_000))])
    (tmp_path / "raw").write_bytes(raw)
    blob = gzip.compress(raw)
    if suffix == "+zstd":
        blob = process.run(["zstd", "-qc", str(tmp_path / "raw")], timeout_s=60).stdout
    for broken in (blob[:-100], blob[: len(blob) // 2], b"nonsense", b""):
        with_layer(layout, broken, digest_of(raw), suffix)
        with pytest.raises(
            (BadImage, HostileArchive), match=r"cut off|broken|ends in|uncompressed"
        ):
            bring(layout, store)
    with_layer(layout, blob, digest_of(raw), suffix)
    assert bring(layout, store) == {"a"}


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("suffix", ["+gzip", "+zstd"])
def test_a_decompression_bomb_is_stopped(
    layout: Path, store: LayerStore, tmp_path: Path, suffix: str, *, told: bool
) -> None:
    if suffix == "+zstd" and process.find("zstd") is None:
        pytest.skip("needs the program zstd")
    size = 64 << 20
    head = tarfile.TarInfo("zeros")
    head.size = size if told else 0
    (tmp_path / "bomb").write_bytes(head.tobuf() + bytes(1024) + bytes(size))
    if suffix == "+gzip":
        blob = zlib.compress((tmp_path / "bomb").read_bytes(), 9, wbits=31)
    else:
        blob = process.run(["zstd", "-qc", str(tmp_path / "bomb")], timeout_s=60).stdout
    with_layer(layout, blob, digest_of(b""), suffix)
    rules = Rules(ratio=100, ratio_from_bytes=1 << 20)
    words = "would be written" if told else "come out"
    with pytest.raises(RuntimeFault, match=rf"more than \d+ bytes {words}"):
        bring(layout, store, rules=rules)
    assert not any(store.layers_home.glob(".build-*"))
