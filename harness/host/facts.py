"""Facts about the host, for run.json, ``invoke doctor`` and the gates."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.errors import HarnessFault
from harness.host.tuning.isolation import boot_id
from harness.host.tuning.kernel_files import Tree
from harness.host.tuning.undo import UndoFile
from runtimes.linux.cpu_list import format_cpus

_CPU = Path("/sys/devices/system/cpu")
_CLOCK = Path("/sys/devices/system/clocksource/clocksource0")


def read(path: Path | str) -> str:
    """Stripped content of a small file; empty where it is missing or refused."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def facts() -> dict[str, Any]:
    """Everything about this host that a reader needs to judge or repeat a run."""
    return {
        "distribution": _os_release().get("PRETTY_NAME", "unknown"),
        "kernel": platform.release(),
        "kernel_version": platform.version(),
        "architecture": platform.machine(),
        "command_line": read("/proc/cmdline"),
        "cpu": _cpu(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "swap_bytes": _meminfo("SwapTotal"),
        "numa_nodes": len(list(Path("/sys/devices/system/node").glob("node[0-9]*"))) or 1,
        "cgroup": cgroup_mode(),
        "clock_source": read(_CLOCK / "current_clocksource"),
        "clock_sources_available": read(_CLOCK / "available_clocksource").split(),
        "virtualisation": virtualisation(),
        "transparent_hugepages": selected(read("/sys/kernel/mm/transparent_hugepage/enabled")),
        "ksm": read("/sys/kernel/mm/ksm/run") == "1",
        "psi": Path("/proc/pressure/cpu").exists(),
        "mitigations": {entry.name: read(entry) for entry in _entries(_CPU / "vulnerabilities")},
        "tuned_since": tuned_since(),
        "python": platform.python_version(),
    }


def tuned_since() -> str:
    """When ``invoke doctor --tune`` first changed this host, UTC; empty where it did not."""
    with contextlib.suppress(HarnessFault):
        undo = UndoFile().load()
        if undo is not None and undo.boot_id == boot_id(Tree()):
            return undo.tuned_utc
    return ""


def cgroup_mode() -> str:
    """``v2``, ``v1`` or ``hybrid`` (v1 controllers with a v2 mount beside them)."""
    kinds = {
        line.split(" - ", 1)[1].split()[0]
        for line in read("/proc/self/mountinfo").splitlines()
        if " - cgroup" in line
    }
    if kinds == {"cgroup2"}:
        return "v2"
    return "hybrid" if kinds == {"cgroup", "cgroup2"} else "v1" if kinds else "none"


def virtualisation() -> str:
    """What this host itself runs on: ``none`` for bare metal, else what the firmware says."""
    if not hypervisor_present():
        return "none"
    product = read("/sys/class/dmi/id/product_name") or read("/sys/hypervisor/type")
    return product or "a hypervisor that gives no name"


def hypervisor_present() -> bool:
    """Whether the CPU says that it is virtual (x86), or the device tree does."""
    flags = next(
        (line for line in read("/proc/cpuinfo").splitlines() if line.startswith("flags")), ""
    )
    return "hypervisor" in flags.split() or Path("/proc/device-tree/hypervisor").exists()


def selected(choices: str) -> str:
    """``always [madvise] never`` → ``madvise``."""
    _, opened, rest = choices.partition("[")
    return rest.partition("]")[0] if opened else choices


def _cpu() -> dict[str, Any]:
    info: dict[str, str] = {}
    for line in read("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        info.setdefault(key.strip(), value.strip())
    online = os.cpu_count() or 1
    return {
        "model": info.get("model name") or info.get("CPU part") or platform.machine(),
        "online": online,
        "usable": format_cpus(os.sched_getaffinity(0)),
        "smt": read(_CPU / "smt/control") or "unknown",
        "governor": _first(read(path) for path in _CPU.glob("cpu[0-9]*/cpufreq/scaling_governor")),
        "driver": _first(read(path) for path in _CPU.glob("cpu[0-9]*/cpufreq/scaling_driver")),
        "turbo": _turbo(),
        "isolated": read(_CPU / "isolated"),
        "microcode": info.get("microcode", ""),
    }


def _turbo() -> str:
    no_turbo = read(_CPU / "intel_pstate/no_turbo")
    if no_turbo:
        return "off" if no_turbo == "1" else "on"
    boost = read(_CPU / "cpufreq/boost")
    return {"0": "off", "1": "on"}.get(boost, "unknown")


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "not visible")


def _entries(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _meminfo(name: str) -> int:
    for line in read("/proc/meminfo").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def available_bytes() -> int:
    """``MemAvailable`` of /proc/meminfo, bytes."""
    return _meminfo("MemAvailable")


def peak_rss_bytes() -> int:
    """Largest resident set of this process so far (``VmHWM`` of proc_pid_status(5)), bytes.

    Not ``RUSAGE_SELF``: that one survives exec and tells of the parent.
    """
    for line in read("/proc/self/status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _os_release() -> dict[str, str]:
    pairs = (line.partition("=") for line in read("/etc/os-release").splitlines())
    return {key: value.strip('"') for key, _, value in pairs}
