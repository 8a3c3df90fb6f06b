"""The waterfall: profiles that add one mechanism at a time, from fork and exec to ``default``.

Each is the one before it and one mechanism more, so that the difference of two neighbours is the
price of a mechanism.  Their names sort into that order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from runtimes.ns.profile import DEFAULT, NetworkMode, Profile


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of the waterfall."""

    name: str
    """Of the profile: ``ns:<name>`` is an arm."""
    mechanism: str
    """In a few words, for a chart's axis."""
    added: str
    """What a start does more than in the step before, in a sentence."""
    profile: Profile


TRACKED = frozenset({"cpuacct"})
"""Nothing limits the first steps; one cgroup there is, to end them by."""

BARE = replace(
    DEFAULT,
    mount=False,
    user=False,
    pid=False,
    uts=False,
    ipc=False,
    cgroup=False,
    network=NetworkMode.HOST,
    overlay=False,
    pivot=False,
    controllers=TRACKED,
    masks=False,
    capabilities=False,
    no_new_privileges=False,
    seccomp=False,
)

_CHANGES: tuple[tuple[str, str, str, dict[str, object]], ...] = (
    ("fork-exec", "fork + exec", ("The resident launcher forks and executes the program in a "
      "prepared root directory (chroot), in one cgroup (of CPU accounting, to end it by)."), {}),
    ("mount", "mount namespace", "A copy of the mount table.", {"mount": True}),
    ("uts", "UTS namespace", "A host name of its own.", {"uts": True}),
    ("ipc", "IPC namespace", "System V and POSIX message queues, semaphores, shared memory.",
     {"ipc": True}),
    ("pid", "PID namespace", ("Process numbers of its own, with an init that reaps and passes "
      "signals on."), {"pid": True}),
    ("net", "network namespace", "A network stack of its own, with loopback brought up.",
     {"network": NetworkMode.NONE}),
    ("overlay", "overlay root", ("A writable layer over the read-only root file system, with the "
      "host's /proc, /sys and /dev bound into it."), {"overlay": True}),
    ("pivot", "pivot_root", ("The root is pivoted to and the old one left; own /proc, /sys and "
      "/dev."), {"pivot": True}),
    ("user", "user namespace", "Ids are mapped to subordinate ones.", {"user": True}),
    ("masks", "masked paths", "Docker's hidden and read-only paths of /proc and /sys.",
     {"masks": True}),
    ("cpuset", "cgroup cpuset", "CPUs to run on.", {"controllers": {"cpuset"}}),
    ("cpu", "cgroup cpu", "CPU quota.",
     {"controllers": {"cpu"}}),
    ("memory", "cgroups memory, pids", "Memory limit and accounting, and a limit of processes.",
     {"controllers": {"memory", "pids"}}),
    ("cgroupns", "cgroup namespace", "Its own view of its cgroups at /sys/fs/cgroup.",
     {"cgroup": True}),
    ("capabilities", "capabilities", "All but Docker's default set dropped.",
     {"capabilities": True}),
    ("seccomp", "seccomp", "no_new_privs and the default filter.",
     {"no_new_privileges": True, "seccomp": True}),
    ("veth", "veth pair", "An interface with an address, its other end on no bridge.",
     {"network": NetworkMode.VETH}),
    ("bridge", "bridge + NAT", ("The other end on the bridge, behind address translation: the "
      "full profile, equal to default."), {"network": NetworkMode.BRIDGE, "controllers": None}),
)  # fmt: skip


def _steps() -> Iterator[Step]:
    profile = BARE
    for number, (word, mechanism, added, changes) in enumerate(_CHANGES, 1):
        changed = dict(changes)
        more = changed.get("controllers")
        if isinstance(more, set):
            changed["controllers"] = (profile.controllers or frozenset()) | more
        summary = f"waterfall {number:02}: {mechanism} added"
        profile = replace(profile, summary=summary, **changed)  # type: ignore[arg-type]  # by name
        yield Step(f"wf-{number:02}-{word}", mechanism, added, profile)


WATERFALL: tuple[Step, ...] = tuple(_steps())
