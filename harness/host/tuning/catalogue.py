"""What is tuned, in the order in which it is tuned: pure readings of a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.host.tuning.kernel_files import Tree
from harness.host.tuning.setting import Setting, mask
from runtimes.conventions import CGROUP_PARENT
from runtimes.linux.cpu_list import format_cpus

CPU = "/sys/devices/system/cpu"
KSM = "/sys/kernel/mm/ksm"
IRQ = "/proc/irq"
CGROUP = "/sys/fs/cgroup"
ISOLATION = "isolated CPUs"


@dataclass(frozen=True, slots=True)
class Place:
    """A host as it is between two stages."""

    tree: Tree
    harness_cpus: frozenset[int]
    """Where interrupts go; empty where harness and box share their CPUs."""


Stage = Callable[[Place], Iterable[Setting]]


def siblings(place: Place) -> Iterable[Setting]:
    """First, since it decides which CPUs there are."""
    path = f"{CPU}/smt/control"
    if place.tree.read(path) in {"on", "off"}:  # else: forced off, or not supported
        yield Setting("SMT siblings", path, "off")


def processors(place: Place) -> Iterable[Setting]:
    """The clock: no turbo, no governor that follows the load."""
    for path, wanted in ((f"{CPU}/intel_pstate/no_turbo", "1"), (f"{CPU}/cpufreq/boost", "0")):
        if place.tree.read(path) in {"0", "1"}:
            yield Setting("turbo", path, wanted)
    for path in place.tree.paths(CPU, "cpu[0-9]*/cpufreq/scaling_governor"):
        offered = place.tree.read(path.replace("_governor", "_available_governors")) or ""
        if "performance" in offered.split():
            yield Setting("CPU governor", path, "performance")


def memory(place: Place) -> Iterable[Setting]:
    """Huge pages only where asked for; no page shared; no swapping out of what may be used."""
    huge = Setting("huge pages", "/sys/kernel/mm/transparent_hugepage/enabled", "", "choice")
    mode = huge.read(place.tree)
    if mode:
        wanted = "madvise" if mode == "always" else mode
        yield Setting(huge.subject, huge.path, wanted, "choice")
    running = place.tree.read(f"{KSM}/run")
    if running in {"0", "1", "2"}:
        shared = place.tree.read(f"{KSM}/pages_sharing") not in {"0", None}
        # 0 leaves merged what is merged; 2 stops and separates (admin-guide/mm/ksm.rst).
        yield Setting("page merging", f"{KSM}/run", "0" if running == "0" and not shared else "2")
    swappiness = "/proc/sys/vm/swappiness"
    if _has_swap(place.tree) and place.tree.read(swappiness) is not None:
        yield Setting("swappiness", swappiness, "1")


def interrupts(place: Place) -> Iterable[Setting]:
    """To the harness's CPUs, so that the box is not interrupted for others."""
    if not place.harness_cpus:
        return
    default = f"{IRQ}/default_smp_affinity"
    if place.tree.read(default) is not None:
        yield Setting("IRQ affinity", default, mask(place.harness_cpus), "mask")
    cpus = format_cpus(place.harness_cpus)
    for path in sorted(place.tree.paths(IRQ, "[0-9]*/smp_affinity_list"), key=_irq):
        yield Setting("IRQ affinity", path, cpus, "cpus")


def balanced(tree: Tree) -> bool:
    """Whether irqbalance is at work, which owns the same settings."""
    return any(tree.read(path) == "irqbalance" for path in tree.paths("/proc", "[0-9]*/comm"))


def partition(place: Place) -> Iterable[Setting]:
    """Hand the cpuset controller to the top-level cgroups, so that the next stage has its files."""
    if place.harness_cpus and unified(place.tree):
        yield Setting(ISOLATION, f"{CGROUP}/cgroup.subtree_control", "+cpuset", "controller")


def isolation(place: Place) -> Iterable[Setting]:
    """Everything but boxes off the boxes' CPUs: each top-level cgroup but ours.

    Not a cpuset partition: the peer and a box have one parent and different CPUs, and within an
    ``isolated`` one the kernel would not balance the box's threads.
    """
    if not place.harness_cpus or not unified(place.tree):
        return
    cpus = format_cpus(place.harness_cpus)
    for path in place.tree.paths(CGROUP, "*/cpuset.cpus"):
        if path.split("/")[-2] != CGROUP_PARENT:
            yield Setting(ISOLATION, path, cpus, "cpus")


def unified(tree: Tree) -> bool:
    """Whether the host has cgroup v2 with the cpuset controller."""
    return "cpuset" in (tree.read(f"{CGROUP}/cgroup.controllers") or "").split()


STAGES: Sequence[Stage] = (siblings, processors, memory, interrupts, partition, isolation)

ABSENT: Mapping[str, str] = {
    "SMT siblings": "this host has none, or its firmware switched them off for good",
    "turbo": "neither intel_pstate nor cpufreq is here: a virtual machine's host decides",
    "CPU governor": "no cpufreq with a governor called performance is here",
    "huge pages": "the kernel is built without transparent huge pages",
    "page merging": "the kernel is built without KSM",
    "swappiness": "there is no swap",
    "IRQ affinity": "harness and box share their CPUs",
    ISOLATION: "this takes cgroup v2, and a CPU for the harness alone; on v1 boot with "
    "isolcpus=domain,managed_irq,<the box's CPUs>",
}
"""Why a subject may have nothing to set."""


def _irq(path: str) -> int:
    return int(path.split("/")[-2])


def _has_swap(tree: Tree) -> bool:
    return len((tree.read("/proc/swaps") or "").splitlines()) > 1
