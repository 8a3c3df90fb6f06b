"""Guests that start from a saved state: one is brought to just before its agent, and copied.

libvirt's own save and restore refuses to restore a domain under another name, so the state goes
straight into and out of QEMU by its monitor, as a migration through a file.  Everything that
tells instances apart (name, addresses, random numbers, time) init reads from its port when it
wakes up; see boot/init/init.c.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import libvirt
import libvirt_qemu

from runtimes.base import InstanceSpec, Lease, Site
from runtimes.faults import RuntimeFault
from runtimes.kvm.faults import translated
from runtimes.kvm.guest.instance import KvmInstance
from runtimes.kvm.guest.watchdog import watchdog
from runtimes.kvm.profiles.machine import Platform
from runtimes.kvm.profiles.machine import identity as who

ARGUMENTS = ("-incoming", "defer")
"""QEMU waits to be told where its state is."""

READY = b"ready"
BOOT_S = 120.0
MOVE_S = 60.0
NO_ROOM = "free space where TAREBENCH_STATE is (as much as a box has memory), or set it elsewhere"
FILE = "state"
"""Name under which QEMU knows the file."""

MODEL = Lease(slot=9999, address="", mac="02:7b:00:00:ff:fe", port=0)
"""Of the guest that is saved: it is on the bridge for a moment and has no address."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A guest's state: memory and devices, and its disk at that moment."""

    memory: Path
    overlay: Path

    def forget(self) -> None:
        """Remove it.  Idempotent."""
        for path in (self.memory, self.overlay):
            path.unlink(missing_ok=True)


class Launching(Protocol):
    """Who starts guests: ``runtimes.kvm.engine.KvmEngine``."""

    @property
    def site(self) -> Site:
        """The run, its directories and limits."""
        ...

    def launch(self, spec: InstanceSpec, state: Saved | None) -> KvmInstance:
        """Start a guest, from a saved state or without one."""
        ...


def take(engine: Launching, profile: str) -> Saved:
    """Start a guest of ``profile``, save it when its init waits, and end it.

    Raises:
        RuntimeFault: it did not come up, or QEMU cannot save it.
    """
    site = engine.site
    spec = InstanceSpec(f"tb-{site.run}-saved", profile, site.limits, MODEL)
    state = Saved(site.state / f"{profile}.state", site.state / f"{profile}.qcow2")
    guest = engine.launch(spec, None)
    try:
        _await_ready(guest)
        with watchdog(lambda: guest.hypervisor, "save the guest's state"):
            with translated(f"pause {spec.name}"):
                guest.domain.suspend()
            descriptor = os.open(state.memory, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC)
            _move(guest.domain, descriptor, "migrate")
        shutil.copyfile(guest.files.overlay, state.overlay)
    except BaseException as error:
        state.forget()
        if isinstance(error, OSError):
            message = f"cannot keep the state that {profile} starts from: {error.strerror}"
            raise RuntimeFault(message, hint=NO_ROOM) from None
        raise
    finally:
        guest.remove()
    return state


def load(domain: libvirt.virDomain, state: Saved) -> None:
    """Fill a QEMU that waits for its state.

    Raises:
        RuntimeFault: QEMU refuses it.
    """
    descriptor = os.open(state.memory, os.O_RDONLY | os.O_CLOEXEC)
    _move(domain, descriptor, "migrate-incoming")


def identity(platform: Platform, spec: InstanceSpec) -> bytes:
    """What a restored guest is told: who it is, what time it is, and 32 random bytes."""
    seed, now_s = os.urandom(32).hex(), int(time.time())
    own = [f"tb.mac={spec.lease.mac}", f"tb.seed={seed}", f"tb.time={now_s}"]
    return " ".join([*who(platform, spec, "vd"), *own]).encode() + b"\n"


def _await_ready(guest: KvmInstance) -> None:
    said, deadline_s = b"", time.monotonic() + BOOT_S
    while READY not in said:
        try:
            piece = guest.stream.recv(64, max(0.0, deadline_s - time.monotonic()))
        except TimeoutError:
            piece = b""
        if not piece or len(said) > 64:
            message = "the guest whose state is to be saved did not come up"
            raise RuntimeFault(message, tail=guest.diagnostics())
        said += piece


def _move(domain: libvirt.virDomain, descriptor: int, command: str) -> None:
    """Move the state through an open file, which is closed here.

    QEMU closes its copy by itself.
    """
    saving = command == "migrate"
    what = "save the guest's state" if saving else "restore the saved state"
    try:
        with translated(what), _told(domain) as told:
            named = json.dumps({"execute": "getfd", "arguments": {"fdname": FILE}})
            libvirt_qemu.qemuMonitorCommandWithFiles(domain, named, [descriptor], 0)
            _ask(domain, {"execute": command, "arguments": {"uri": f"fd:{FILE}"}}, what)
            outcome = told.wait(MOVE_S)
            why = "" if outcome == "completed" else _why(domain, outcome, what)
    finally:
        os.close(descriptor)
    if why:
        raise RuntimeFault(f"could not {what}: {why}", hint=NO_ROOM if saving else "")


def _why(domain: libvirt.virDomain, outcome: str, what: str) -> str:
    """QEMU's own words on a migration that was not completed."""
    if not outcome:
        return f"QEMU has not done it in {MOVE_S:g} s"
    told = _ask(domain, {"execute": "query-migrate"}, what)
    words = told.get("error-desc") if isinstance(told, dict) else None
    return str(words or f"QEMU says {outcome}")


def _ask(domain: libvirt.virDomain, question: dict[str, object], what: str) -> object:
    """What QEMU returns."""
    answer = json.loads(libvirt_qemu.qemuMonitorCommand(domain, json.dumps(question), 0))
    error = answer.get("error")
    if error:
        raise RuntimeFault(f"could not {what}: {error.get('desc', error)}")
    return answer.get("return")


class _Told:
    """The end of a migration, as QEMU's events tell it."""

    def __init__(self) -> None:
        self._over, self._status = threading.Event(), ""

    def hear(self, status: str) -> None:
        if status in {"completed", "failed", "cancelled"}:
            self._status = status
            self._over.set()

    def wait(self, timeout_s: float) -> str:
        self._over.wait(timeout_s)
        return self._status


@contextmanager
def _told(domain: libvirt.virDomain) -> Iterator[_Told]:
    told = _Told()

    def hear(_link: object, _domain: object, _event: str, *rest: object) -> None:
        details = next((item for item in rest if isinstance(item, str)), "{}")
        with suppress(ValueError, AttributeError):
            told.hear(str(json.loads(details).get("status", "")))

    link = domain.connect()
    number = libvirt_qemu.qemuMonitorEventRegister(link, domain, "MIGRATION", hear, None)
    try:
        yield told
    finally:
        libvirt_qemu.qemuMonitorEventDeregister(link, number)
