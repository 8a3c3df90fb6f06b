"""The initramfs of our guests: a static init and the modules it needs, nothing else.

The archive format is cpio "newc" (Documentation/driver-api/early-userspace/buffer-format.rst in
the kernel's tree): written here, because it is fifteen lines and thus the same bytes for the
same input on every host, without inode numbers or times of the build machine.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes import directories
from runtimes.images.compile import compile_static
from runtimes.kvm.boot.kernel import Kernel, Module, read_module

INIT_SOURCE = Path(__file__).with_name("init") / "init.c"
INIT_FLAGS = ("-std=gnu11", "-Os")
TRAILER = "TRAILER!!!"
ALIGNMENT = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the archive."""

    path: str
    """Relative to the root, without a leading slash."""
    mode: int
    """Type and permission bits, as in ``st_mode``."""
    data: bytes = b""
    device: tuple[int, int] = (0, 0)
    """Major and minor number of a device node."""


def directory(path: str) -> Entry:
    """A directory that everyone may read."""
    return Entry(path, stat.S_IFDIR | 0o755)


def regular(path: str, data: bytes, mode: int = 0o644) -> Entry:
    """A regular file."""
    return Entry(path, stat.S_IFREG | mode, data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)


def _record(inode: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, *entry.device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(entry.data)


def pack(entries: Iterable[Entry]) -> bytes:
    """Entries as a cpio newc archive; owner 0:0, time 0, inodes counted from 1.

    Raises:
        ValueError: a path that is absolute, empty or climbs out of the root.
    """
    records = []
    for inode, entry in enumerate(entries, start=1):
        if not entry.path or entry.path.startswith("/") or ".." in entry.path.split("/"):
            raise ValueError(f"not a path inside an archive: {entry.path!r}")
        records.append(_record(inode, entry))
    records.append(_record(0, Entry(TRAILER, 0)))
    return b"".join(records)


def contents(
    init: bytes, modules: Sequence[tuple[str, bytes]], programs: Sequence[Entry] = ()
) -> list[Entry]:
    """What the kernel unpacks; modules are loaded in the order given."""
    names = [f"lib/{place:02d}-{name}.ko" for place, (name, _) in enumerate(modules)]
    return [
        directory("dev"),
        # The kernel opens it for init before devtmpfs is there (fs/init.c, console_on_rootfs).
        Entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1)),
        *(directory(name) for name in ("proc", "sys", "root", "lib")),
        regular("init", init, 0o755),
        regular("modules", "".join(f"/{name}\n" for name in names).encode()),
        *(regular(name, data) for name, (_, data) in zip(names, modules, strict=True)),
        *programs,
    ]


def appended(archive: Path, entries: Iterable[Entry], target: Path) -> None:
    """Make ``target``: an archive with more files behind it, as the kernel takes them.

    Raises:
        OSError: no space, or no archive.
    """
    target.write_bytes(archive.read_bytes() + pack(entries))


def _publish(data: bytes, target: Path) -> Path:
    """Write under a temporary name, then rename: a reader never sees half a file."""
    directories.closed(target.parent)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_bytes(data)
    draft.rename(target)
    return target


def compile_init(cache: Path, source: Path = INIT_SOURCE) -> Path:
    """The static init, compiled once per source text.

    Raises:
        RuntimeFault: no compiler, or it refused.
    """
    text = b"".join(path.read_bytes() for path in (source, *sorted(source.parent.glob("*.h"))))
    key = hashlib.sha256(text + repr((INIT_FLAGS, os.uname().machine)).encode())
    target = cache / f"init-{key.hexdigest()[:16]}"
    if target.exists():
        return target
    directories.closed(cache)
    draft = cache / f".{target.name}.{os.getpid()}"
    compile_static(source, draft, INIT_FLAGS)
    draft.rename(target)
    return target


def build(
    kernel: Kernel,
    modules: Sequence[Module],
    cache: Path,
    progress: Callable[[str], None],
    programs: Sequence[Entry] = (),
) -> Path:
    """The initramfs for ``kernel``, cached by everything that goes into it.

    Args:
        kernel: what boots it.
        modules: of that kernel, first to load first.
        cache: where it is kept.
        progress: told what is being done.
        programs: further files.

    Raises:
        RuntimeFault: init cannot be compiled or a module cannot be read.
    """
    init = compile_init(cache).read_bytes()
    stamps = [(module.name, *_stamp(module.path)) for module in modules]
    further = pack(programs) if programs else b""
    key = hashlib.sha256(init + further + repr((kernel.release, stamps)).encode()).hexdigest()[:16]
    target = cache / f"initramfs-{key}"
    if target.exists():
        return target
    progress(f"building the initramfs for {kernel.release}")
    read = [(module.name, read_module(module)) for module in modules]
    archive = pack(contents(init, read, programs))
    return _publish(archive, target)


def build_probe(cache: Path) -> Path:
    """An initramfs with init alone: enough to see a kernel reach user space.

    Raises:
        RuntimeFault: init cannot be compiled.
    """
    init = compile_init(cache)
    target = cache / f"probe-{init.name}"
    return target if target.exists() else _publish(pack(contents(init.read_bytes(), ())), target)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
