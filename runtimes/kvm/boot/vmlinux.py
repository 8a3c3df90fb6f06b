"""The plain kernel inside a bzImage, for a guest that starts without decompressing it.

Firecracker and Cloud Hypervisor boot guests so; QEMU does by the same entry, PVH, which the kernel
announces in an ELF note.  Under emulation it saves a sixth of the time to user space.

Layout of a bzImage: Documentation/arch/x86/boot.rst in the kernel's tree (setup_sects,
payload_offset, payload_length).
"""

from __future__ import annotations

import bz2
import contextlib
import hashlib
import lzma
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.images import storage
from runtimes.process import run

SETUP_SECTS_AT, MAGIC_AT, VERSION_AT, PAYLOAD_AT = 0x1F1, 0x202, 0x206, 0x248
PAYLOAD_VERSION = 0x0208
"""The boot protocol's first version that tells where the payload is."""

SECTOR_BYTES = 512
SIZE_BYTES = 4
"""The uncompressed size, appended to the payload by the kernel's build."""

LIMIT_BYTES = 512 << 20
TOOL_TIMEOUT_S = 60.0
PVH_NOTE = struct.pack("<III4s", 4, 8, 18, b"Xen\0")
"""ELF note XEN_ELFNOTE_PHYS32_ENTRY: name and entry point's sizes, type, name."""


def _tool(*argv: str) -> Callable[[bytes], bytes]:
    return lambda data: run(argv, timeout_s=TOOL_TIMEOUT_S, stdin=data).stdout


def _gzip(data: bytes) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(data, LIMIT_BYTES)


DECOMPRESSORS: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": _gzip,
    b"\xfd7zXZ": lambda data: lzma.LZMADecompressor().decompress(data, LIMIT_BYTES),
    b"BZh": lambda data: bz2.BZ2Decompressor().decompress(data, LIMIT_BYTES),
    b"\x5d\x00\x00": lambda data: lzma.LZMADecompressor().decompress(data, LIMIT_BYTES),
    b"\x02!L\x18": _tool("lz4", "-dcq"),
    b"\x28\xb5\x2f\xfd": _tool("zstd", "-dcq"),
}
"""First bytes of a payload → how to unpack it."""


def payload(image: bytes) -> bytes:
    """The compressed kernel in a bzImage.

    Raises:
        RuntimeFault: it is no bzImage, or its header points outside of it.
    """
    if image[MAGIC_AT : MAGIC_AT + 4] != b"HdrS":
        raise RuntimeFault("not a bzImage")
    (version,) = struct.unpack_from("<H", image, VERSION_AT)
    if version < PAYLOAD_VERSION:
        raise RuntimeFault(f"boot protocol {version:#x} does not tell where the kernel is")
    offset, length = struct.unpack_from("<II", image, PAYLOAD_AT)
    begin = (image[SETUP_SECTS_AT] + 1) * SECTOR_BYTES + offset
    if length <= SIZE_BYTES or begin + length > len(image):
        raise RuntimeFault("the bzImage is cut short")
    return image[begin : begin + length]


def unpack(image: bytes) -> bytes:
    """The ELF kernel in a bzImage, ready for PVH.

    Raises:
        RuntimeFault: unknown compression, a missing tool, or a kernel without the PVH entry.
    """
    packed = payload(image)
    unpacker = next((how for magic, how in DECOMPRESSORS.items() if packed.startswith(magic)), None)
    if unpacker is None:
        raise RuntimeFault(f"unknown compression {packed[:4].hex()}")
    # gzip carries its size itself: the appended one is not there (arch/x86/boot/compressed).
    data = packed if unpacker is _gzip else packed[:-SIZE_BYTES]
    try:
        plain = unpacker(data)
    except (OSError, ValueError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise RuntimeFault(f"the kernel cannot be unpacked: {error}") from None
    if not plain.startswith(b"\x7fELF") or PVH_NOTE not in plain:
        raise RuntimeFault("the kernel has no PVH entry")
    return plain


def plain_kernel(image: Path, cache: Path, progress: Callable[[str], None]) -> Path | None:
    """``image`` unpacked, from the cache or made now; ``None`` where it cannot be.

    A guest boots the bzImage as well, only slower: so what stands in the way is no fault.
    """
    status = image.stat()
    text = f"{image.name} {status.st_size} {status.st_mtime_ns}"
    entry = cache / f"vmlinux-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if entry.is_file():
        return entry
    with contextlib.suppress(RuntimeFault):
        plain = unpack(image.read_bytes())
        with storage.building(
            entry, needed_bytes=len(plain), progress=progress, what="the plain kernel"
        ) as scratch:
            (scratch / "vmlinux").write_bytes(plain)
            storage.publish(scratch / "vmlinux", entry)
        return entry
    return None
