"""Instants of one guest's life, as events tell them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import libvirt

# The first instruction is the firmware's, or the kernel's own: QEMU tells when its CPUs start.
EVENT_MARKS = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: "qemu_started",
    libvirt.VIR_DOMAIN_EVENT_RESUMED: "running",
    libvirt.VIR_DOMAIN_EVENT_SHUTDOWN: "guest_off",
    libvirt.VIR_DOMAIN_EVENT_STOPPED: "released",
}


@dataclass(slots=True)
class Timeline:
    """Phase → instant, ns of the host's monotonic clock; the first of each counts."""

    instants: dict[str, int] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)
    """libvirt has let go of the domain: socket, monitor and tap are gone."""

    def set(self, name: str, at_ns: int) -> None:
        """Called from several threads; each name has one writer."""
        self.instants.setdefault(name, at_ns)

    def hear(self, event: int, _detail: int) -> None:
        """A lifecycle event of libvirt; called on the event loop's thread."""
        now_ns = time.monotonic_ns()
        if event in EVENT_MARKS:
            self.set(EVENT_MARKS[event], now_ns)
        if event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            self.released.set()
