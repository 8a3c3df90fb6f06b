"""Start and end of /bin/true in a box of ``ns``, beside unshare, bubblewrap and runc."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from runtimes import process
from runtimes.base import Limits
from runtimes.namespaces.profiles import PROFILES, Profile
from tests.perf.conftest import Recorder
from tests.support.ns_start import starter
from tests.support.tiny_rootfs import missing, tiny_rootfs

RUN = "be0c01"
ROUNDS = 40
FULL = PROFILES["no-net"]
"""All namespaces, overlay, cgroup limits, capabilities, seccomp; loopback only."""
LIKE_BUBBLEWRAP = replace(
    FULL, overlay=False, masks=False, capabilities=False, seccomp=False, cgroup=False
)

Start = Callable[[Profile, bool], None]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces and cgroups are made")
    if missing():
        pytest.skip(missing())
    directory = tiny_rootfs(tmp_path_factory.mktemp("rootfs")).directory
    shutil.copy(directory / "bin/busybox", directory / "bin/true")
    return directory


@pytest.fixture(scope="module")
def start(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    state = Path("/dev/shm", f"tb-{RUN}")  # see starter: not on a disk
    cache = tmp_path_factory.mktemp("cache")
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    with starter(root, state, cache, RUN, Limits(cpus, float(len(cpus)), 256 << 20)) as function:
        yield function


@pytest.fixture(scope="module")
def others(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Callable[[], object]]:
    """What a box is compared with, as far as it is installed."""
    bundle = tmp_path_factory.mktemp("bundle")
    bubblewrap = ["bwrap", "--unshare-all", "--bind", str(root), "/", "--proc", "/proc",
                  "--dev", "/dev", "--die-with-parent", "/bin/true"]  # fmt: skip
    found: dict[str, Callable[[], object]] = {
        "fork+exec": _command(["/bin/true"]),
        "unshare": _command(["unshare", "-mpnuiCf", "--mount-proc", "true"]),
    }
    if process.find("bwrap"):
        found["bwrap"] = _command(bubblewrap)
    if process.find("runc"):
        found["runc"] = _runc(bundle, root)
    return found


def _command(argv: Sequence[str]) -> Callable[[], object]:
    return lambda: process.spawn(argv).wait()


def _runc(bundle: Path, root: Path) -> Callable[[], object]:
    process.run(["runc", "spec"], timeout_s=10, cwd=bundle)
    path = bundle / "config.json"
    config = json.loads(path.read_text())
    config["root"] = {"path": str(root), "readonly": True}
    config["process"] |= {"args": ["/bin/true"], "terminal": False}
    path.write_text(json.dumps(config))
    numbers = itertools.count()
    return lambda: process.spawn(
        ["runc", "run", "--bundle", str(bundle), f"tb-{RUN}-{next(numbers)}"]
    ).wait()


def _pick(others: dict[str, Callable[[], object]], name: str) -> dict[str, Callable[[], object]]:
    if name not in others:
        pytest.skip(f"{name} is not installed")
    return others


def test_ns_start_full(
    entry: Recorder, start: Start, others: dict[str, Callable[[], object]]
) -> None:
    entry.side_by_side(
        lambda: start(FULL, True),  # noqa: FBT003  # a callable's only form
        _pick(others, "bwrap"),
        rounds=ROUNDS,
        against="bwrap",
        at_most=0.9,
        target="at most 0.9 × bubblewrap with overlay, cgroups, capabilities and seccomp",
    )


def test_ns_start_like_bubblewrap(
    entry: Recorder, start: Start, others: dict[str, Callable[[], object]]
) -> None:
    entry.side_by_side(
        lambda: start(LIKE_BUBBLEWRAP, False),  # noqa: FBT003  # a callable's only form
        _pick(others, "bwrap"),
        rounds=ROUNDS,
        against="bwrap",
        at_most=0.5,
        target="at most 0.5 × bubblewrap with its set of namespaces and mounts",
    )


def test_ns_start_beside_runc(
    entry: Recorder, start: Start, others: dict[str, Callable[[], object]]
) -> None:
    entry.side_by_side(
        lambda: start(FULL, True),  # noqa: FBT003  # a callable's only form
        _pick(others, "runc"),
        rounds=ROUNDS // 2,
        against="runc",
        at_most=1 / 8,
        target="at most 1/8 of runc",
    )
