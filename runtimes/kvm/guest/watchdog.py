"""A time limit for libvirt's calls, which have none: one that waits for a QEMU that hangs waits on.

Such a call cannot be interrupted, but it ends, with an error, when that QEMU does.  So what takes
too long has its QEMU killed.  A daemon that hangs itself is found out by its connection's keepalive
(see connection).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from runtimes.faults import RuntimeFault
from runtimes.kvm.guest.hypervisor import Hypervisor

ANSWER_S = 120.0
"""Longest that a guest's QEMU may keep libvirt waiting; restoring a large guest takes its time."""

HINT = "QEMU hangs, or this host is far too busy: see dmesg, and invoke doctor"


@contextlib.contextmanager
def watchdog(
    hypervisor: Callable[[], Hypervisor | None], what: str, limit_s: float = ANSWER_S
) -> Iterator[None]:
    """Kill the guest's QEMU unless what is done inside is over in time.

    Args:
        hypervisor: gives that QEMU, once there is one.
        what: is being done, for the message: ``start tb-3fa9c1-7``.
        limit_s: how long it may take.

    Raises:
        RuntimeFault: it took longer, in place of the error that libvirt then has.
    """
    late = threading.Event()

    def end() -> None:
        late.set()
        found = hypervisor()
        if found is not None:
            with contextlib.suppress(RuntimeFault):  # stuck in the kernel: nothing ends it
                found.kill()

    timer = threading.Timer(limit_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except RuntimeFault as fault:
        if not late.is_set():
            raise
        raise RuntimeFault(
            f"could not {what}: no answer for {limit_s:g} s", hint=HINT, tail=fault.tail
        ) from None
    finally:
        timer.cancel()
