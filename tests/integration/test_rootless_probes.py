"""What is tried from the boxes of root, tried from a plain user's: see ``test_escape*``.

All attacks of a profile are made in one box, one process after another: a plain user's box by hand
takes half a second to come up.
"""

from __future__ import annotations

import os
import platform
import secrets
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from runtimes import process
from tests.integration.test_escape import ABSENT, CASES
from tests.support import escapes
from tests.support.escapes import Outcome, outcome
from tests.support.plain_user import USER, PlainUser, plain_user
from tests.support.tiny_rootfs import missing, tiny_rootfs

BOXES = ("default", "all-caps", "no-userns")
EVERY_BOX = pytest.mark.parametrize("profile", BOXES)
READS = os.O_RDONLY | os.O_NONBLOCK
WRITES = os.O_WRONLY | os.O_NONBLOCK
TEXT = 0x400000
"""Where a static program begins."""
Argv = tuple[str | int, ...]


@pytest.fixture(scope="module")
def user() -> Iterator[PlainUser]:
    """A user without subordinate ids, with a root filesystem of their own."""
    if missing():
        pytest.skip(missing())
    with plain_user("nobodyelse:3000000:65536\n") as made:
        fs = made.home / "fs"
        fs.mkdir()
        tiny_rootfs(fs)
        escapes.compiled(fs / "root" / "bin" / "attack")
        (fs / "root" / "led").symlink_to("/etc")
        for path in [fs, *fs.rglob("*")]:
            os.lchown(path, USER.pw_uid, USER.pw_gid)
        as_root = fs / "root" / escapes.SET_UID_PROGRAM[1:]
        as_root.write_bytes((fs / "root" / "bin" / "attack").read_bytes())
        as_root.chmod(0o4755)  # and it is root's: the host's own
        yield made


def attacks(user: PlainUser, profile: str, tried: Sequence[Argv]) -> dict[Argv, Outcome]:
    """Outcomes of attacks that are made in one box."""
    script = "\n".join(f"echo @; /bin/attack {' '.join(map(str, argv))}" for argv in tried)
    words = ("/bin/busybox", "sh", "-c", script)
    ran = user.box(user.home / "fs" / "root", *words, options=("--profile", profile))
    assert ran.returncode == 0, ran.stderr
    said = ran.stdout.split("@\n")[1:]
    assert len(said) == len(tried), ran.stderr
    return dict(zip(tried, map(outcome, said), strict=True))


SETTINGS = tuple(
    path
    for path in (
        "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger",
        "/proc/sys/vm/overcommit_memory", "/proc/irq/default_smp_affinity",
        "/sys/kernel/mm/ksm/run", "/proc/sys/kernel/hostname", "/proc/sys/user/max_user_namespaces",
    )
    if Path(path).exists()
)  # fmt: skip
DEVICES = ("/dev/kmsg", "/dev/mem", "/dev/net/tun", "/dev/kvm", "/dev/fuse", "/dev/sda")
OF_INIT: tuple[Argv, ...] = (
    *(("open", f"/proc/1/{name}", READS)
      for name in ("root", "cwd", "environ", "mem", "exe", "ns/mnt", "ns/pid")),
    ("trace", 1), ("read-memory", 1, TEXT), ("steal-descriptor", 1, 0), ("inject", 1, 0, "00"),
    ("overwrite-program", "/proc/1/exe"),
)  # fmt: skip
ALLOWED: tuple[Argv, ...] = (("kill", 1, int(signal.SIGKILL)), ("own-child",))
VSOCK, CIPHERS, GET_PID, MOUNT, DIRECT, X32 = 40, 38, 20, 21, 359, 41
OF_OTHER_TABLES: tuple[Argv, ...] = (
    ("compatible-call", MOUNT), ("compatible-call", DIRECT, VSOCK, 1),
    ("compatible-call", DIRECT, CIPHERS, 1),
)  # fmt: skip
COMPATIBLE: tuple[Argv, ...] = (
    (("compatible-call", GET_PID), ("compatible-socketcall", VSOCK), ("x32-call", X32, VSOCK, 1),
     *OF_OTHER_TABLES)
    if platform.machine() == "x86_64"
    else ()
)  # fmt: skip
TRIED: tuple[Argv, ...] = (
    *(case.argv for case in CASES),
    *(("open", path, WRITES) for path in SETTINGS),
    *(("open", path, READS) for path in DEVICES),
    *OF_INIT, *ALLOWED, *COMPATIBLE,
    ("leaked-directory",), ("descriptors",), ("groups",), ("forgive",),
    ("set-user-id", escapes.SET_UID_PROGRAM),
)  # fmt: skip
Told = dict[Argv, Outcome]


@pytest.fixture(scope="module", params=BOXES)
def box(request: pytest.FixtureRequest, user: PlainUser) -> tuple[str, Told]:
    """A profile, and how far each attack came in its box."""
    return request.param, attacks(user, request.param, TRIED)


def reasons(told: Told, tried: Sequence[Argv]) -> set[str]:
    """Why they came no further."""
    return {told[argv].reason for argv in tried}


def test_calls_that_administer_the_kernel_fail_for_the_reasons_they_should(
    box: tuple[str, Told],
) -> None:
    """With every capability, those of a namespace of the user's, only the filter is in the way."""
    profile, told = box
    for case in CASES:
        wanted = case.by_filter if profile == "all-caps" else case.default
        if case.argv == ("adjtimex",):
            wanted = "EPERM"  # of the host's clock: the capability is none over that
        assert told[case.argv].reason in {wanted, *(ABSENT if wanted == "EPERM" else ())}, case


def test_files_and_devices_of_the_kernel_are_not_opened(box: tuple[str, Told]) -> None:
    _, told = box
    refused = reasons(told, [("open", path, WRITES) for path in SETTINGS])
    assert refused <= {"EROFS", "EACCES", "EPERM"}
    assert reasons(told, [("open", path, READS) for path in DEVICES]) == {"ENOENT"}


def test_the_boxs_init_is_neither_looked_into_nor_touched(box: tuple[str, Told]) -> None:
    """It is the user's own process, and in this namespace that of the box's root."""
    _, told = box
    assert reasons(told, OF_INIT) <= {"EACCES", "EPERM", "ETXTBSY"}
    assert reasons(told, ALLOWED) == {""}  # the kernel drops it; on one's own all is allowed


def test_nothing_of_the_hosts_came_in_with_it(box: tuple[str, Told]) -> None:
    _, told = box
    assert told["leaked-directory",].reason == "ENOTDIR", told["leaked-directory",].note
    descriptors = [each for each in told["descriptors",].note.split("|") if each]
    assert sorted(each.partition("=")[0] for each in descriptors) == ["0", "1", "2"], descriptors
    assert told["groups",].note in {"", "65534"}


def test_programs_and_privileges_give_nothing_back(box: tuple[str, Told]) -> None:
    """A set-id program of the host's root, whose id this box does not have."""
    _, told = box
    assert told["forgive",].reason == "EINVAL"
    assert told["set-user-id", escapes.SET_UID_PROGRAM].reason in {"EINVAL", "ECANCELED", "EPERM"}


@pytest.mark.skipif(not COMPATIBLE, reason="int 0x80 and x32 belong to x86")
def test_other_tables_of_calls_are_no_way_around_the_filter(box: tuple[str, Told]) -> None:
    _, told = box
    assert told["x32-call", X32, VSOCK, 1].reason == "EPERM"
    if told["compatible-call", GET_PID].reason:
        pytest.skip("this kernel has no 32-bit calls")
    assert reasons(told, OF_OTHER_TABLES) == {"EPERM"}
    assert told["compatible-socketcall", VSOCK].reason == "ENOSYS"


@EVERY_BOX
def test_hidden_files_are_empty(user: PlainUser, profile: str) -> None:
    every = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts")
    hidden = [path for path in every if Path(path).exists()]
    script = f"PATH=/bin; cat {' '.join(hidden)} | busybox wc -c"
    words = ("/bin/busybox", "sh", "-c", script)
    ran = user.box(user.home / "fs" / "root", *words, options=("--profile", profile))
    assert ran.stdout.split() == ["0"], ran.stderr
    assert "cat:" not in ran.stderr


@EVERY_BOX
def test_the_hosts_sockets_and_shared_memory_are_out_of_reach(
    user: PlainUser, profile: str
) -> None:
    name = f"tb-{secrets.token_hex(6)}"
    made = process.run(["ipcmk", "-p", "0666", "-M", "4096"], timeout_s=10).stdout.split()[-1]
    foreign = [each for _, each in socket.if_nameindex() if each != "lo"][:1]
    try:
        listed = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        key = next(int(line.split()[0]) for line in listed if line.split()[1] == made.decode())
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"\0{name}")
            listener.listen()
            tried: list[Argv] = [("abstract-socket", name), ("shared-memory", key)]
            tried += [("raw-on-interface", each) for each in foreign]
            told = [each.reason for each in attacks(user, profile, tried).values()]
    finally:
        process.run(["ipcrm", "-m", made.decode()], timeout_s=10)
    assert told[:2] == ["ECONNREFUSED", "ENOENT"]
    assert set(told[2:]) <= {"ENODEV", "EPERM"}


@EVERY_BOX
def test_a_link_in_the_image_does_not_lead_a_bind_to_the_hosts_files(
    user: PlainUser, profile: str
) -> None:
    given = user.home / f"given-{profile}"
    given.mkdir()
    (given / "passwd").write_text("evil")
    words = ("/bin/busybox", "cat", "/etc/passwd")
    options = ("--profile", profile, "--bind", f"{given}:/led:ro")
    ran = user.box(user.home / "fs" / "root", *words, options=options)
    assert ran.stdout == "evil", ran.stderr
    assert "evil" not in Path("/etc/passwd").read_text()


@EVERY_BOX
def test_a_bind_gives_the_user_no_more_than_the_user_has(user: PlainUser, profile: str) -> None:
    """Of another user's directory, of one that is closed, of a device, of the host's own root."""
    closed = user.home / f"closed-{profile}"
    (closed / "in").mkdir(parents=True)
    (closed / "in" / "file").write_text("another's")
    closed.chmod(0o700)
    root = user.home / "fs" / "root"
    ran = user.box(root, "/bin/busybox", "true", options=("--bind", f"{closed}/in:/tmp"))
    assert ran.returncode == 2
    assert "Permission denied" in ran.stderr.splitlines()[-1]
    options = ("--profile", profile, "--bind", f"{closed}:/mnt", "--bind", "/:/host:ro",
               "--bind", "/dev/null:/dev/shm/null")  # fmt: skip
    script = (
        "ls /mnt; ls /mnt/in; echo x > /mnt/x; cat /host/etc/shadow; echo x > /host/tmp/evil; "
        "attack remount-writable /host; echo x > /host/tmp/evil; : > /dev/shm/null"
    )
    words = ("/bin/busybox", "sh", "-c", f"PATH=/bin; {script}")
    ran = user.box(root, *words, options=options)
    assert ran.stdout.split()[:1] == ["1"], ran.stderr  # EPERM of the attack, and nothing else
    assert ran.stderr.count("Permission denied") == 5, ran.stderr
    assert ran.stderr.count("Read-only file system") == 2, ran.stderr
