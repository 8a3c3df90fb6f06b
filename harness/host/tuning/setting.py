"""One file of the kernel that holds one setting, and how its values are written."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Literal

from harness.host.tuning.kernel_files import Tree
from runtimes.linux.cpu_list import parse_cpus

Form = Literal["word", "choice", "cpus", "mask", "controller"]
"""``choice`` reads ``always [madvise] never``; ``cpus`` is a list as 0-2,5; ``mask`` is hexadecimal
in groups of 32 bits; ``controller`` is one cgroup controller, handed down or not: +cpuset."""

PERMITTED = tuple(
    re.compile(pattern)
    for pattern in (
        r"/sys/devices/system/cpu/smt/control",
        r"/sys/devices/system/cpu/intel_pstate/no_turbo",
        r"/sys/devices/system/cpu/cpufreq/boost",
        r"/sys/devices/system/cpu/cpu\d{1,5}/cpufreq/scaling_governor",
        r"/sys/kernel/mm/transparent_hugepage/enabled",
        r"/sys/kernel/mm/ksm/run",
        r"/proc/sys/vm/swappiness",
        r"/proc/irq/default_smp_affinity",
        r"/proc/irq/\d{1,6}/smp_affinity_list",
        r"/sys/fs/cgroup/cgroup\.subtree_control",
        r"/sys/fs/cgroup/(?!\.)[\w.@:\\-]{1,255}/cpuset\.cpus",
    )
)
"""No other file is ever written, whatever an undo file says."""


def permitted(path: str) -> bool:
    """Whether ``path`` is one that tuning may write."""
    return any(pattern.fullmatch(path) for pattern in PERMITTED)


@dataclass(frozen=True, slots=True)
class Setting:
    """A file and the value that it should have."""

    subject: str
    """As the table calls it, e.g. ``CPU governor``."""
    path: str
    wanted: str
    form: Form = "word"

    def read(self, tree: Tree) -> str | None:
        """The value now, as it would be written; None where there is no such file."""
        text = tree.read(self.path)
        if text is None:
            return None
        if self.form == "controller":
            name = self.wanted.lstrip("+-")
            return f"+{name}" if name in text.split() else f"-{name}"
        if self.form != "choice":
            return text
        _, opened, rest = text.partition("[")
        return rest.partition("]")[0] if opened else text

    def holds(self, tree: Tree, value: str) -> bool:
        """Whether the file has ``value``, however either is spelled."""
        now = self.read(tree)
        return now is not None and self._meaning(now) == self._meaning(value)

    def _meaning(self, value: str) -> object:
        with contextlib.suppress(ValueError):
            if self.form == "mask":
                return int(value.replace(",", ""), 16)
            if self.form == "cpus":
                return parse_cpus(value)
        return value


def mask(cpus: frozenset[int]) -> str:
    """CPUs as the kernel reads a mask: hexadecimal, a comma between groups of 32 bits."""
    bits = sum(1 << cpu for cpu in cpus)
    groups = [bits & 0xFFFF_FFFF]
    while bits := bits >> 32:
        groups.append(bits & 0xFFFF_FFFF)
    return ",".join(f"{group:08x}" for group in reversed(groups))
