"""Keep private facts out of what people share: run.json, the journal, the report made from them.

Host and user names, directories of the user's and addresses of remote daemons are replaced by what
they stand for; of the kernel's command line only those parameters are kept that bear on measuring.
``bench --private-facts`` keeps everything.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import pwd
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.directories import PROJECT, Places
from harness.journal import Journal
from results.records.records import ArmRecord, GateFinding, Run, Sample, Skipped, Trial

PARAMETERS = re.compile(
    r"""(?x) ^ (?:
        mitigations | nosmt | (?:no)?pti | (?:no)?spectre_v[12]\w* | spec\w*_mitigation\w*
      | spec_store_bypass_disable | l1tf | mds | mmio_stale_data | retbleed | srbds
      | tsx | tsx_async_abort | gather_data_sampling | reg_file_data_sampling | indirect_target_\w+
      | isolcpus | nohz | nohz_full | rcu_nocbs | rcu_nocb_poll | irqaffinity | housekeeping
      | skew_tick | threadirqs | preempt | idle | maxcpus | nr_cpus | mem | memmap
      | (?:default_)?hugepages(?:z)? | transparent_hugepage\w* | numa | numa_balancing
      | intel_pstate | amd_pstate | intel_idle\.\w+ | processor\.\w+ | cpufreq\.\w+ | cpuidle\.\w+
      | clocksource | tsc | hpet | no-?kvmclock | no-steal-acc | kvm(?:[-_](?:intel|amd))?\.\w+
      | swapaccount | psi | cgroup\w* | systemd\.(?:unified|legacy_systemd)_cgroup\w*
      | nokaslr | randomize_kstack_offset | init_on_(?:alloc|free) | slub_debug | page_poison
      | (?:intel_|amd_)?iommu(?:\.\w+)? | audit | selinux | apparmor | lsm | security | elevator
    ) (?: = | $ )"""
)
"""Of Documentation/admin-guide/kernel-parameters.txt: what changes how long work takes."""

GENERIC = frozenset({"localhost", "root", "debian", "ubuntu", "linux", "host", "user", "nobody"})
"""Names that tell nothing of anybody."""
_SHORTEST = 3
_AUTHORITY = re.compile(r"\b([a-z][a-z0-9+.-]*://)(?!localhost\b|127\.)[^/\s?#'\"]+", re.IGNORECASE)
"""``user@machine:port`` of an address; a local one such as ``unix:///run`` has none."""


def kernel_parameters(command_line: str) -> tuple[str, int]:
    """The parameters that bear on measuring, in order, and how many others there are."""
    words = command_line.split()
    kept = [word for word in words if PARAMETERS.match(word)]
    return " ".join(kept), len(words) - len(kept)


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is replaced by what."""

    directories: tuple[tuple[str, str], ...]
    """(path, what it stands for), the longest first."""
    names: tuple[tuple[str, str], ...]
    """(host or user name, what it stands for)."""

    def text(self, text: str) -> str:
        """``text`` without them."""
        for path, stands_for in self.directories:
            text = re.sub(rf"{re.escape(path)}(?![\w.-])", stands_for, text)
        for name, stands_for in self.names:
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", stands_for, text)
        return _AUTHORITY.sub(r"\1<host>", text)

    def run(self, run: Run) -> Run:
        """The run's record without them."""
        return dataclasses.replace(
            run,
            command=tuple(map(self.text, run.command)),
            host=self._host(run.host),
            arms=tuple(map(self._arm, run.arms)),
            skipped=tuple(
                Skipped(each.backend, self.text(each.reason), self.text(each.fix))
                for each in run.skipped
            ),
            notes=tuple(map(self.text, run.notes)),
        )

    def trial(self, trial: Trial) -> Trial:
        """The trial's record without them."""
        return dataclasses.replace(
            trial,
            error=self.text(trial.error),
            tail=self.text(trial.tail),
            findings=tuple(map(self._finding, trial.findings)),
        )

    def _finding(self, finding: GateFinding) -> GateFinding:
        return dataclasses.replace(
            finding, reason=self.text(finding.reason), remedy=self.text(finding.remedy)
        )

    def _host(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        kept, others = kernel_parameters(str(facts.get("command_line", "")))
        return {**facts, "command_line": kept, "command_line_others": others}

    def _arm(self, arm: ArmRecord) -> ArmRecord:
        versions = {name: self.text(version) for name, version in arm.versions.items()}
        return dataclasses.replace(arm, versions=versions)


@dataclass(frozen=True, slots=True)
class RedactingJournal:
    """A journal whose trials are redacted before they are written."""

    journal: Journal
    redaction: Redaction

    def recorded(self) -> Iterable[Trial]:
        """Every trial recorded so far, as it was recorded."""
        return self.journal.recorded()

    def next_attempt(self, trial_id: str) -> int:
        """Number of the attempt that begins now."""
        return self.journal.next_attempt(trial_id)

    def append(self, trial: Trial, samples: Sequence[Sample]) -> None:
        """Record one trial; durable on return."""
        self.journal.append(self.redaction.trial(trial), samples)

    def extend(self, records: Sequence[tuple[Trial, Sequence[Sample]]]) -> None:
        """Record trials that ended together; durable on return."""
        self.journal.extend([(self.redaction.trial(trial), its) for trial, its in records])


class Nothing(Redaction):
    """Keeps everything: ``--private-facts``."""

    def __init__(self) -> None:
        super().__init__((), ())

    def text(self, text: str) -> str:
        """As it is."""
        return text

    def run(self, run: Run) -> Run:
        """As it is."""
        return run

    def trial(self, trial: Trial) -> Trial:
        """As it is."""
        return trial


def redaction_of(places: Places, *, keep: Iterable[str] = ()) -> Redaction:
    """What is private about this host, this user and these places.

    Args:
        places: state and cache are told by name where the user has chosen them.
        keep: names of arms and workloads, which a host may be called as well.
    """
    node = platform.node()
    names = dict.fromkeys((node, node.partition(".")[0]), "<host>")
    names |= dict.fromkeys(_users(), "<user>")
    told = GENERIC | {word for name in keep for word in re.split(r"\W+", name)}
    directories = {
        str(places.runs): "<results>",
        str(places.state): "<state>",
        str(places.cache): "<cache>",
        str(PROJECT): "<project>",
        **{home: "~" for home in _homes() if home not in {"/", "/root"}},
    }
    well_known = {"/var/lib/tarebench", "/var/cache/tarebench"}
    return Redaction(
        directories=tuple(
            sorted(
                ((path, name) for path, name in directories.items() if path not in well_known),
                key=lambda pair: -len(pair[0]),
            )
        ),
        names=tuple(
            (name, stands_for)
            for name, stands_for in sorted(names.items(), key=lambda pair: -len(pair[0]))
            if len(name) >= _SHORTEST and name.lower() not in told
        ),
    )


def _accounts() -> list[pwd.struct_passwd]:
    """Ours, and that of whoever became root by sudo(8) or doas(1)."""
    found = []
    for variable in ("SUDO_USER", "DOAS_USER"):
        with contextlib.suppress(KeyError, ValueError):
            found.append(pwd.getpwnam(os.environ[variable]))
    with contextlib.suppress(KeyError):  # a user without a name, as in many containers
        found.append(pwd.getpwuid(os.getuid()))
    return found


def _users() -> list[str]:
    return [account.pw_name for account in _accounts()]


def _homes() -> set[str]:
    return {str(Path.home()), *(account.pw_dir for account in _accounts())}
