"""A plain user's boxes, by hand: what they can have they have, and the rest is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes import process
from runtimes.linux.ids import entering
from runtimes.standalone.image import pack
from runtimes.standalone.image.documents import Execution
from tests.support.members import directory, file
from tests.support.plain_user import SUBORDINATE, USER, PlainUser, plain_user
from tests.support.tiny_rootfs import BUSYBOX, missing, tiny_rootfs

SH = ("/bin/busybox", "sh", "-c")


@pytest.fixture(scope="module")
def alone() -> Iterator[PlainUser]:
    """A user without subordinate ids, with a root filesystem."""
    if missing():
        pytest.skip(missing())
    with plain_user("nobodyelse:3000000:65536\n") as user:
        (user.home / "fs").mkdir()
        tiny_rootfs(user.home / "fs")
        for path in [user.home / "fs", *(user.home / "fs").rglob("*")]:
            os.lchown(path, USER.pw_uid, USER.pw_gid)
        yield user


@pytest.fixture(scope="module")
def owning(alone: PlainUser) -> PlainUser:
    """The same user with subordinate ids."""
    if any(process.find(tool) is None for tool in entering.TOOLS):
        pytest.skip("needs uidmap (newuidmap and newgidmap)")
    return PlainUser(alone.home, SUBORDINATE)


def root_of(user: PlainUser) -> Path:
    return user.home / "fs" / "root"


def test_with_subordinate_ids_a_box_has_all_users_of_a_system(owning: PlainUser) -> None:
    script = "cat /proc/self/uid_map; chown 33:33 /tmp && ls -ldn /tmp; busybox id"
    ran = owning.box(root_of(owning), *SH, f"PATH=/bin; {script}")
    assert ran.returncode == 0, ran.stderr
    maps = [line.split() for line in ran.stdout.splitlines()[:2]]
    assert maps == [["0", "0", "1"], ["1", "1", "65536"]]
    assert " 33 " in ran.stdout
    assert "uid=0" in ran.stdout
    assert "one id" not in ran.stderr


def test_without_them_it_has_one_and_is_told_why(alone: PlainUser) -> None:
    script = "cat /proc/self/uid_map /proc/self/setgroups; echo x >/made && cat /made"
    ran = alone.box(root_of(alone), *SH, script)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["0", "0", "1", "deny", "x"]
    assert "/etc/subuid" in ran.stderr or "uidmap" in ran.stderr


def test_its_devices_are_the_hosts_six_and_work(alone: PlainUser) -> None:
    script = "echo x >/dev/null && head -c 2 /dev/zero | wc -c; ls -1 /dev | sort | tr '\\n' ' '"
    ran = alone.box(root_of(alone), *SH, script.replace("head", "busybox head"))
    assert ran.returncode == 0, ran.stderr
    names = ran.stdout.split()
    assert {"null", "zero", "full", "random", "urandom", "tty"} <= set(names)
    assert not {"sda", "vda", "kmsg", "mem"} & set(names)


def test_the_exit_status_and_the_host_name_are_the_boxs_own(alone: PlainUser) -> None:
    ran = alone.box(root_of(alone), *SH, "busybox hostname; exit 7", options=("--hostname", "mine"))
    assert (ran.returncode, ran.stdout) == (7, "mine\n")


@pytest.mark.parametrize(
    "profile",
    ["host-net", "no-userns", "no-overlay", "no-net", "timens", "volatile", "wf-08-pivot"],
)
def test_other_profiles_run_too(alone: PlainUser, profile: str) -> None:
    ran = alone.box(root_of(alone), *SH, "echo ran", options=("--profile", profile))
    assert (ran.returncode, ran.stdout) == (0, "ran\n"), ran.stderr


def test_layers_of_somebody_else_can_be_read_and_that_is_told(alone: PlainUser) -> None:
    os.lchown(root_of(alone), 0, 0)
    try:
        ran = alone.box(root_of(alone), *SH, "echo ran")
    finally:
        os.lchown(root_of(alone), USER.pw_uid, USER.pw_gid)
    assert ran.returncode == 0, ran.stderr
    assert "is of user 0, who has no id here" in ran.stderr


def test_an_image_runs_with_what_its_layers_hide_hidden(alone: PlainUser) -> None:
    """Opaque directories are marked by user.* attributes, which overlayfs is told to read."""
    shell = [*map(directory, ("bin", "dev", "etc", "proc", "sys"))]
    shell += [file("bin/busybox", BUSYBOX.read_bytes(), 0o755), file("etc/old")]
    changed = [directory("etc"), file("etc/.wh..wh..opq"), file("etc/new")]
    execution = Execution(entrypoint=("/bin/busybox",), cmd=("ls", "/etc"))
    home = alone.home / "images"
    pack.pack([shell, changed], home, pack.Description("made", execution), "none")
    ran = alone.python("-m", "runtimes.standalone.box", "run", "--image", f"{home}:made")
    assert (ran.returncode, ran.stdout) == (0, "new\n"), ran.stderr


def test_trees_of_the_users_and_scratch_space_are_attached(alone: PlainUser) -> None:
    given = alone.home / "given"
    given.mkdir()
    os.chown(given, USER.pw_uid, USER.pw_gid)
    script = (
        "PATH=/bin; echo x >/mnt/made; echo y >/t/y && cat /t/y; "
        "for n in /ro/x /x /etc/x; do busybox touch $n; done"
    )
    options = ("--bind", f"{given}:/mnt", "--bind", f"{given}:/ro:ro", "--read-only")
    ran = alone.box(root_of(alone), *SH, script, options=(*options, "--tmpfs", "/t:size=1m"))
    assert ran.stdout == "y\n", ran.stderr
    assert ran.stderr.count("Read-only file system") == 3
    assert sorted(given.iterdir()) == [given / "made"]


def test_a_file_of_the_hosts_can_be_read_and_not_written_to(alone: PlainUser) -> None:
    """Also where its mount is read-only on the host, and locked so for the user."""
    script = "PATH=/bin; busybox head -n1 /names; echo x >>/names"
    options = ("--bind", "/etc/passwd:/names", "--bind", "/sys:/mnt:ro")
    ran = alone.box(root_of(alone), *SH, script, options=options)
    assert ran.stdout == Path("/etc/passwd").read_text().splitlines()[0] + "\n", ran.stderr
    assert "Permission denied" in ran.stderr


@pytest.fixture
def no_cgroups(alone: PlainUser) -> PlainUser:
    made = alone.python("-c", "from runtimes.linux import cgroups; print(cgroups.usable().version)")
    if made.stdout.strip() != "none":
        pytest.skip("a plain user may make cgroups here")
    return alone


def test_a_limit_that_nobody_would_enforce_is_refused(no_cgroups: PlainUser) -> None:
    ran = no_cgroups.box(root_of(no_cgroups), *SH, "echo ran", options=("--memory", "67108864"))
    assert (ran.returncode, ran.stdout) == (125, "")
    assert "cannot be enforced" in ran.stderr
    assert "run as root" in ran.stderr


def test_cpus_are_kept_by_affinity_and_that_is_told(no_cgroups: PlainUser) -> None:
    cpu = str(max(os.sched_getaffinity(0)))
    script = "busybox grep Cpus_allowed_list /proc/self/status"
    ran = no_cgroups.box(root_of(no_cgroups), *SH, script, options=("--cpus", cpu))
    assert ran.stdout.split() == ["Cpus_allowed_list:", cpu], ran.stderr
    assert "affinity" in ran.stderr


def test_a_box_that_could_not_be_ended_is_refused(no_cgroups: PlainUser) -> None:
    options = ("--profile", "wf-01-fork-exec")
    ran = no_cgroups.box(root_of(no_cgroups), *SH, "echo ran", options=options)
    assert ran.returncode == 125
    assert "neither a PID namespace nor a cgroup" in ran.stderr


def test_nothing_is_left_of_them(alone: PlainUser) -> None:
    assert not (alone.home / ".local/state/tarebench").exists()
