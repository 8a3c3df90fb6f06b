"""The plain kernel inside a bzImage; the image is a file and may be anything."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from pathlib import Path

import pytest

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.kvm.boot.vmlinux import PVH_NOTE, payload, plain_kernel, unpack

KERNEL = b"\x7fELF" + bytes(1000) + PVH_NOTE + bytes(1000)
SIZE = struct.pack("<I", len(KERNEL))


def bzimage(packed: bytes, *, version: int = 0x020F, setup_sects: int = 3) -> bytes:
    """A bzImage with ``packed`` 100 bytes after its setup code."""
    image = bytearray((setup_sects + 1) * 512 + 100) + packed + bytes(50)
    image[0x1F1] = setup_sects
    image[0x202:0x208] = b"HdrS" + struct.pack("<H", version)
    image[0x248:0x250] = struct.pack("<II", 100, len(packed))
    return bytes(image)


def by_program(*argv: str) -> bytes:
    if process.find(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    return process.run(argv, timeout_s=20, stdin=KERNEL).stdout + SIZE


@pytest.mark.parametrize("kind", ["gzip", "xz", "lzma", "bzip2", "lz4", "zstd"])
def test_a_kernel_is_unpacked_whatever_it_is_packed_with(kind: str) -> None:
    packers = {
        "gzip": lambda: gzip.compress(KERNEL),
        "xz": lambda: lzma.compress(KERNEL) + SIZE,
        "lzma": lambda: lzma.compress(KERNEL, lzma.FORMAT_ALONE) + SIZE,
        "bzip2": lambda: bz2.compress(KERNEL) + SIZE,
        "lz4": lambda: by_program("lz4", "-lcq"),
        "zstd": lambda: by_program("zstd", "-cq"),
    }
    assert unpack(bzimage(packers[kind]())) == KERNEL


def test_a_kernel_without_the_pvh_entry_is_refused() -> None:
    with pytest.raises(RuntimeFault, match="no PVH entry"):
        unpack(bzimage(gzip.compress(b"\x7fELF" + bytes(100))))


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (b"", "not a bzImage"),
        (bytes(0x300), "not a bzImage"),
        (bzimage(b"x" * 20, version=0x0207), "boot protocol"),
        (bzimage(gzip.compress(KERNEL))[:-60], "cut short"),
        (bzimage(b"what is this?"), "unknown compression"),
        (bzimage(b"\xfd7zXZ" + bytes(40)), "cannot be unpacked"),
        (bzimage(b"\x1f\x8b" + bytes(40)), "cannot be unpacked"),
    ],
)
def test_rubbish_is_refused_with_its_reason(image: bytes, why: str) -> None:
    with pytest.raises(RuntimeFault, match=why):
        unpack(image)


def test_a_length_that_points_outside_is_refused() -> None:
    image = bytearray(bzimage(gzip.compress(KERNEL)))
    image[0x24C:0x250] = b"\xff\xff\xff\xff"
    with pytest.raises(RuntimeFault, match="cut short"):
        payload(bytes(image))


def test_a_kernel_is_unpacked_once(tmp_path: Path) -> None:
    image = tmp_path / "vmlinuz"
    image.write_bytes(bzimage(gzip.compress(KERNEL)))
    first = plain_kernel(image, tmp_path / "cache", lambda _: None)
    assert first is not None
    stamp = first.stat().st_mtime_ns
    assert plain_kernel(image, tmp_path / "cache", lambda _: None) == first
    assert first.stat().st_mtime_ns == stamp
    assert first.read_bytes() == KERNEL


def test_what_cannot_be_unpacked_is_booted_packed(tmp_path: Path) -> None:
    image = tmp_path / "vmlinuz"
    image.write_bytes(b"an EFI zboot image, say")
    assert plain_kernel(image, tmp_path / "cache", lambda _: None) is None
