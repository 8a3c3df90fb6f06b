"""Escapes by system calls that administer the kernel: each fails for the reason it should."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from types import ModuleType

import pytest

from tests.support import escapes
from tests.support.escapes import Arena

pytestmark = pytest.mark.root

NEW_USER, NEW_NETWORK, NEW_MOUNTS = 0x10000000, 0x40000000, 0x00020000


@dataclass(frozen=True)
class Case:
    """One attack, and what stops it."""

    argv: tuple[str | int, ...]
    open: str = ""
    """Outcome where nothing stops it: empty for success, or an errno that comes after the check."""
    by_filter: str = "EPERM"
    """Outcome where only the seccomp filter is in the way."""
    by_capabilities: str = "EPERM"
    """Outcome where only the dropped capabilities are."""
    by_userns: str = "EPERM"
    """Outcome where only the user namespace is."""
    default: str = "EPERM"

    def __str__(self) -> str:
        return " ".join(map(str, self.argv))


CASES = (
    Case(("mount-tmpfs",), by_userns=""),
    Case(("mount-proc",), by_userns=""),
    Case(("mount-cgroup", "memory"), by_userns=""),
    Case(("unmount", "/proc"), by_userns=""),
    Case(("pivot-root",), open="EBUSY", by_userns="EINVAL"),
    Case(("fsopen",), by_userns=""),
    Case(("open-tree",), by_userns=""),
    Case(("mount-setattr",), by_userns=""),
    Case(("unshare", NEW_USER), by_capabilities="", by_userns=""),
    Case(("unshare", NEW_NETWORK), by_userns=""),
    Case(("unshare", NEW_MOUNTS), by_userns=""),
    Case(("clone", NEW_USER), by_capabilities="", by_userns=""),
    Case(("clone", NEW_NETWORK), by_userns=""),
    Case(("clone3", NEW_USER), by_filter="ENOSYS", by_capabilities="", by_userns="",
         default="ENOSYS"),
    Case(("setns", "/proc/self/ns/net"), by_userns=""),
    Case(("bpf",)),
    Case(("perf-event-open",), by_capabilities="EACCES", by_userns="EACCES"),
    Case(("userfaultfd",)),
    Case(("io-uring",), by_capabilities="", by_userns=""),
    Case(("add-key",), by_capabilities="", by_userns=""),
    Case(("keyctl",), by_capabilities="", by_userns=""),
    Case(("init-module",), open="ENOEXEC"),
    Case(("finit-module",), open="EBADF"),
    Case(("delete-module",), open="ENOENT"),
    Case(("kexec-load",), open="EINVAL"),
    Case(("reboot",), open="EINVAL", by_userns="EINVAL"),
    Case(("settimeofday",)),
    Case(("adjtimex",), by_filter=""),
    Case(("clock-settime",), open="EINVAL", by_capabilities="EINVAL", by_userns="EINVAL"),
    Case(("sethostname",), by_userns=""),
    Case(("swapon",), open="ENOENT"),
    Case(("acct",), open="ENOENT"),
    Case(("syslog",)),
    Case(("ports",)),
    Case(("personality",), by_capabilities="", by_userns=""),
    Case(("open-by-handle", "/dev/shm"), by_userns="EPERM"),
    Case(("socket", 40), by_capabilities="", by_userns=""),
    Case(("socket", 38, 5), by_capabilities="", by_userns=""),
    Case(("raise-capability", 21), by_filter="", by_userns=""),
    Case(("bounding", 21), by_filter="", by_userns=""),
    Case(("bounding", 16), by_filter="", by_userns=""),
    Case(("link-down",), by_filter="", by_userns=""),
)  # fmt: skip
ABSENT = {"ENOSYS", "EAFNOSUPPORT"}
"""Outcomes where this kernel has no such call at all."""


@pytest.fixture(scope="module")
def library() -> ModuleType:
    found: ModuleType = pytest.importorskip("pyseccomp", reason="libseccomp is not installed")
    return found


@pytest.fixture(scope="module")
def reached(arena: Arena) -> dict[str, str]:
    """Outcome of every attack where nothing stops it."""
    return {str(case): arena.in_box("wide-open", *case.argv).reason for case in CASES}


@pytest.fixture
def present(request: pytest.FixtureRequest, reached: dict[str, str]) -> Case:
    """A case whose call this kernel has."""
    chosen: Case = request.param
    if reached[str(chosen)] in ABSENT:
        pytest.skip(f"this kernel has no {chosen}: {reached[str(chosen)]}")
    return chosen


every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_present_case = pytest.mark.parametrize("present", CASES, ids=str, indirect=True)


@every_present_case
def test_the_attack_works_where_nothing_stops_it(present: Case, reached: dict[str, str]) -> None:
    assert reached[str(present)] == present.open


@every_case
@pytest.mark.parametrize("profile", ["default", "no-userns"])
def test_the_attack_fails_in_a_box(arena: Arena, case: Case, profile: str) -> None:
    assert arena.in_box(profile, *case.argv).reason == case.default


@every_case
def test_the_filter_alone_stops_what_it_should(arena: Arena, case: Case) -> None:
    assert arena.in_box("only-filter", *case.argv).reason == case.by_filter


@every_present_case
def test_dropped_capabilities_alone_stop_what_they_should(arena: Arena, present: Case) -> None:
    assert arena.in_box("only-capabilities", *present.argv).reason == present.by_capabilities


@every_present_case
def test_a_user_namespace_alone_stops_what_it_should(arena: Arena, present: Case) -> None:
    assert arena.in_box("only-userns", *present.argv).reason == present.by_userns


def test_it_is_known_which_attacks_only_one_layer_stops() -> None:
    single = {
        str(case)
        for case in CASES
        if [case.by_filter, case.by_capabilities, case.by_userns].count(case.open) >= 2
    }
    assert single == {
        f"unshare {NEW_USER}", f"clone {NEW_USER}", f"clone3 {NEW_USER}", "io-uring", "add-key",
        "keyctl", "personality", "socket 40", "socket 38 5",
        "raise-capability 21", "bounding 21", "bounding 16",
        "link-down", "clock-settime",
    }  # fmt: skip


def test_a_host_name_set_where_it_may_be_is_not_the_hosts(arena: Arena) -> None:
    before = os.uname().nodename
    with arena.box("wide-open") as instance:
        assert escapes.attack(instance.agent, "sethostname", "escaped").reason == ""
        assert instance.agent.run(["/bin/busybox", "hostname"], timeout_s=10).stdout == b"escaped\n"
        assert os.uname().nodename == before


@pytest.mark.skipif(platform.machine() != "x86_64", reason="int 0x80 belongs to x86")
def test_the_compatible_entry_is_no_way_around_the_filter(arena: Arena) -> None:
    get_pid, mount, personality = 20, 21, 136
    if arena.on_host("compatible-call", get_pid).reason:
        pytest.skip("this kernel has no 32-bit calls")
    assert arena.in_box("default", "compatible-call", get_pid).reason == ""
    assert arena.in_box("only-filter", "compatible-call", mount).reason == "EPERM"
    assert arena.in_box("wide-open", "compatible-call", mount).reason != "EPERM"
    assert arena.in_box("only-filter", "compatible-call", personality).reason == ""


VSOCK, CIPHERS, INTERNET = 40, 38, 2


@pytest.mark.skipif(platform.machine() != "x86_64", reason="socketcall belongs to i386")
@pytest.mark.parametrize("profile", ["default", "no-userns", "only-filter"])
def test_socketcall_opens_no_family_that_socket_may_not_have(arena: Arena, profile: str) -> None:
    """Where nothing stops it, it does; and 32-bit programs have sockets all the same."""
    direct = 359
    if arena.on_host("compatible-socketcall", INTERNET).reason:
        pytest.skip("this kernel has no 32-bit calls")
    for family in (VSOCK, CIPHERS, INTERNET):
        reached = arena.in_box("wide-open", "compatible-socketcall", family).reason
        assert reached == arena.in_box("wide-open", "socket", family).reason
        assert arena.in_box(profile, "compatible-socketcall", family).reason == "ENOSYS"
    assert arena.in_box(profile, "compatible-call", direct, VSOCK, 1).reason == "EPERM"
    assert arena.in_box(profile, "compatible-call", direct, CIPHERS, 1).reason == "EPERM"
    assert arena.in_box(profile, "compatible-call", direct, INTERNET, 1).reason == ""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 belongs to x86_64")
@pytest.mark.parametrize("profile", ["default", "no-userns", "only-filter"])
def test_x32_opens_no_family_that_socket_may_not_have(arena: Arena, profile: str) -> None:
    """The filter judges before the kernel looks whether it has the table at all."""
    call = 41
    for family in (VSOCK, CIPHERS):
        assert arena.in_box(profile, "x32-call", call, family, 1).reason == "EPERM"
    reached = arena.in_box("wide-open", "x32-call", call, INTERNET, 1).reason
    assert reached in {"", "ENOSYS"}
    assert arena.in_box(profile, "x32-call", call, INTERNET, 1).reason == reached


@pytest.mark.parametrize("profile", ["default", "no-userns", "only-filter"])
@pytest.mark.parametrize("family", [VSOCK, CIPHERS])
def test_bits_that_the_kernel_does_not_look_at_are_no_way_around_the_filter(
    arena: Arena, library: ModuleType, profile: str, family: int
) -> None:
    call = int(library.resolve_syscall(library.Arch.NATIVE, "socket"))
    disguised = (1 << 32) | family
    assert arena.in_box(profile, "call", call, disguised, 1).reason == "EPERM"
    plain = arena.in_box("wide-open", "call", call, family, 1).reason
    assert arena.in_box("wide-open", "call", call, disguised, 1).reason == plain


def test_privileges_once_given_up_are_not_taken_back(arena: Arena) -> None:
    assert arena.in_box("default", "forgive").reason == "EINVAL"
    assert arena.in_box("default", "bounding", 0).reason == ""
