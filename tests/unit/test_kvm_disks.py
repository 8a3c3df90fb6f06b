"""The size of a guest's disk, from what QEMU answers on each kind of machine."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from runtimes.faults import RuntimeFault
from runtimes.kvm.guest.disks import size_in


def answer(*devices: tuple[str, int]) -> str:
    return json.dumps(
        {
            "return": [
                {"qdev": qdev, "inserted": {"image": {"virtual-size": size}}}
                for qdev, size in devices
            ]
        }
    )


PCI = [(f"/machine/peripheral/virtio-disk{n}/virtio-backend", size) for n, size in ((0, 7), (1, 9))]
MMIO = [("virtio-disk0", 7), ("/machine/peripheral/virtio-disk1", 9)]


@pytest.mark.parametrize("devices", [PCI, MMIO])
def test_a_disk_is_found_by_its_letter_with_and_without_a_bus(
    devices: list[tuple[str, int]],
) -> None:
    told = answer(*devices, ("virtio-disk10", 1))
    assert (size_in(told, "vda"), size_in(told, "vdb")) == (7, 9)


@pytest.mark.parametrize(
    "told",
    [answer(("virtio-disk1", 9)), "{}", '{"return": [{"qdev": "virtio-disk0"}]}'],
)
def test_a_disk_that_is_not_there_is_a_fault(told: str) -> None:
    with pytest.raises(RuntimeFault, match="disk vda"):
        size_in(told, "vda")
