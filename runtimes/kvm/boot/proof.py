"""Whether KVM boots a guest here: proved by booting one, never assumed.

/dev/kvm may be there and yet no ordinary kernel comes up (software KVM, broken nesting); QEMU
then either ends at once or spins on a processor.  So a kernel is booted with a tiny initramfs
under a time limit, and QEMU's own words are kept as the reason.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import select
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from runtimes import directories
from runtimes.faults import RuntimeFault
from runtimes.kvm.boot.kernel import Kernel
from runtimes.process import spawn, tail_of

DEVICE = Path("/dev/kvm")
LIMIT_S = 10.0
SILENT_CPU_S = 3.0
"""Of its own CPU time: a kernel that has run so long without a word was not kept waiting.  One that
boots has been in user space for long."""
MEMORY_MIB = 256
REACHED = b"tarebench-init: probe reached user space"
BROKEN = (b"KVM internal error", b"failed to set MSR", b"Could not access KVM")
OUTPUT_LIMIT_BYTES = 256 * 1024
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome of a probe."""

    works: bool
    reason: str
    """Why KVM does not work, or how long the boot took."""
    decided: bool = True
    """Another probe would end alike; not so where only the time ran out, on a busy host."""
    remedy: str = ""
    """What would help, where that is known."""


def prove(emulator: Path, architecture: str, kernel: Kernel, initramfs: Path, cache: Path) -> Proof:
    """Boot the probe under KVM, or remember how that went since this host booted.

    Args:
        emulator: QEMU's program.
        architecture: ``x86_64`` or ``aarch64``.
        kernel: the kernel that guests will boot.
        initramfs: from ``initramfs.build_probe``.
        cache: directory kept between runs.
    """
    objection = objection_to(DEVICE)
    if objection is not None:
        return objection
    key = _key(emulator, kernel, initramfs)
    outcome = _remembered(cache / f"proof-{key}.json")
    if outcome is None:
        outcome = boot(command(emulator, architecture, kernel.image, initramfs))
        if outcome.decided:
            _remember(cache / f"proof-{key}.json", outcome)
    _remember(_latest(cache), outcome)
    return outcome


def latest(cache: Path) -> Proof | None:
    """How the last probe since this host booted went; ``None`` where there was none."""
    return _remembered(_latest(cache))


def _latest(cache: Path) -> Path:
    return cache / f"proof-of-boot-{BOOT_ID.read_text().strip()}.json"


def _remembered(path: Path) -> Proof | None:
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Proof(**json.loads(path.read_text()))
    return None


def _remember(path: Path, outcome: Proof) -> None:
    with contextlib.suppress(OSError):  # only costs the next run a probe
        directories.closed(path.parent)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(asdict(outcome)))
        draft.rename(path)


def objection_to(device: Path) -> Proof | None:
    """What speaks against KVM before anything is booted; ``None`` for nothing."""
    if not device.exists():
        return Proof(
            works=False,
            reason=f"there is no {device}: no hardware virtualisation, or kvm is not loaded",
            remedy=(
                "turn virtualisation on in the firmware, or for this VM in its host; "
                "modprobe kvm_intel or kvm_amd"
            ),
        )
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return Proof(
            works=False,
            reason=f"{device} cannot be opened: {error.strerror}",
            remedy=f"run as root; in a container, give it the device: --device {device}",
        )
    return None


def _key(emulator: Path, kernel: Kernel, initramfs: Path) -> str:
    """Changes with the boot of this host, QEMU, the kernel and init."""
    stamps = [(path.stat().st_size, path.stat().st_mtime_ns) for path in (emulator, kernel.image)]
    boot_id = BOOT_ID.read_text().strip()
    text = repr((boot_id, kernel.release, initramfs.name, stamps))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def command(emulator: Path, architecture: str, kernel: Path, initramfs: Path) -> list[str]:
    """QEMU under KVM alone (it must not fall back to TCG), console on its standard output."""
    machine, console = ("q35", "ttyS0") if architecture == "x86_64" else ("virt", "ttyAMA0")
    return [
        *(str(emulator), "-machine", f"{machine},accel=kvm", "-cpu", "host"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-m", str(MEMORY_MIB), "-smp", "1", "-serial", "stdio"),
        *("-kernel", str(kernel), "-initrd", str(initramfs)),
        *("-append", f"console={console} panic=-1 tb.probe=1"),
    ]


def boot(argv: list[str], limit_s: float = LIMIT_S) -> Proof:
    """Run the probe until it reaches user space, breaks, ends or runs out of time."""
    begun = time.monotonic()
    try:
        process = spawn(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, new_session=True)
    except RuntimeFault as fault:
        return Proof(works=False, reason=str(fault))
    output, ended = b"", False
    try:
        while not ended and not _decided(output):
            piece = _read(process, begun + limit_s - time.monotonic())
            if piece is None:
                break
            ended = not piece
            output = (output + piece)[-OUTPUT_LIMIT_BYTES:]
    finally:
        used_s = _cpu_s(process.pid)
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    seconds = time.monotonic() - begun
    if REACHED in output:
        return Proof(works=True, reason=f"a probe reached user space in {seconds:.1f} s")
    reason = reason_in(output, ended=ended, limit_s=limit_s)
    silent = not output and used_s >= SILENT_CPU_S
    return Proof(works=False, reason=reason, decided=ended or silent or _decided(output))


def _cpu_s(pid: int) -> float:
    """CPU time that a child of ours has had in all its threads, its guest's included."""
    with contextlib.suppress(OSError, ValueError):
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # proc(5): 14, 15
    return 0.0


def _decided(output: bytes) -> bool:
    return any(mark in output for mark in (REACHED, *BROKEN))


def _read(process: subprocess.Popen[bytes], left_s: float) -> bytes | None:
    """Next output; empty at its end; ``None`` when the time is over."""
    if process.stdout is None or left_s <= 0:
        return None
    ready, _, _ = select.select([process.stdout], [], [], left_s)
    return os.read(process.stdout.fileno(), 65536) if ready else None


def reason_in(output: bytes, *, ended: bool, limit_s: float) -> str:
    """Why the probe failed, in a line: QEMU's own words where it had any."""
    text = output.decode("utf-8", "replace")
    suberror = re.search(r"KVM internal error\.? Suberror: *(\d+)(?:\s+([a-z][^\r\n]*))?", text)
    if suberror:
        detail = " ".join(filter(None, (f"suberror {suberror[1]}", (suberror[2] or "").strip())))
        return f"a guest stops with a KVM internal error ({detail})"
    complaint = re.search(r"(?:qemu[\w-]*: )(?:error: )?([^\r\n]+)", text)
    if complaint:
        return f"QEMU refuses under KVM: {complaint[1].strip()[:200]}"
    last = (tail_of(output).splitlines() or ["it wrote nothing"])[-1].strip()[:200]
    if ended:
        return f"a guest under KVM ended before user space; its last words: {last}"
    return f"a guest under KVM did not reach user space in {limit_s:g} s; its last words: {last}"
