"""Why a plain user gets no user namespace on this host, and what to do about it.

Distributions switch them off in three ways; each is named with its own remedy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.process import find

_PROBE_S = 10.0
_SYSCTLS = Path("/proc/sys")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands in the way."""

    reason: str
    fix: str


def read(name: str) -> str | None:
    """A sysctl by its path; ``None`` where this kernel has none of that name."""
    try:
        return (_SYSCTLS / name).read_text().strip()
    except OSError:
        return None


def switched_off(sysctl: Callable[[str], str | None] = read) -> Obstacle | None:
    """What forbids user namespaces to everybody but root."""
    if sysctl("kernel/unprivileged_userns_clone") == "0":
        return Obstacle(
            "kernel.unprivileged_userns_clone is 0: only root may make user namespaces",
            "as root: sysctl -w kernel.unprivileged_userns_clone=1",
        )
    if sysctl("user/max_user_namespaces") == "0":
        return Obstacle(
            "user.max_user_namespaces is 0: nobody may make user namespaces",
            "as root: sysctl -w user.max_user_namespaces=15000",
        )
    return None


def likely(sysctl: Callable[[str], str | None] = read) -> Obstacle:
    """The likely cause where a user namespace was refused, or gave no rights."""
    found = switched_off(sysctl)
    if found is not None:
        return found
    if sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return Obstacle(
            "AppArmor gives no rights in user namespaces to programs without a profile "
            "(kernel.apparmor_restrict_unprivileged_userns is 1)",
            "as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or a profile "
            "with `userns,` for this Python",
        )
    return Obstacle(
        "the kernel refuses user namespaces to this user",
        "inside a container its seccomp filter or too many namespaces forbid them: run on the "
        "host; see /proc/sys/user/max_user_namespaces",
    )


def found() -> Obstacle | None:
    """What keeps this user from user namespaces, found by making one; ``None`` where nothing does.

    The probe mounts too: AppArmor lets a namespace be made and then refuses what it is for.
    """
    if not Path("/proc/self/ns/user").exists():
        return Obstacle("this kernel is built without user namespaces", "run as root")
    program = find("unshare")
    if program is None:
        return Obstacle("no unshare to try a user namespace with", "apt-get install util-linux")
    try:
        process.run(
            [str(program), "--user", "--map-root-user", "--mount", "true"], timeout_s=_PROBE_S
        )
    except RuntimeFault:
        return likely()
    return None
