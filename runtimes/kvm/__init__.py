"""Virtual machines: QEMU through libvirt, KVM where it is proved to work."""

from runtimes.kvm.runtime import KvmRuntime

__all__ = ["KvmRuntime"]
