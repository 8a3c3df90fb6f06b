"""The containers of this host in a guest: its own kernel, pure cgroup v2, as a cloud's VM has it.

The guest runs this project's own tests of limits, ``ns`` and ``docker`` on this host's own files;
see support.guest.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from runtimes import process
from runtimes.linux import proc
from tests.support.guest import missing, run_in_guest
from tests.support.guest_tests import PROJECT, passed_in_guest
from tests.support.tiny_rootfs import missing as no_tiny_rootfs

LIMIT_S = 540.0
OF_NS = (
    "test_each_namespace_is_the_boxs_own",
    "test_limits_are_set_and_read_back",
    "test_memory_beyond_the_limit_is_killed_and_said",
    "test_the_peer_is_reached_and_reaches_the_box",
    "test_a_stop_ends_every_process_even_deaf_ones",
)
OF_NS_AT_LEAST = ("test_limits_are_set_and_read_back",)
OF_A_USER = (
    "test_limits_are_the_cgroups_and_the_kernel_keeps_them",
    "test_what_did_not_come_is_refused_or_kept_by_affinity",
    "test_engines_read_back_what_came_and_caution_of_what_did_not",
)
OF_A_LIFE = (
    "test_a_program_can_be_added_to_a_running_box[default]",
    "test_a_paused_box_can_be_stopped",
)
WEIGHING = ("bfq", "loop")
"""Modules of a disk whose scheduler weighs."""
SWAP = """\
dd if=/dev/zero of=/scratch/swap bs=1M count=128 2>/dev/null
chmod 600 /scratch/swap
busybox mkswap /scratch/swap >/dev/null
busybox swapon /scratch/swap
"""
OF_DOCKER = (
    "test_the_limits_that_were_asked_for_are_enforced",
    "test_what_the_box_is_made_from_is_read_back_and_seen_inside",
)

pytestmark = [
    pytest.mark.parallel,
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(missing()), reason=missing()),
    pytest.mark.skipif(bool(no_tiny_rootfs()), reason=no_tiny_rootfs()),
]


def test_a_box_has_its_limits_on_a_guests_kernel_with_cgroup_v2(tmp_path: Path) -> None:
    """The share of the next tests that every ``invoke test`` runs."""
    passed_in_guest(selected({"test_ns_runtime.py": OF_NS_AT_LEAST}), tmp_path, LIMIT_S)


@pytest.mark.exhaustive
def test_ns_keeps_its_promises_on_a_guests_kernel_with_cgroup_v2(tmp_path: Path) -> None:
    """Those for a plain user too, whose cgroup is delegated: one guest for both saves a start."""
    tests = {
        "test_ns_runtime.py": OF_NS,
        "test_ns_lifecycle.py": OF_A_LIFE,
        "test_delegated_cgroup.py": OF_A_USER,
    }
    passed_in_guest(selected(tests), tmp_path, LIMIT_S)


@pytest.mark.exhaustive
@pytest.mark.skipif(bool(missing(WEIGHING)), reason=missing(WEIGHING))
def test_every_limit_does_what_it_says_on_a_guests_kernel_with_cgroup_v2(tmp_path: Path) -> None:
    test = "tests/integration/test_cgroup_effects.py"
    passed_in_guest([test], tmp_path, LIMIT_S, before=SWAP, modules=WEIGHING)


@pytest.mark.exhaustive
@pytest.mark.skipif(process.find("dockerd") is None, reason="dockerd is not installed")
def test_docker_keeps_its_promises_on_a_guests_kernel_with_cgroup_v2(tmp_path: Path) -> None:
    passed_in_guest(selected({"test_docker_runtime.py": OF_DOCKER}), tmp_path, LIMIT_S)


def selected(files: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [f"tests/integration/{file}::{name}" for file, names in files.items() for name in names]


def test_a_guest_whose_command_fails_says_so(tmp_path: Path) -> None:
    argv = ["sh", "-c", "cat /sys/fs/cgroup/cgroup.controllers; exit 3"]
    outcome = run_in_guest(argv, PROJECT, tmp_path, LIMIT_S)
    assert outcome.status == 3
    assert {"cpu", "memory", "cpuset", "pids"} <= set(outcome.console.split())


def test_a_guest_ends_with_the_tests_that_asked_for_it(tmp_path: Path) -> None:
    """Also where these have no time to clean up, as when they are sent a SIGTERM."""
    asker = process.spawn([sys.executable, "-c", ASK, str(tmp_path)], cwd=PROJECT)
    try:
        assert appears(tmp_path / "console")
        (guest,) = proc.children(asker.pid)
        handle = os.pidfd_open(guest)
    finally:
        asker.terminate()
        asker.wait(10)
    try:
        ended, _, _ = select.select([handle], [], [], 10)
        assert ended, "it lives on"
    finally:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)


ASK = """\
import sys
from pathlib import Path
from tests.support.guest import run_in_guest
run_in_guest(["sleep", "600"], Path("/"), Path(sys.argv[1]), 600)
"""


def appears(file: Path) -> bool:
    """Within a minute."""
    end_s = time.monotonic() + 60
    while not file.exists() and time.monotonic() < end_s:
        time.sleep(0.05)
    return file.exists()
