"""Attacks from a plain user's box: neither the host's rights nor the user's own are got at.

Its root is the user outside, so what keeps it in are its namespaces, its filter and its
capabilities.  Each attack is made in the default box and in one that has every capability (of its
own user namespace); those that prove nothing by failing there succeed where nothing stops them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes import process
from tests.support import escapes
from tests.support.escapes import Outcome, outcome
from tests.support.plain_user import SUBORDINATE, USER, PlainUser, plain_user
from tests.support.tiny_rootfs import missing, tiny_rootfs

PRIVATE = "only its owner may read this"
BOXES = ("default", "all-caps", "no-userns")
READS, WRITES = os.O_RDONLY, os.O_WRONLY


@pytest.fixture(scope="module")
def user() -> Iterator[PlainUser]:
    """A user without subordinate ids: the case in which the kernel lets the least be given up."""
    if missing():
        pytest.skip(missing())
    with plain_user("nobodyelse:3000000:65536\n") as made:
        fs = made.home / "fs"
        fs.mkdir()
        tiny_rootfs(fs)
        escapes.compiled(fs / "root" / "bin" / "attack")
        (made.home / "secret").write_text(PRIVATE)
        (made.home / "secret").chmod(0o600)
        for path in [made.home / "secret", fs, *fs.rglob("*")]:
            os.lchown(path, USER.pw_uid, USER.pw_gid)
        yield made


def attack(user: PlainUser, profile: str, *argv: str | int) -> Outcome:
    """Outcome of an attack that is a box's program."""
    words = ("/bin/attack", *map(str, argv))
    ran = user.box(user.home / "fs" / "root", *words, options=("--profile", profile))
    assert ran.returncode == 0, ran.stderr
    return outcome(ran.stdout)


def in_box(user: PlainUser, profile: str, script: str) -> str:
    """What a script in a box says."""
    words = ("/bin/busybox", "sh", "-c", script)
    ran = user.box(user.home / "fs" / "root", *words, options=("--profile", profile))
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("profile", BOXES)
def test_the_users_own_files_are_not_reached(user: PlainUser, profile: str) -> None:
    secret = user.home / "secret"
    assert user.run("cat", str(secret)).stdout == PRIVATE
    assert attack(user, profile, "open", str(secret), READS).reason == "ENOENT"
    through_init = f"/proc/1/root{secret}"
    assert attack(user, profile, "open", through_init, READS).reason in {"EACCES", "EPERM"}
    host = Path("/").stat()
    reached = attack(user, profile, "chroot-escape")
    assert reached.reason == ""
    assert reached.note != f"{host.st_dev}:{host.st_ino}"


@pytest.mark.parametrize("profile", BOXES)
def test_the_users_other_processes_are_neither_seen_nor_signalled(
    user: PlainUser, profile: str
) -> None:
    other = user.spawn("sleep", "30")
    try:
        assert attack(user, profile, "kill", other.pid, 0).reason == "ESRCH"
        assert attack(user, profile, "trace", other.pid).reason in {"ESRCH", "EPERM"}
        assert user.run("kill", "-0", str(other.pid)).returncode == 0
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("profile", BOXES)
def test_no_device_of_the_hosts_is_made_or_mounted(user: PlainUser, profile: str) -> None:
    disk = user.home.stat().st_dev
    for kind, major, minor in (("b", os.major(disk), os.minor(disk)), ("c", 1, 3), ("c", 1, 11)):
        assert attack(user, profile, "node", kind, major, minor).reason == "EPERM"
    said = in_box(
        user, profile, "busybox mount -t ext4 /dev/null /tmp; busybox mount -t proc p /tmp"
    )
    assert "mount" in said


def test_a_device_in_a_layer_is_not_opened(user: PlainUser) -> None:
    planted = user.home / "fs/root/planted"
    os.mknod(planted, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    planted.chmod(0o666)
    try:
        assert attack(user, "default", "open", "/planted", READS).reason == "EACCES"
        assert attack(user, "default", "open", "/dev/zero", READS).reason == ""
    finally:
        planted.unlink()


@pytest.mark.parametrize("profile", BOXES)
def test_groups_cannot_be_left_nor_ids_mapped_again(user: PlainUser, profile: str) -> None:
    said = in_box(
        user,
        profile,
        "echo allow >/proc/self/setgroups; cat /proc/self/setgroups; "
        "echo '0 0 1' >/proc/self/uid_map && echo again; "
        "echo '0 0 1' >/proc/self/gid_map && echo again; "
        "busybox setpriv --clear-groups true 2>/dev/null && echo left",
    )
    assert "deny" in said
    assert "again" not in said
    assert "left" not in said


@pytest.mark.parametrize("profile", BOXES)
def test_no_further_user_namespace_gives_rights_back(user: PlainUser, profile: str) -> None:
    new_user, new_mounts = 0x10000000, 0x00020000
    assert attack(user, profile, "unshare", new_user).reason == "EPERM"
    assert attack(user, profile, "clone", new_user).reason == "EPERM"
    assert attack(user, profile, "setns", "/proc/self/ns/user").reason in {"EPERM", "EINVAL"}
    if profile != "all-caps":
        assert attack(user, profile, "unshare", new_mounts).reason == "EPERM"
        assert attack(user, profile, "raise-capability", 21).reason == "EPERM"


@pytest.mark.parametrize(
    "argv",
    [("settimeofday",), ("swapon",), ("acct",), ("open", "/proc/sys/kernel/core_pattern", WRITES)],
)
def test_every_capability_is_one_over_nothing_of_the_hosts(
    user: PlainUser, argv: tuple[str | int, ...]
) -> None:
    assert attack(user, "all-caps", *argv).reason in {"EPERM", "EROFS", "EACCES"}


CLAIM = """
import dataclasses
from pathlib import Path
from runtimes.linux.ids import entering, maps
wanted = entering.wanted
entering.wanted = lambda: dataclasses.replace(
    wanted(),
    uids=(*wanted().uids[:1], maps.Extent(1, {first}, {count})),
    gids=(*wanted().gids[:1], maps.Extent(1, {first}, {count})),
    why_single="",
)
entering.enter(lambda words: print("told", words))
print(Path("/proc/self/uid_map").read_text())
"""


@pytest.mark.parametrize(("first", "count"), [(0, 1), (1, 65_536), (2_999_999, 2), (3_065_536, 1)])
def test_ids_that_are_not_the_users_are_refused_and_it_goes_on_with_one(
    user: PlainUser, first: int, count: int
) -> None:
    if process.find("newuidmap") is None:
        pytest.skip("needs uidmap (newuidmap and newgidmap)")
    owning = PlainUser(user.home, SUBORDINATE)
    ran = owning.python("-c", CLAIM.format(first=first, count=count))
    assert "newuidmap refused" in ran.stdout, ran.stderr
    assert ran.stdout.split()[-3:] == ["0", str(USER.pw_uid), "1"]
    owned = owning.python("-c", CLAIM.format(first=3_000_000, count=65_536))
    assert "told" not in owned.stdout
