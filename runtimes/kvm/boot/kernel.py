"""Which kernel a guest boots, and the modules it needs to see its virtio devices.

The host's installed kernels are the candidates: ``/boot/vmlinuz-<release>`` with
``/lib/modules/<release>``.  A kernel made for guests (Debian's ``cloud``, Ubuntu's ``kvm``)
starts fastest and is preferred; else the newest that has what a guest needs.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.process import run

NEEDED = ("virtio_pci", "virtio_console", "virtio_blk", "virtio_net", "ext4")
"""Modules (or built-in drivers) without which no guest of ours comes up."""

CONSOLES: Mapping[str, str] = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}
"""Architecture → the kernel's name of the first serial port."""

GUEST_FLAVOURS = ("cloud", "kvm", "virtual", "virt")
"""Parts of a release's name that say "made for guests"."""

ZSTD_TIMEOUT_S = 30
MODULE_LIMIT_BYTES = 64 << 20

INSTALL_HINT = (
    "install a kernel for guests: apt-get install linux-image-cloud-amd64 "
    "(linux-image-cloud-arm64 on aarch64; linux-image-kvm or linux-image-virtual on Ubuntu)"
)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A bootable kernel and where its modules are."""

    release: str
    image: Path
    modules: Path


@dataclass(frozen=True, slots=True)
class Module:
    """One loadable module."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class ModuleIndex:
    """What depmod wrote about one kernel's modules; names have underscores."""

    root: Path
    files: Mapping[str, str]
    """Name → path below ``root``."""
    needs: Mapping[str, tuple[str, ...]]
    """Name → names that must be loaded before it, in order."""
    builtin: frozenset[str]


def module_name(path: str) -> str:
    """``kernel/drivers/virtio/virtio-ring.ko.xz`` → ``virtio_ring``."""
    return path.rsplit("/", 1)[-1].split(".ko", 1)[0].replace("-", "_")


def parse_dependencies(text: str) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """``modules.dep``: files by name, and what each needs, first to load first.

    depmod lists dependencies so that the last one is loaded first (modules.dep(5)).
    """
    files: dict[str, str] = {}
    needs: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        path, colon, wanted = line.partition(":")
        if not colon:
            continue
        name = module_name(path.strip())
        files[name] = path.strip()
        needs[name] = tuple(module_name(item) for item in reversed(wanted.split()))
    return files, needs


def parse_softdeps(text: str) -> dict[str, tuple[str, ...]]:
    """``modules.softdep``: what should be loaded before each, as ``softdep X pre: A B``."""
    before: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        found = re.match(r"softdep (\S+) .*?pre:([^:]*?)(?: post:.*)?$", line)
        if found:
            name = found[1].replace("-", "_")
            before[name] = tuple(item.replace("-", "_") for item in found[2].split())
    return before


def parse_aliases(text: str) -> dict[str, str]:
    """``modules.alias`` without patterns: name → module, the one for every processor first.

    ``alias crc32c crc32c_generic``: what a file system asks the crypto layer for.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "alias" and not set(words[1]) & set("*?[:"):
            name, module = words[1].replace("-", "_"), words[2].replace("-", "_")
            if name not in found or module.endswith("_generic"):
                found[name] = module
    return found


def read_index(root: Path) -> ModuleIndex:
    """Read depmod's files below ``root`` (``/lib/modules/<release>``).

    Raises:
        RuntimeFault: they are missing or unreadable.
    """
    try:
        files, needs = parse_dependencies((root / "modules.dep").read_text())
        builtin = (root / "modules.builtin").read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        release = root.name
        hint = f"run: depmod {release}"
        raise RuntimeFault(f"no module index of kernel {release}: {error}", hint=hint) from None
    softdeps = root / "modules.softdep"
    soft = parse_softdeps(softdeps.read_text()) if softdeps.exists() else {}
    table = root / "modules.alias"
    aliases = parse_aliases(table.read_text()) if table.exists() else {}
    for name, before in soft.items():
        real = (item if item in files else aliases.get(item, "") for item in before)
        # A soft dependency that is no module here (it is built in) is not waited for.
        needs[name] = (*(item for item in real if item in files), *needs.get(name, ()))
    return ModuleIndex(root, files, needs, frozenset(map(module_name, builtin)))


def missing(index: ModuleIndex, wanted: Iterable[str]) -> list[str]:
    """Those of ``wanted`` that are neither modules nor built in."""
    return [name for name in wanted if name not in index.files and name not in index.builtin]


def resolve(index: ModuleIndex, wanted: Iterable[str]) -> list[Module]:
    """Modules to load for ``wanted``, in an order in which each finds what it needs.

    Built-in ones need no loading and are left out.

    Raises:
        RuntimeFault: one of them does not exist for this kernel.
    """
    ordered: dict[str, Module] = {}
    begun: set[str] = set()  # soft dependencies may run in circles

    def visit(name: str) -> None:
        if name in begun or name in index.builtin:
            return
        begun.add(name)
        if name not in index.files:
            message = f"kernel {index.root.name} has no driver {name}"
            raise RuntimeFault(message, hint=INSTALL_HINT)
        for needed in index.needs.get(name, ()):
            visit(needed)
        ordered[name] = Module(name, index.root / index.files[name])

    for name in wanted:
        visit(name)
    return list(ordered.values())


def read_module(module: Module) -> bytes:
    """A module's plain bytes, whatever it is compressed with.

    Raises:
        RuntimeFault: unreadable, or too large to be a module.
    """
    try:
        data = _decompressed(module.path)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise RuntimeFault(f"cannot read module {module.path}: {error}") from None
    if not data.startswith(b"\x7fELF") or len(data) > MODULE_LIMIT_BYTES:
        raise RuntimeFault(f"{module.path} is not a kernel module")
    return data


def _decompressed(path: Path) -> bytes:
    if path.suffix == ".zst":
        hint = "install zstd: apt-get install zstd"
        return run(["zstd", "-dcq", str(path)], timeout_s=ZSTD_TIMEOUT_S, hint=hint).stdout
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    return gzip.decompress(data) if path.suffix == ".gz" else data


def version_key(release: str) -> tuple[bool, tuple[int, ...]]:
    """Sort key: kernels made for guests last (= best), then by version."""
    words = re.split(r"[^A-Za-z]+", release)
    return (
        any(flavour in words for flavour in GUEST_FLAVOURS),
        tuple(int(number) for number in re.findall(r"\d+", release)),
    )


def candidates(boot: Path, modules: Path) -> list[Kernel]:
    """Installed kernels with modules, best first."""
    found: dict[str, Kernel] = {}
    for pattern in ("vmlinuz-*", "vmlinux-*"):
        for image in boot.glob(pattern):
            release = image.name.split("-", 1)[1]
            if (modules / release).is_dir():
                found.setdefault(release, Kernel(release, image, modules / release))
    return sorted(found.values(), key=lambda kernel: version_key(kernel.release), reverse=True)


def _objection(kernel: Kernel, needed: Sequence[str]) -> str:
    """Why ``kernel`` cannot be a guest's; empty if it can."""
    if not os.access(kernel.image, os.R_OK):
        return f"{kernel.image} is not readable"
    try:
        lacking = missing(read_index(kernel.modules), needed)
    except RuntimeFault as fault:
        return str(fault)
    return f"{kernel.release} lacks {', '.join(lacking)}" if lacking else ""


def choose(
    boot: Path = Path("/boot"),
    modules: Path = Path("/lib/modules"),
    needed: Sequence[str] = NEEDED,
) -> Kernel:
    """The best kernel for guests on this host.  Reads a few small files only.

    Raises:
        RuntimeFault: none fits; the message says why each was refused.
    """
    objections = []
    for kernel in candidates(boot, modules):
        objection = _objection(kernel, needed)
        if not objection:
            return kernel
        objections.append(objection)
    reason = "; ".join(objections) or f"no vmlinuz in {boot} with modules in {modules}"
    raise RuntimeFault(f"no kernel for guests: {reason}", hint=INSTALL_HINT)
