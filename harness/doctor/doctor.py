"""What works on this host, what does not, why, and what to do: ``invoke doctor``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.clean import layer_store
from harness.directories import Places
from harness.errors import HarnessFault
from harness.host import facts as host
from harness.host.tuning.isolation import boot_id
from harness.host.tuning.kernel_files import Tree
from harness.host.tuning.undo import UndoFile
from harness.plan.limits import allot
from runtimes.base import Runtime
from runtimes.faults import RuntimeFault
from runtimes.linux import cgroups
from runtimes.linux.ids import entering, obstacles
from runtimes.linux.ids.rights import Rights, held, is_host_root
from runtimes.process import find

State = Literal["works", "caution", "missing"]
_NEEDED_BYTES = 3 << 30


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    subject: str
    state: State
    why: str
    remedy: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What was measured, for programs: shares and CPUs' worth."""


def examine(
    runtimes: Mapping[str, Runtime],
    broken: Mapping[str, str],
    places: Places,
    options: Mapping[str, str],
) -> list[Row]:
    """Every backend, then every condition of the host."""
    rows = [_backend(name, each, options) for name, each in runtimes.items()]
    rows += [
        Row(f"backend {name}", "missing", why, "repair or remove that package")
        for name, why in broken.items()
    ]
    facts = host.facts()
    rows += [row for check in _CHECKS if (row := check(facts)) is not None]
    rows.append(_space(places))
    rows += _layers(places)
    rows.append(tuned(UndoFile(), Tree()))
    return rows


def tuned(file: UndoFile, tree: Tree) -> Row:
    """Whether this host was tuned by us, and since when."""
    undo_it = "invoke doctor --restore"
    try:
        undo = file.load()
    except HarnessFault as fault:
        return Row("tuning", "caution", str(fault), fault.hint)
    if undo is None:
        return Row("tuning", "works", "not tuned by tarebench", "invoke doctor --tune")
    count = f"{len(undo.originals)} settings noted"
    if undo.boot_id != boot_id(tree):
        why = f"tuned at {undo.tuned_utc}, before this boot: none of it is left"
        return Row("tuning", "caution", why, f"invoke doctor --tune again, or {undo_it}")
    return Row("tuning", "works", f"tuned since {undo.tuned_utc}: {count}", f"undo: {undo_it}")


def _backend(name: str, runtime: Runtime, options: Mapping[str, str]) -> Row:
    answer = runtime.availability(options)
    subject = f"backend {name}"
    if answer.ok and answer.caution:
        return Row(subject, "caution", answer.caution, answer.fix)
    return Row(subject, "works" if answer.ok else "missing", answer.reason, answer.fix)


def _root(_facts: Mapping[str, Any]) -> Row:
    if is_host_root():
        return Row("root", "works", "cgroups, namespaces and taps can be made")
    return Row(
        "root",
        "caution",
        f"running as user {os.geteuid()}: native and ns in a user namespace, nothing else",
        "run as root for all backends and for limits",
    )


def _user_namespaces(_facts: Mapping[str, Any]) -> Row | None:
    """Of a plain user, whose boxes all need them."""
    if held() is not Rights.USER:
        return None
    obstacle = obstacles.found()
    if obstacle is not None:
        return Row("user namespaces", "missing", obstacle.reason, obstacle.fix)
    return Row("user namespaces", "works", "this user can make them")


def _subordinate_ids(_facts: Mapping[str, Any]) -> Row | None:
    if held() is not Rights.USER:
        return None
    wanted = entering.wanted()
    if wanted.single:
        return Row(
            "subordinate ids",
            "missing",
            "one id only, so the root filesystem cannot be built",
            wanted.why_single,
        )
    return Row("subordinate ids", "works", f"{sum(each.count for each in wanted.uids)} ids")


def _cgroups(facts: Mapping[str, Any]) -> Row:
    mode = facts["cgroup"]
    if mode == "none":
        return Row(
            "cgroups",
            "missing",
            "no cgroup file system is mounted",
            "mount -t cgroup2 none /sys/fs/cgroup",
        )
    usable = cgroups.usable()
    if isinstance(usable, cgroups.Absent):
        why = f"{mode}; {usable.why}: no limits but CPUs"
        return Row("cgroups", "caution", why, usable.hint)
    lacking = sorted(cgroups.LIMITING - usable.enforces)
    if lacking:
        why = f"{usable.version}: no {', '.join(lacking)} was handed down to this user"
        return Row("cgroups", "caution", why, "as root: Delegate=yes in user@.service")
    return Row("cgroups", "works", usable.version)


def _platform(facts: Mapping[str, Any]) -> Row:
    kind = facts["virtualisation"]
    if kind == "none":
        return Row("bare metal", "works", "this host is not a virtual machine")
    return Row(
        "bare metal",
        "caution",
        f"this host is itself a virtual machine ({kind})",
        "VMs here are nested; judge VMs on bare metal",
    )


def _clock(facts: Mapping[str, Any]) -> Row:
    source = facts["clock_source"] or "unknown"
    if source in {"tsc", "arch_sys_counter", "kvm-clock"}:
        return Row("clock source", "works", source)
    return Row(
        "clock source",
        "caution",
        f"{source}: slow to read or unstable",
        "boot with tsc=reliable if the CPU's TSC is invariant",
    )


def _governor(facts: Mapping[str, Any]) -> Row:
    governor = facts["cpu"]["governor"]
    if governor in {"performance", "not visible"}:
        return Row(
            "CPU governor",
            "works" if governor == "performance" else "caution",
            governor,
            "" if governor == "performance" else "frequency cannot be fixed or seen here",
        )
    return Row(
        "CPU governor",
        "caution",
        f"{governor}: frequency follows load",
        "invoke doctor --tune",
    )


def _turbo(facts: Mapping[str, Any]) -> Row | None:
    if facts["cpu"]["turbo"] != "on":
        return None
    return Row(
        "turbo",
        "caution",
        "the clock depends on temperature and on the other cores",
        "invoke doctor --tune",
    )


def _smt(facts: Mapping[str, Any]) -> Row:
    if facts["cpu"]["smt"] == "on":
        return Row(
            "SMT",
            "caution",
            "two hardware threads share a core's units",
            "invoke doctor --tune",
        )
    return Row("SMT", "works", facts["cpu"]["smt"])


def _huge_pages(facts: Mapping[str, Any]) -> Row:
    mode = facts["transparent_hugepages"] or "not built in"
    if mode == "always":
        return Row(
            "huge pages",
            "caution",
            "always: memory figures depend on fragmentation",
            "invoke doctor --tune",
        )
    return Row("huge pages", "works", mode)


def _merging(facts: Mapping[str, Any]) -> Row:
    if facts["ksm"]:
        return Row(
            "page merging",
            "caution",
            "KSM is on: footprints shrink behind the figures",
            "invoke doctor --tune",
        )
    return Row("page merging", "works", "KSM is off")


def _swap(facts: Mapping[str, Any]) -> Row:
    if facts["swap_bytes"]:
        return Row("swap", "caution", f"{facts['swap_bytes'] >> 20} MiB of swap", "swapoff -a")
    return Row("swap", "works", "none")


def _stall_information(facts: Mapping[str, Any]) -> Row:
    if facts["psi"]:
        return Row("pressure", "works", "the kernel tells how long tasks waited (PSI)")
    return Row(
        "pressure", "caution", "no PSI: pressure from outside is not seen", "boot with psi=1"
    )


def _cpus(_facts: Mapping[str, Any]) -> Row:
    split = allot(None, None, None)
    if split.shared:
        return Row(
            "CPUs",
            "caution",
            "one CPU: harness and box disturb each other",
            "use a host with at least two CPUs",
        )
    return Row(
        "CPUs", "works", f"box on {split.box.cpus}, harness and peer on {split.harness_cpus}"
    )


def _tools(_facts: Mapping[str, Any]) -> Row:
    needed = ("ip", "nft", "nsenter", "sysctl", "mmdebstrap", "cc")
    absent = [tool for tool in needed if find(tool) is None]
    if absent:
        return Row("tools", "missing", f"not found: {', '.join(absent)}", "run ./bootstrap")
    return Row("tools", "works", ", ".join(needed))


def _space(places: Places) -> Row:
    directory = places.cache
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    if free < _NEEDED_BYTES:
        return Row(
            "disk space",
            "missing",
            f"{free >> 20} MiB free for {places.cache}",
            "make 3 GiB free, or set TAREBENCH_CACHE to another disk",
        )
    return Row("disk space", "works", f"{free >> 30} GiB free for {places.cache}")


def _layers(places: Places) -> list[Row]:
    """How large the layer store is, where there is one."""
    try:
        found = layer_store.examine(places.cache)
    except RuntimeFault as fault:
        return [Row("layer store", "caution", str(fault), fault.hint)]
    if found is None:
        return []
    used = f", in use by run {', '.join(found.living)}" if found.living else ""
    why = f"{found.images} images, {found.layers} layers, {found.size_bytes >> 20} MiB{used}"
    if found.damaged:
        why = f"{why}; {len(found.damaged)} records are damaged: {found.damaged[0]}"
        return [Row("layer store", "caution", why, "python -m runtimes.standalone.image images")]
    return [
        Row("layer store", "works", why, "python -m runtimes.standalone.image gc --limit BYTES")
    ]


_CHECKS: Sequence[Callable[[Mapping[str, Any]], Row | None]] = (
    _root,
    _user_namespaces,
    _subordinate_ids,
    _tools,
    _cgroups,
    _cpus,
    _platform,
    _clock,
    _governor,
    _turbo,
    _smt,
    _huge_pages,
    _merging,
    _swap,
    _stall_information,
)
