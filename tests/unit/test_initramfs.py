"""The cpio writer against the cpio program, and what is put into the archive."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtimes import process
from runtimes.kvm.boot.initramfs import Entry, build_probe, contents, directory, pack, regular

needs_cpio = pytest.mark.skipif(process.find("cpio") is None, reason="cpio is not installed")
needs_gcc = pytest.mark.skipif(process.find("gcc") is None, reason="gcc is not installed")


def listing(archive: bytes) -> list[str]:
    argv = ["cpio", "--list", "--verbose", "--numeric-uid-gid", "--quiet"]
    return process.run(argv, timeout_s=10, stdin=archive).stdout.decode().splitlines()


@needs_cpio
def test_cpio_unpacks_what_was_packed(tmp_path: Path) -> None:
    entries = [directory("a"), regular("a/b", b"hello", 0o755), regular("a/empty", b"")]
    argv = ["cpio", "--extract", "--quiet", "--no-absolute-filenames"]
    process.run(argv, timeout_s=10, stdin=pack(entries), cwd=tmp_path)
    assert (tmp_path / "a/b").read_bytes() == b"hello"
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o755
    assert (tmp_path / "a/empty").read_bytes() == b""


@needs_cpio
def test_cpio_sees_the_device_node() -> None:
    (line,) = listing(pack([Entry("console", stat.S_IFCHR | 0o600, device=(5, 1))]))
    assert line.startswith("crw-------")
    assert "5,   1" in line


names = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=40)


@needs_cpio
@settings(max_examples=15, deadline=None)
@given(files=st.dictionaries(names, st.binary(max_size=70), max_size=6))
def test_cpio_reads_names_and_data_of_any_length(files: dict[str, bytes]) -> None:
    lines = listing(pack(regular(name, data) for name, data in files.items()))
    assert [(line.split()[-1], int(line.split()[4])) for line in lines] == [
        (name, len(data)) for name, data in files.items()
    ]


def test_the_same_entries_give_the_same_bytes() -> None:
    entries = [directory("d"), regular("d/f", b"x")]
    assert pack(entries) == pack(entries)


@pytest.mark.parametrize("path", ["/etc/passwd", "", "a/../b", ".."])
def test_a_path_that_leaves_the_archive_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="inside an archive"):
        pack([regular(path, b"")])


def test_modules_are_listed_in_the_order_in_which_they_are_loaded() -> None:
    made = contents(b"\x7fELF", [("virtio", b"one"), ("virtio_blk", b"two")])
    listed = next(entry.data for entry in made if entry.path == "modules").decode().split()
    assert listed == ["/lib/00-virtio.ko", "/lib/01-virtio_blk.ko"]
    present = {f"/{entry.path}": entry.data for entry in made}
    assert [present[path] for path in listed] == [b"one", b"two"]


def test_a_directory_comes_before_what_is_in_it() -> None:
    paths = [entry.path for entry in contents(b"", [("virtio", b"")])]
    assert paths.index("lib") < paths.index("lib/00-virtio.ko")
    assert paths.index("dev") < paths.index("dev/console")


@needs_gcc
def test_the_probe_is_made_once(tmp_path: Path) -> None:
    first = build_probe(tmp_path)
    stamp = first.stat().st_mtime_ns
    assert build_probe(tmp_path) == first
    assert first.stat().st_mtime_ns == stamp
    assert first.read_bytes().startswith(b"070701")
