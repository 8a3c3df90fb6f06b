"""The default filter, call by call, as the kernel would judge."""

from __future__ import annotations

import errno
import platform

import pytest

from runtimes.ns.seccomp import calls, compiler
from runtimes.oci.filters import default_filter
from runtimes.standalone.oci.seccomp import compile_rules
from tests.support import bpf
from tests.support.libseccomp import oracle

pyseccomp = pytest.importorskip("pyseccomp", reason="libseccomp is not installed")
HERE = {"x86_64": bpf.X86_64, "aarch64": bpf.AARCH64}[platform.machine()]
DENIED = bpf.ERRNO | errno.EPERM
MISSING = bpf.ERRNO | errno.ENOSYS
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
THREAD_FLAGS = 0x003D0F00


@pytest.fixture(scope="module")
def program() -> bytes:
    return compiler.compile_filter()


def judge(program: bytes, name: str, *args: int) -> int:
    number = compiler.resolve(pyseccomp, name)
    assert number is not None
    assert number >= 0, f"{name} does not exist on {platform.machine()}"
    return bpf.verdict(program, number, architecture=HERE, args=args)


def test_the_filter_is_small_enough_for_the_kernel(program: bytes) -> None:
    assert len(program) % 8 == 0
    assert len(program) // 8 < 4096


def test_every_allowed_call_of_this_architecture_is_allowed(program: bytes) -> None:
    refused = []
    for name in calls.ALLOWED:
        number = compiler.resolve(pyseccomp, name)
        if number is None or number < 0:
            continue
        if bpf.verdict(program, number, architecture=HERE) != bpf.ALLOW:
            refused.append(name)
    assert refused == []


@pytest.mark.parametrize(
    "name",
    [
        "mount", "umount2", "pivot_root", "setns", "unshare", "bpf", "perf_event_open",
        "userfaultfd", "keyctl", "add_key", "request_key", "init_module", "finit_module",
        "delete_module", "kexec_load", "reboot", "swapon", "swapoff", "acct", "syslog",
        "open_by_handle_at", "kcmp", "pidfd_getfd", "process_madvise", "mbind", "set_mempolicy",
        "get_mempolicy", "clock_settime", "settimeofday", "sethostname", "setdomainname",
        "quotactl", "vhangup", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount",
        "mount_setattr", "fanotify_init", "io_uring_setup", "io_uring_enter", "move_pages",
    ],
)  # fmt: skip
def test_what_reaches_the_host_is_denied(program: bytes, name: str) -> None:
    assert judge(program, name) == DENIED


def test_threads_and_processes_may_be_made_but_no_namespaces(program: bytes) -> None:
    assert judge(program, "clone", THREAD_FLAGS) == bpf.ALLOW
    assert judge(program, "clone", 17) == bpf.ALLOW
    assert judge(program, "clone", 17 | CLONE_NEWUSER) == DENIED
    assert judge(program, "clone", 17 | CLONE_NEWNET) == DENIED


def test_clone3_is_said_to_be_missing_so_that_libc_falls_back(program: bytes) -> None:
    assert judge(program, "clone3") == MISSING


@pytest.fixture(params=["ours", "bundle"])
def either(request: pytest.FixtureRequest, program: bytes) -> bytes:
    """Our own filter, and the one that libseccomp makes of what a bundle of ours says."""
    return program if request.param == "ours" else compile_rules(default_filter())


def test_sockets_of_every_family_but_two_may_be_made(either: bytes) -> None:
    families = {family for family in range(70) if judge(either, "socket", family) == bpf.ALLOW}
    assert families == set(range(64)) - {calls.AF_ALG, calls.AF_VSOCK}
    assert judge(either, "socket", calls.AF_VSOCK) == DENIED


@pytest.mark.parametrize("family", [38, 40])
def test_bits_that_the_kernel_does_not_look_at_open_no_family(either: bytes, family: int) -> None:
    assert judge(either, "socket", (1 << 32) | family) == DENIED
    assert judge(either, "socket", (1 << 32) | 2) == bpf.ALLOW


@pytest.mark.skipif(HERE != bpf.X86_64, reason="i386 is the compatible architecture of x86_64")
def test_a_family_is_refused_through_the_other_tables_too(either: bytes) -> None:
    """A filter cannot see the family that socketcall's pointer leads to: there is no such call."""
    socketcall, direct, x32 = 102, 359, 0x40000000 | 41
    for number in range(21):
        told = bpf.verdict(either, socketcall, architecture=bpf.I386, args=(number,))
        assert told == MISSING, number
    for family, wanted in ((2, bpf.ALLOW), (38, DENIED), (40, DENIED)):
        told = bpf.verdict(either, direct, architecture=bpf.I386, args=(family,))
        assert told == wanted
        assert bpf.verdict(either, x32, architecture=bpf.X86_64, args=(family,)) == wanted


def test_only_harmless_personalities_may_be_taken(program: bytes) -> None:
    for persona in calls.PERSONALITIES:
        assert judge(program, "personality", persona) == bpf.ALLOW
    assert judge(program, "personality", 0x0040000) == DENIED  # ADDR_NO_RANDOMIZE


def test_calls_newer_than_the_filter_are_missing_not_forbidden(program: bytes) -> None:
    assert bpf.verdict(program, 999, architecture=HERE) == MISSING


def test_calls_of_a_foreign_architecture_kill(program: bytes) -> None:
    assert bpf.verdict(program, 0, architecture=0x80000015) == bpf.KILL


@pytest.mark.skipif(HERE != bpf.X86_64, reason="i386 is the compatible architecture of x86_64")
def test_the_compatible_architecture_obeys_the_same_rules(program: bytes) -> None:
    read, mount, personality = 3, 21, 136
    assert bpf.verdict(program, read, architecture=bpf.I386) == bpf.ALLOW
    assert bpf.verdict(program, mount, architecture=bpf.I386) == DENIED
    assert bpf.verdict(program, personality, architecture=bpf.I386, args=(0x40000,)) == DENIED


@pytest.mark.skipif(HERE != bpf.X86_64, reason="x32 belongs to x86_64")
def test_x32_calls_are_not_a_way_around(program: bytes) -> None:
    x32_mount = 0x40000000 | 165
    assert bpf.verdict(program, x32_mount, architecture=bpf.X86_64) in (DENIED, bpf.KILL)


def test_no_call_is_both_allowed_and_judged_by_its_arguments() -> None:
    judged = {"clone", "clone3", "socket", "socketcall", "personality"}
    assert not judged & set(calls.ALLOWED)


X32 = 0x40000000
ARGUMENTS = (
    (),
    (1,),
    (17,),
    (37,),
    (38,),
    (39,),
    (40,),
    (63,),
    (64,),
    (1 << 32 | 40,),
    (0xFFFFFFFF,),
    (0x20008,),
    (0x40000,),
    (CLONE_NEWUSER,),
)
EDGES = (1000, 0x3FFFFFFF, X32, X32 + 1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [bpf.X86_64, bpf.I386, bpf.AARCH64, 0x40000028, 1])
def test_every_call_is_judged_as_libseccomp_judges_it(program: bytes, architecture: int) -> None:
    """Numbers that libseccomp cannot name on the other architecture are the one difference."""
    known = compiler.highest(pyseccomp)
    reference = oracle(pyseccomp)
    numbers = [*range(known + 20), *range(X32, X32 + 600), *EDGES]
    newer = set(calls.NEWER.values())
    different = []
    for number in numbers:
        for args in ARGUMENTS:
            ours = bpf.verdict(program, number, architecture=architecture, args=args)
            theirs = bpf.verdict(reference, number, architecture=architecture, args=args)
            if ours != theirs:
                different.append((hex(number), args, hex(ours), hex(theirs)))
                break
    beyond = [one for one in different if int(one[0], 16) > known or int(one[0], 16) in newer]
    assert different == (beyond if architecture != HERE else [])
    for number, _, ours, _ in beyond:  # missing, where libseccomp says forbidden
        assert int(ours, 16) in {MISSING, bpf.ALLOW}, number


def test_the_filter_is_much_shorter_than_libseccomps(program: bytes) -> None:
    assert len(program) < len(oracle(pyseccomp)) * 0.7
