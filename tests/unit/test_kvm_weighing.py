"""Which of QEMU's memory is the guest's, from mappings as an emulating QEMU 7.2 had them."""

from __future__ import annotations

import os

import pytest

from runtimes.kvm.guest.memory import Shares, shares, shares_in

MIB = 1 << 20


def mapping(start_mib: int, size_mib: int, may: str, pss_mib: int, name: str = "") -> str:
    first, last = start_mib * MIB, (start_mib + size_mib) * MIB
    return (
        f"{first:x}-{last:x} {may} 00000000 00:00 0 {name}\n"
        f"Size: {size_mib * 1024} kB\nRss: {pss_mib * 1024} kB\nPss: {pss_mib * 1024} kB\n"
        f"Pss_Dirty: {pss_mib * 1024} kB\nVmFlags: rd wr\n"
    )


QEMU = (
    mapping(16, 6, "r-xp", 2, "/usr/bin/qemu-system-x86_64")
    + mapping(32, 27, "rw-p", 6, "[heap]")
    + mapping(4096, 64, "rwxp", 57)
    + mapping(5000, 1, "---p", 0)
    + mapping(5001, 512, "rw-p", 122)
    + mapping(5513, 27, "rw-p", 9)
)


def test_the_guests_own_memory_is_the_block_of_its_size_and_translated_code_is_told_apart() -> None:
    assert shares_in(QEMU.encode(), 512 * MIB) == Shares(122 * MIB, 57 * MIB)


def test_a_guest_of_several_nodes_has_a_block_for_each() -> None:
    nodes = QEMU + mapping(9000, 512, "rw-p", 40)
    assert shares_in(nodes.encode(), 1024 * MIB).guest_bytes == 162 * MIB


def test_huge_pages_of_a_pool_are_counted() -> None:
    huge = mapping(5001, 512, "rw-s", 0, "/dev/hugepages/x") + "Private_Hugetlb: 524288 kB\n"
    assert shares_in(huge.encode(), 512 * MIB).guest_bytes == 512 * MIB


@pytest.mark.parametrize("memory_mib", [511, 513, 2048, 64])
def test_what_does_not_fit_the_guest_is_told_to_nobody(memory_mib: int) -> None:
    """Not even the translated code, where it is as large as the guest was told."""
    assert shares_in(QEMU.encode(), memory_mib * MIB).guest_bytes is None


def test_without_emulation_nothing_is_translated() -> None:
    accelerated = QEMU.replace("rwxp", "---p")
    assert shares_in(accelerated.encode(), 512 * MIB).translation_bytes == 0


@pytest.mark.parametrize("garbage", [b"", b"\0" * 4096, b"zz-yy rw-p\nPss: 4 kB\n"])
def test_what_is_no_list_of_mappings_has_no_shares(garbage: bytes) -> None:
    assert shares_in(garbage, 512 * MIB) == Shares(None, 0)


def test_a_process_that_is_there_or_gone_is_read_or_not() -> None:
    assert shares(os.getpid(), 1).guest_bytes is None
    assert shares(2**22 + 1, 512 * MIB) == Shares(None, 0)
