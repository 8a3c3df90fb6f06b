"""libvirt's errors as faults that say what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import libvirt

from runtimes.faults import RuntimeFault

HINTS: Mapping[str, str] = {
    "Failed to parse user": "create QEMU's user: apt-get install libvirt-daemon-system",
    "Cannot access storage file": "the image is gone or unreadable: invoke clean --cache",
    "Cannot access backing file": "the image is gone or unreadable: invoke clean --cache",
    "Failed to connect socket": "start libvirtd, or leave --libvirt-uri away: no daemon is needed",
    "keepalive": "the daemon hangs: restart it, or leave --libvirt-uri away: no daemon is needed",
    "authentication": "run as root, or join the group libvirt",
    "no connection driver available": "the URI's driver is not installed; try qemu:///system",
    "Cannot check QEMU binary": "install QEMU: apt-get install qemu-system-x86 (or -arm)",
    "Cannot find QEMU binary": "install QEMU: apt-get install qemu-system-x86 (or -arm)",
    "cannot set up guest memory": "not enough memory on this host: give boxes a smaller --memory",
    "O_DIRECT": "kvm:tuned needs a file system with direct I/O: set TAREBENCH_STATE to a disk's",
    "No PCI buses available": "this libvirt puts all devices on PCI: kvm:micro comes nearest",
    "does not support machine type": "this QEMU lacks that machine: kvm:micro comes nearest",
    "unsupported machine type": "this QEMU lacks that machine: kvm:micro comes nearest",
    "unable to map backing store": "the huge pages are used up: raise vm.nr_hugepages",
    "No space left": "free space where TAREBENCH_STATE is",
    "could not access KVM": "no permission for /dev/kvm, or KVM is off in the firmware",
}
"""Part of libvirt's message → next step."""


def hint_for(message: str) -> str:
    """The next step for one of libvirt's messages; empty if none is known."""
    lowered = message.lower()
    return next((hint for part, hint in HINTS.items() if part.lower() in lowered), "")


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn libvirt's error into a RuntimeFault: could not ``what``, why, and the next step."""
    try:
        yield
    except libvirt.libvirtError as error:
        message = error.get_error_message() or str(error)
        # libvirt appends QEMU's last words after the first line; they go into the tail.
        first, _, rest = message.partition("\n")
        raise RuntimeFault(
            f"could not {what}: {first}", hint=hint_for(message), tail=rest.strip()
        ) from None
