"""A plain user's run: engines, what is told, what a kill leaves, and how it is removed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtimes import process
from runtimes.linux.ids import entering
from runtimes.linux.proc import ended
from tests.support.plain_user import SUBORDINATE, USER, PlainUser, plain_user
from tests.support.tiny_rootfs import missing, tiny_rootfs

S = 20.0


@pytest.fixture(scope="module")
def user() -> Iterator[PlainUser]:
    if missing():
        pytest.skip(missing())
    if any(process.find(tool) is None for tool in entering.TOOLS):
        pytest.skip("needs uidmap (newuidmap and newgidmap)")
    with plain_user(SUBORDINATE) as made:
        (made.home / "fs").mkdir()
        tiny_rootfs(made.home / "fs")
        for path in [made.home / "fs", *(made.home / "fs").rglob("*")]:
            os.lchown(path, USER.pw_uid, USER.pw_gid)
        yield made


@pytest.fixture(scope="module")
def found(user: PlainUser) -> dict[str, Any]:
    """What tests.support.rootless_engine saw."""
    ran = user.python("-m", "tests.support.rootless_engine", str(user.home))
    assert ran.returncode == 0, ran.stderr
    read: dict[str, Any] = json.loads(ran.stdout)
    if "unenforced" not in read["conditions"]:
        pytest.skip("a plain user may make cgroups here")
    return read


@pytest.mark.parametrize("box", ["default", "host-net", "no-userns", "native"])
def test_the_peer_reaches_every_box_through_the_users_own_bridge(
    found: dict[str, Any], box: str
) -> None:
    assert found[box]["reached"]
    assert found[box]["pids"] >= 2


@pytest.mark.parametrize("box", ["default", "host-net", "no-userns", "native"])
def test_a_box_is_held_on_its_cpus_and_is_seen_where_it_leaves_them(
    found: dict[str, Any], box: str
) -> None:
    assert found[box]["cpus"] == [max(os.sched_getaffinity(0))]
    assert found[box]["memory"] is None
    assert set(found[box]["cpus_after"]) == os.sched_getaffinity(0)


@pytest.mark.parametrize("box", ["default", "host-net", "no-userns"])
def test_a_box_takes_a_further_program_and_a_volume(found: dict[str, Any], box: str) -> None:
    assert found[box]["added"][0] == "0"
    assert found[box]["added"][1].startswith("tb-")
    assert found[box]["volume"]


def test_what_needs_a_cgroup_is_refused(found: dict[str, Any]) -> None:
    assert "cannot be paused" in found["default"]["pause"]


def test_its_arms_are_marked_and_nothing_is_left(found: dict[str, Any]) -> None:
    assert found["conditions"] == ["rootless", "unenforced"]
    assert found["left"] == []


def _until(what: str, seen: Any) -> Any:  # noqa: ANN401  # whatever is waited for
    deadline = time.monotonic() + S
    while not (answer := seen()):
        assert time.monotonic() < deadline, f"{what}: not seen"
        time.sleep(0.02)
    return answer


def _running(*argv: str) -> list[int]:
    wanted = "\0".join(argv).encode() + b"\0"
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "cmdline").read_bytes() == wanted:
                found.append(int(entry.name))
    return found


def test_a_killed_run_leaves_files_of_foreign_ids_which_its_user_can_clean(
    user: PlainUser,
) -> None:
    script = "busybox chown 33:33 /tmp; busybox touch /tmp/x; exec busybox sleep 7077.25"
    layers = str(user.home / "fs" / "root")
    box = ("run", "--layers", layers, "--", "/bin/busybox", "sh", "-c", script)
    began = user.spawn(sys.executable, "-m", "runtimes.standalone.box", *box)
    state = user.home / ".local/state/tarebench"
    inside = _until("the box's program", lambda: _running("busybox", "sleep", "7077.25"))
    ends = [os.pidfd_open(pid) for pid in inside]
    os.kill(began.pid, signal.SIGKILL)
    began.wait(S)
    assert all(ended(end, S) for end in ends)  # with its harness a box ends
    for end in ends:
        os.close(end)
    owners = {path.lstat().st_uid for path in state.rglob("*")}
    assert 3_000_032 in owners
    cleaned = user.python("-m", "invoke", "clean")
    assert cleaned.returncode == 0, cleaned.stderr
    assert "state of run" in cleaned.stdout
    assert not state.exists()
    assert "nothing was left" in user.python("-m", "invoke", "clean").stdout


def test_ctrl_c_ends_a_box_by_hand_and_leaves_nothing(user: PlainUser) -> None:
    layers = str(user.home / "fs" / "root")
    box = ("run", "--layers", layers, "--", "/bin/busybox", "sleep", "7077.5")
    began = user.spawn(sys.executable, "-m", "runtimes.standalone.box", *box)
    inside = _until("the box's program", lambda: _running("/bin/busybox", "sleep", "7077.5"))
    began.send_signal(signal.SIGINT)
    assert began.wait(S) == 128 + signal.SIGINT
    assert not any(Path(f"/proc/{pid}").exists() for pid in inside)
    assert not (user.home / ".local/state/tarebench").exists()


def test_the_doctor_tells_a_plain_user_what_there_is(user: PlainUser) -> None:
    ran = user.python("-m", "invoke", "doctor", "--as-json")
    rows = {row["subject"]: row for row in json.loads(ran.stdout)}
    assert rows["backend ns"]["state"] == "works"
    assert "without root" in rows["backend ns"]["why"]
    assert rows["backend docker"]["state"] == "missing"
    assert rows["user namespaces"]["state"] == "works"
    assert rows["subordinate ids"]["why"] == "65537 ids"
    assert rows["root"]["state"] == "caution"


def test_without_ids_the_doctor_says_where_they_come_from(user: PlainUser) -> None:
    poor = PlainUser(user.home, "nobodyelse:3000000:65536\n")
    rows = json.loads(poor.python("-m", "invoke", "doctor", "--as-json").stdout)
    row = next(row for row in rows if row["subject"] == "subordinate ids")
    assert row["state"] == "missing"
    assert "/etc/subuid" in row["remedy"]


def test_where_user_namespaces_are_off_their_setting_is_named(user: PlainUser) -> None:
    # The limit is one of the user namespace that one is in: here of one of the user's own.
    off = "echo 0 >/proc/sys/user/max_user_namespaces; "
    probe = "from runtimes.linux.ids import obstacles; print(obstacles.found())"
    become = ("setpriv", "--reuid=1", "--regid=1", "--clear-groups")
    enter = ("unshare", "--user", "--map-root-user", "--map-auto", "sh", "-c", f'{off} exec "$@"')
    ran = user.run(*enter, "sh", *become, sys.executable, "-c", probe)
    assert "user.max_user_namespaces" in ran.stdout, ran.stderr
    assert "sysctl -w" in ran.stdout
