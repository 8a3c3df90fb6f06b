"""What the suite says of ``ns`` beyond praise, each with the reason.

An entry that no longer holds fails the test: then take it out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

CORE = (
    *("config_updates_without_affect", "create", "default", "delete_only_create_resources"),
    *("delete_resources", "hooks_stdin", "linux_cgroups_pids", "linux_cgroups_relative_cpus"),
    *("linux_devices", "linux_masked_paths", "linux_ns_nopath", "linux_ns_path_type"),
    *("linux_seccomp", "linux_sysctl", "linux_uid_mappings", "misc_props", "poststart_fail"),
    *("poststop", "prestart_fail", "process", "process_capabilities_fail"),
    *("process_oom_score_adj", "process_rlimits", "process_rlimits_fail", "process_user"),
    *("root_readonly_true", "start", "state"),
)
"""Quick, and together every part of the specification; the others take minutes or repeat these."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Failures of one program that are expected."""

    why: str
    failures: frozenset[str]
    here: Callable[[], bool] = lambda: True
    """Whether it is to be expected on this host."""
    always: bool = True
    """Or the program is a race, which may also be won."""


def _differs(why: str, *failures: str, here: Callable[[], bool] = lambda: True) -> Difference:
    return Difference(why, frozenset(failures), here)


def _lists_by_age() -> bool:
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor)) >= (6, 8)


def _lacks_capabilities() -> bool:
    status = Path("/proc/self/status").read_text()
    bounding = next(line for line in status.splitlines() if line.startswith("CapBnd"))
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    return int(bounding.split()[1], 16) != (1 << last + 1) - 1


_REFUSED = "ended with 1: exit status 1"
_FAULT = "exit status 1"
_UNDONE = "ns sets no such limit, and refuses a bundle that asks for one rather than pass it over"
_MOUNTS = ("mounts[1] (/dev) found in order", "mounts[5] (/sys) found in order")

KNOWN: Mapping[str, Difference] = {
    "hooks": _differs(
        "the program reads what the hooks wrote after it has removed it (runc fails too)",
        "Hooks MUST be called in the listed order",
    ),
    "hooks_stdin": _differs(
        "wants a prestart hook to see “created”; since 1.0.2 it is “creating” (runc fails too)",
        'the state of the container MUST be passed to "prestart" hook over stdin',
    ),
    "linux_cgroups_blkio": _differs(f"leafWeight: {_UNDONE}", _REFUSED),
    "linux_cgroups_relative_blkio": _differs(f"leafWeight: {_UNDONE}", _FAULT),
    "linux_cgroups_hugetlb": _differs(f"hugepageLimits: {_UNDONE}", _REFUSED),
    "linux_cgroups_relative_hugetlb": _differs(f"hugepageLimits: {_UNDONE}", _FAULT),
    "linux_cgroups_memory": _differs(f"memory.kernel: {_UNDONE} (runc fails too)", _FAULT),
    "linux_cgroups_relative_memory": _differs(f"memory.kernel: {_UNDONE} (runc fails too)", _FAULT),
    "linux_cgroups_network": _differs(f"network: {_UNDONE}", _REFUSED),
    "linux_cgroups_relative_network": _differs(f"network: {_UNDONE}", _FAULT),
    "linux_mount_label": _differs(
        "ns sets no security labels, and refuses to be asked for one", _REFUSED
    ),
    "linux_process_apparmor_profile": _differs(
        "ns sets no security labels, and refuses to be asked for one", _REFUSED
    ),
    "linux_ns_itype": _differs(
        "a container without a mount namespace would mount over the host's: refused",
        "cannot run validation tests: exit status 1",
    ),
    "linux_ns_path": _differs(
        "ns joins no mount namespace of another: refused", "set mnt namespace by path"
    ),
    "linux_uid_mappings": _differs(
        "with a user namespace /dev, /proc and /sys are made before they are attached, and kernels "
        "from 6.8 on list mounts by age",
        *_MOUNTS,
        here=_lists_by_age,
    ),
    "misc_props": _differs(
        "runs a program that is not in the bundle (runc fails too); and an unknown property may be "
        "a restriction that somebody relies upon: refused, against the specification",
        "implementations that are reading/processing this configuration file MUST NOT generate an "
        "error if they encounter an unknown annotation key",
        "runtimes that are reading or processing this configuration file MUST NOT generate an "
        "error if they encounter an unknown property",
    ),
    "mounts": _differs(
        "no bind mount of ns propagates from or to the host: other propagation is refused",
        _REFUSED,
    ),
    "pidfile": Difference(
        "wants no error of killing `true`, if it has not ended yet (runc fails too, now and then)",
        frozenset({"create with '--pid-file' option works"}),
        always=False,
    ),
    "prestart": _differs(
        "wants prestart hooks in “start”; the specification has them in “create” (runc fails too)",
        "Pre-start hooks MUST be called after the `start` operation is called",
    ),
    "process_capabilities": _differs(
        "asks for every capability, and this host's root lacks some (runc fails too)",
        _REFUSED,
        here=_lacks_capabilities,
    ),
    "process_rlimits": _differs(
        "Go raises the soft limit of files before the test looks (runc fails too)",
        "has expected soft RLIMIT_NOFILE",
    ),
    "start": _differs(
        "wants a container without a process to be made: ns refuses it (runc fails too)", _FAULT
    ),
}
