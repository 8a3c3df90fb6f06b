"""Choosing a kernel for guests, and the modules it needs."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.kvm.boot import kernel
from runtimes.kvm.boot.kernel import Module, ModuleIndex, choose, parse_dependencies, resolve

DEPENDENCIES = """\
kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/block/virtio-blk.ko.xz: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
"""


def index(softdeps: str = "") -> ModuleIndex:
    files, needs = parse_dependencies(DEPENDENCIES)
    for name, before in kernel.parse_softdeps(softdeps).items():
        needs[name] = (*before, *needs[name])
    return ModuleIndex(Path("/lib/modules/6.1"), files, needs, frozenset({"ext4"}))


def install(root: Path, release: str, modules: str = "virtio", builtin: str = "ext4") -> None:
    """A kernel on a host below ``root``; ``modules`` and ``builtin`` are blank-separated names."""
    boot, home = root / "boot", root / "modules" / release
    boot.mkdir(exist_ok=True)
    home.mkdir(parents=True)
    (boot / f"vmlinuz-{release}").write_bytes(b"kernel")
    (home / "modules.dep").write_text("".join(f"kernel/{each}.ko:\n" for each in modules.split()))
    (home / "modules.builtin").write_text(
        "".join(f"kernel/{each}.ko\n" for each in builtin.split())
    )


def chosen(root: Path) -> str:
    return choose(root / "boot", root / "modules", ("virtio", "ext4")).release


def test_what_a_module_needs_is_loaded_before_it() -> None:
    names = [module.name for module in resolve(index(), ["virtio_blk"])]
    assert names == ["virtio_ring", "virtio", "virtio_blk"]


def test_a_module_wanted_twice_is_loaded_once() -> None:
    names = [module.name for module in resolve(index(), ["virtio", "virtio_blk", "virtio"])]
    assert names == ["virtio_ring", "virtio", "virtio_blk"]


def test_what_is_built_in_needs_no_loading() -> None:
    assert resolve(index(), ["ext4"]) == []


def test_a_soft_dependency_goes_first() -> None:
    softdeps = "softdep virtio_ring pre: crc-x post: virtio\n"
    assert kernel.parse_softdeps(softdeps) == {"virtio_ring": ("crc_x",)}
    made = ModuleIndex(
        Path("/lib/modules/6.1"),
        {"crc_x": "crc-x.ko", "virtio": "virtio.ko"},
        {"virtio": ("crc_x",)},
        frozenset(),
    )
    assert [module.name for module in resolve(made, ["virtio"])] == ["crc_x", "virtio"]


def test_dependencies_that_run_in_circles_end() -> None:
    names = [
        module.name for module in resolve(index("softdep virtio pre: virtio_blk\n"), ["virtio"])
    ]
    assert sorted(names) == ["virtio", "virtio_blk", "virtio_ring"]


def test_a_driver_that_is_nowhere_is_named_with_what_to_install() -> None:
    with pytest.raises(RuntimeFault, match="no driver virtio_net") as caught:
        resolve(index(), ["virtio_net"])
    assert "linux-image-cloud" in caught.value.hint


def test_a_kernel_made_for_guests_is_preferred_to_a_newer_one(tmp_path: Path) -> None:
    install(tmp_path, "6.1.0-56-cloud-amd64")
    install(tmp_path, "6.12.9-amd64")
    assert chosen(tmp_path) == "6.1.0-56-cloud-amd64"


def test_versions_are_compared_as_numbers(tmp_path: Path) -> None:
    install(tmp_path, "6.9.1-generic")
    install(tmp_path, "6.10.0-generic")
    assert chosen(tmp_path) == "6.10.0-generic"


def test_a_kernel_without_the_drivers_is_passed_over(tmp_path: Path) -> None:
    install(tmp_path, "6.1.0-cloud", modules="other")
    install(tmp_path, "6.0.0-generic")
    assert chosen(tmp_path) == "6.0.0-generic"


def test_a_kernel_without_its_modules_directory_is_no_candidate(tmp_path: Path) -> None:
    install(tmp_path, "6.0.0-generic")
    (tmp_path / "boot/vmlinuz-9.9.9-cloud").write_bytes(b"kernel")
    assert chosen(tmp_path) == "6.0.0-generic"


def test_without_any_kernel_the_fault_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault, match="no kernel for guests: no vmlinuz") as caught:
        chosen(tmp_path)
    assert "apt-get install linux-image-cloud" in caught.value.hint


def test_each_refused_kernel_is_named_with_its_reason(tmp_path: Path) -> None:
    install(tmp_path, "6.1.0-cloud", modules="other")
    install(tmp_path, "6.0.0-generic", builtin="")
    with pytest.raises(RuntimeFault, match=r"6.1.0-cloud lacks virtio; 6.0.0-generic lacks ext4"):
        chosen(tmp_path)


def test_a_missing_module_index_asks_for_depmod(tmp_path: Path) -> None:
    install(tmp_path, "6.0.0-generic")
    (tmp_path / "modules/6.0.0-generic/modules.dep").unlink()
    with pytest.raises(RuntimeFault, match=r"no module index of kernel 6.0.0-generic"):
        chosen(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "compress"), [("", bytes), (".xz", lzma.compress), (".gz", gzip.compress)]
)
def test_a_compressed_module_is_read_plain(tmp_path: Path, suffix: str, compress: object) -> None:
    assert callable(compress)
    path = tmp_path / f"virtio.ko{suffix}"
    path.write_bytes(compress(b"\x7fELF module"))
    assert kernel.read_module(Module("virtio", path)) == b"\x7fELF module"


@pytest.mark.skipif(process.find("zstd") is None, reason="zstd is not installed")
def test_a_module_compressed_with_zstd_is_read_plain(tmp_path: Path) -> None:
    path = tmp_path / "virtio.ko.zst"
    packed = process.run(["zstd", "-cq"], timeout_s=10, stdin=b"\x7fELF module").stdout
    path.write_bytes(packed)
    assert kernel.read_module(Module("virtio", path)) == b"\x7fELF module"


@pytest.mark.parametrize("content", [b"", b"not a module", lzma.compress(b"\x7fELF")[:-4]])
def test_what_is_no_module_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "virtio.ko.xz"
    path.write_bytes(content)
    with pytest.raises(RuntimeFault, match=r"virtio\.ko\.xz"):
        kernel.read_module(Module("virtio", path))


def test_a_soft_dependency_on_an_alias_is_the_module_for_every_processor(tmp_path: Path) -> None:
    root = tmp_path / "6.1"
    root.mkdir()
    modules = ("ext4", "crc32c_intel", "crc32c_generic")
    (root / "modules.dep").write_text("".join(f"kernel/{name}.ko:\n" for name in modules))
    (root / "modules.builtin").write_text("")
    (root / "modules.softdep").write_text("softdep ext4 pre: crypto-crc32c\n")
    (root / "modules.alias").write_text(
        "alias crypto-crc32c crc32c_intel\n"
        "alias cpu:type:x86,ven*fam*mod* crc32c_intel\n"
        "alias crypto-crc32c crc32c_generic\n"
    )
    names = [module.name for module in resolve(kernel.read_index(root), ["ext4"])]
    assert names == ["crc32c_generic", "ext4"]
