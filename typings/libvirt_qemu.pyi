"""The part of libvirt-python's QEMU extensions that the kvm runtime uses."""

from libvirt import virDomain

def qemuMonitorCommand(domain: virDomain, cmd: str, flags: int) -> str: ...  # noqa: N802
