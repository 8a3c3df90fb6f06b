"""The default filter against the ecosystem's list, call by call, and in a real kernel."""

from __future__ import annotations

import contextlib
import errno
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from runtimes.ns.seccomp import calls, compiler
from tests.support import bpf, escapes
from tests.support.escapes import Arena

DATA = Path(__file__).parents[1] / "data/seccomp/denied.json"
PODMANS = Path("/usr/share/containers/seccomp.json")
HERE = {"x86_64": bpf.X86_64, "aarch64": bpf.AARCH64}[platform.machine()]
LAST_NUMBER = 456
"""futex_requeue: the newest call that the filter knows."""
JUDGED_BY_ARGUMENTS = {"clone", "personality", "socket"}
ALL_ONES = (-1,) * 6
"""Arguments that no administrative call does anything with."""


@pytest.fixture(scope="module")
def library() -> ModuleType:
    found: ModuleType = pytest.importorskip("pyseccomp", reason="libseccomp is not installed")
    return found


@pytest.fixture(scope="module")
def denied() -> Mapping[str, str]:
    """Call → what would allow it."""
    groups = json.loads(DATA.read_text())
    return {name: why for why, names in groups.items() if why != "about" for name in names}


def calls_here(library: ModuleType) -> dict[str, int]:
    """Every call of this architecture by name."""
    found = {}
    for number in range(LAST_NUMBER + 1):
        with contextlib.suppress(ValueError):  # no call has this number
            found[library.resolve_syscall(library.Arch.NATIVE, number).decode()] = number
    return found | {name: number for name, number in calls.NEWER.items() if number <= LAST_NUMBER}


def test_every_call_of_this_architecture_is_judged_as_the_ecosystem_does(
    library: ModuleType, denied: Mapping[str, str]
) -> None:
    program = compiler.compile_filter()
    wrong = {}
    for name, number in calls_here(library).items():
        verdict = bpf.verdict(program, number, architecture=HERE)
        wanted = bpf.ERRNO | errno.EPERM if name in denied else bpf.ALLOW
        if name == "clone3":
            wanted = bpf.ERRNO | errno.ENOSYS
        if verdict != wanted and name not in JUDGED_BY_ARGUMENTS:
            wrong[name] = hex(verdict)
    assert wrong == {}


def test_the_list_is_of_calls_that_exist(library: ModuleType, denied: Mapping[str, str]) -> None:
    assert len(calls_here(library)) > 300
    unknown = {name for name in denied if compiler.resolve(library, name) is None}
    assert unknown == set()
    assert not set(denied) & set(calls.ALLOWED)


def test_podmans_profile_differs_only_where_it_is_known_to(denied: Mapping[str, str]) -> None:
    """Its authors let containers make user namespaces, and what then makes sense in one."""
    if not PODMANS.exists():
        pytest.skip("golang-github-containers-common is not installed")
    rules = json.loads(PODMANS.read_text())["syscalls"]
    theirs = {
        name
        for rule in rules
        if rule["action"] == "SCMP_ACT_ALLOW"
        and not any(rule.get(key) for key in ("includes", "excludes", "args"))
        for name in rule["names"]
    }
    ours = set(calls.ALLOWED)
    assert ours - theirs <= {"chroot", "io_pgetevents", "io_pgetevents_time64", "vmsplice",
                             "futex_waitv", *calls.NEWER}  # fmt: skip
    without_numbers = {"readdir", "sigaction", "signal", "sigpending", "sigsuspend", "syscall",
                       "timerfd"}  # fmt: skip
    judged = {"clone", "clone3", "socketcall"}
    assert theirs - ours - without_numbers - judged <= set(denied)


@pytest.mark.root
def test_every_denied_call_is_denied_by_the_kernel_in_a_box(
    arena: Arena, library: ModuleType, denied: Mapping[str, str]
) -> None:
    """With every capability and without a user namespace: what refuses is the filter."""
    here, wrong = calls_here(library), {}
    with arena.box("only-filter") as instance:
        for name in denied:
            if name in here:
                told = escapes.attack(instance.agent, "call", here[name], *ALL_ONES)
                if told.reason != "EPERM":
                    wrong[name] = told.reason
    assert wrong == {}


ALLOWED = {
    "read": "EBADF", "fchdir": "EBADF", "fsync": "EBADF", "openat": "EFAULT", "statx": "EFAULT",
    "execve": "EFAULT", "chroot": "EFAULT", "mknodat": "EFAULT", "futex": "ENOSYS",
    "getppid": "", "sched_yield": "", "mprotect": "EINVAL", "munmap": "EINVAL", "prctl": "EINVAL",
    "ptrace": "ESRCH", "pidfd_open": "EINVAL", "pidfd_send_signal": "EINVAL", "dup": "EBADF",
    "epoll_create1": "EINVAL", "timerfd_create": "EINVAL", "inotify_init1": "EINVAL",
    "memfd_create": "EINVAL", "landlock_create_ruleset": "EINVAL", "setpriority": "EINVAL",
}  # fmt: skip


@pytest.mark.root
@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_an_allowed_call_reaches_the_kernel_in_a_box(
    arena: Arena, library: ModuleType, name: str
) -> None:
    number = calls_here(library)[name]
    told = arena.in_box("default", "call", number, *ALL_ONES).reason
    assert told == arena.in_box("wide-open", "call", number, *ALL_ONES).reason
    assert told == ALLOWED[name] or told not in {"EPERM", "ENOSYS"}


@pytest.mark.root
@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("socket", 1), ""), (("socket", 2), ""), (("socket", 16, 3), ""),
        (("socket", 40), "EPERM"), (("socket", 38, 5), "EPERM"), (("personality",), "EPERM"),
        (("clone", 0), ""), (("clone", 0x10000000), "EPERM"), (("clone", 0x04000000), "EPERM"),
        (("clone", 0x08000000), "EPERM"), (("clone", 0x20000000), "EPERM"),
        (("clone", 0x02000000), "EPERM"), (("clone3", 0), "ENOSYS"),
    ],
)  # fmt: skip
def test_calls_are_judged_by_their_arguments_in_a_box(
    arena: Arena, argv: tuple[str | int, ...], reason: str
) -> None:
    assert arena.in_box("only-filter", *argv).reason == reason


@pytest.mark.root
def test_a_call_that_the_filter_does_not_know_is_missing_in_a_box(arena: Arena) -> None:
    for number in (LAST_NUMBER + 1, 999, 100_000):
        assert arena.in_box("default", "call", number).reason == "ENOSYS"
