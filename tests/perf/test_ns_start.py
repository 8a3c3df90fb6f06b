"""Start and end of /bin/true in a box of ``ns``, beside unshare, bubblewrap, runc and docker."""

from __future__ import annotations

import itertools
import json
import mmap
import os
import secrets
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from harness.directories import places
from harness.host import lock
from harness.prepare import testbed
from runtimes import process
from runtimes.base import DEFAULT_PROFILE, Site
from runtimes.docker import DockerRuntime
from runtimes.ns.profile import DEFAULT, PROFILES
from runtimes.resources import Limits
from tests.perf.conftest import Recorder
from tests.support.ns_start import Starter, starter
from tests.support.tiny_rootfs import missing, tiny_rootfs

ROUNDS = 40
AT_ONCE = 100
FULL = PROFILES["no-net"]
"""All namespaces, overlay, cgroup limits, capabilities, seccomp; loopback only."""
LIKE_BUBBLEWRAP = replace(
    FULL, overlay=False, masks=False, capabilities=False, seccomp=False, cgroup=False
)

Action = Callable[[], object]


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces and cgroups are made")
    if missing():
        pytest.skip(missing())
    with tempfile.TemporaryDirectory(prefix="tb", dir="/var/tmp") as home:
        Path(home).chmod(0o755)  # runc looks for the root as its user namespace's own root
        directory = tiny_rootfs(Path(home)).directory
        shutil.copy(directory / "bin/busybox", directory / "bin/true")
        yield directory


def limits() -> Limits:
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    return Limits(cpus, float(len(cpus)), 256 << 20)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the launcher is compiled to, once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run() -> Iterator[str]:
    """A short id of the entry's own, which lives meanwhile: no two entries share a thing."""
    name = secrets.token_hex(3)
    with lock.alive(name):
        yield name


@pytest.fixture
def memory_backed(root: Path, cache: Path, run: str) -> Iterator[Starter]:
    """Boxes whose writable layer is in memory.

    What is timed to the very end is then our own and the kernel's work: nothing that it is
    compared with has a writable layer to sync.
    """
    with starter(root, Path("/dev/shm", f"tb-{run}"), cache, run, limits()) as made:
        yield made


@pytest.fixture
def on_disk(root: Path, cache: Path, run: str) -> Iterator[Starter]:
    """Boxes where every run has them."""
    with starter(root, places().state / run / "perf", cache, run, limits()) as made:
        yield made
    (places().state / run).rmdir()


@pytest.fixture
def bridged(root: Path, cache: Path, run: str) -> Iterator[Starter]:
    """Boxes on a testbed's bridge."""
    state = Path("/dev/shm", f"tb-{run}")
    with (
        testbed.testbed(run) as bed,
        starter(root, state, cache, run, limits(), network=bed) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def others(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Action]:
    """What a box is compared with, as far as it is installed."""
    bubblewrap = ["bwrap", "--unshare-all", "--bind", str(root), "/", "--proc", "/proc",
                  "--dev", "/dev", "--die-with-parent", "/bin/true"]  # fmt: skip
    found: dict[str, Action] = {
        "fork+exec": _command(["/bin/true"]),
        "unshare": _command(["unshare", "-mpnuiCf", "--mount-proc", "true"]),
    }
    if process.find("bwrap"):
        found["bwrap"] = _command(bubblewrap)
    if process.find("runc"):
        found["runc's own example"] = _runc([_example(tmp_path_factory.mktemp("bundle"), root)])
    return found


@pytest.fixture
def runc(memory_backed: Starter, tmp_path_factory: pytest.TempPathFactory) -> Action:
    """runc on bundles of the same box: namespaces, id maps, mounts, limits, rights, filter."""
    if not process.find("runc"):
        pytest.skip("runc is not installed")
    home = tmp_path_factory.mktemp("bundles")
    return _runc([memory_backed.bundle(FULL, home / f"r{number}") for number in range(AT_ONCE)])


def _command(argv: Sequence[str]) -> Action:
    return lambda: process.spawn(argv).wait()


def _example(bundle: Path, root: Path) -> Path:
    """What ``runc spec`` writes: no user namespace, limit or filter."""
    process.run(["runc", "spec"], timeout_s=10, cwd=bundle)
    path = bundle / "config.json"
    config = json.loads(path.read_text())
    config["root"] = {"path": str(root), "readonly": True}
    config["process"] |= {"args": ["/bin/true"], "terminal": False}
    path.write_text(json.dumps(config))
    return bundle


def _runc(bundles: Sequence[Path]) -> Action:
    """Start, end and removal by runc of the bundles in turn."""
    turns, numbers, prefix = itertools.cycle(bundles), itertools.count(), secrets.token_hex(3)

    def run() -> None:
        argv = ["runc", "run", "--bundle", str(next(turns)), f"tb-{prefix}-{next(numbers)}"]
        assert process.spawn(argv).wait() == 0

    return run


def _pick(others: Mapping[str, Action], *names: str) -> dict[str, Action]:
    for name in names:
        if name not in others:
            pytest.skip(f"{name} is not installed")
    return {name: others[name] for name in names}


def test_ns_start_full(entry: Recorder, memory_backed: Starter, others: dict[str, Action]) -> None:
    """Start, end and removal: nothing is left for later that bubblewrap does at once."""
    entry.side_by_side(
        lambda: memory_backed.to_the_end(FULL),
        _pick(others, "bwrap"),
        rounds=ROUNDS,
        against="bwrap",
        at_most=0.9,
        target="start, end and removal at most 0.9 × bubblewrap with overlay, cgroups, "
        "capabilities and seccomp",
    )


def test_ns_start_like_bubblewrap(
    entry: Recorder, memory_backed: Starter, others: dict[str, Action]
) -> None:
    """Start, end and removal."""
    entry.side_by_side(
        lambda: memory_backed.to_the_end(LIKE_BUBBLEWRAP, with_cgroups=False),
        _pick(others, "bwrap"),
        rounds=ROUNDS,
        against="bwrap",
        at_most=0.5,
        target="at most 0.5 × bubblewrap with its set of namespaces and mounts",
    )


def test_ns_start_beside_runc(
    entry: Recorder, memory_backed: Starter, others: dict[str, Action], runc: Action
) -> None:
    """Start, end and removal of the same box, whose root somebody has mounted for runc before.

    Beside it runc's own example, which has less to do: no user namespace, limit or filter.
    """
    entry.side_by_side(
        lambda: memory_backed.to_the_end(FULL),
        {**_pick(others, "runc's own example"), "runc": runc},
        rounds=ROUNDS // 2,
        against="runc",
        at_most=1 / 8,
        target="at most 1/8 of runc on the bundle of the same box",
    )


def test_ns_start_on_disk(entry: Recorder, on_disk: Starter, others: dict[str, Action]) -> None:
    """Start and end with the writable layer on a disk; the removal, which syncs it, beside."""
    entry.side_by_side(
        lambda: on_disk.start_and_exit(FULL),
        _pick(others, "bwrap"),
        afterwards={"its removal": on_disk.remove},
        rounds=ROUNDS,
        against="bwrap",
        at_most=0.9,
        target="start and end at most 0.9 × bubblewrap with the writable layer on the disk",
    )


def test_ns_start_bridge(entry: Recorder, bridged: Starter, others: dict[str, Action]) -> None:
    """The removal, in which the kernel waits for all readers of the interface, beside."""
    entry.side_by_side(
        lambda: bridged.start_and_exit(DEFAULT),
        _pick(others, "bwrap"),
        afterwards={"its removal": bridged.remove},
        rounds=ROUNDS,
        against="bwrap",
        at_most=1.5,
        target="start and end at most 1.5 × bubblewrap with a veth pair on a bridge",
    )


def test_ns_start_at_once(entry: Recorder, memory_backed: Starter, runc: Action) -> None:
    """A hundred started at the same instant, to the end of the last."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        entry.side_by_side(
            lambda: _all(pool, lambda: memory_backed.to_the_end(FULL)),
            {"runc": lambda: _all(pool, runc)},
            rounds=3,
            against="runc",
            at_most=1 / 4,
            target=f"{AT_ONCE} at once: at least 4 × runc's throughput",
        )


def _all(pool: ThreadPoolExecutor, action: Action) -> None:
    for done in [pool.submit(action) for _ in range(AT_ONCE)]:
        done.result()


def test_ns_start_in_a_fat_harness(entry: Recorder, memory_backed: Starter) -> None:
    """In turns with 100 MB and with 1 GB of touched memory in this process."""
    times: dict[str, list[int]] = {"with 100 MB": [], "with 1 GB": []}
    touched = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    for _ in range(20):
        for name, megabytes in (("with 100 MB", 100), ("with 1 GB", 1000)):
            with mmap.mmap(-1, megabytes << 20, flags=touched):
                for _ in range(3):  # caches are ours again
                    memory_backed.to_the_end(FULL)
                for _ in range(3):
                    begun = time.perf_counter_ns()
                    memory_backed.to_the_end(FULL)
                    times[name].append(time.perf_counter_ns() - begun)
    beside = {name: statistics.median(values) for name, values in times.items()}
    entry.figure(
        beside["with 1 GB"],
        "ns",
        at_most=beside["with 100 MB"] * 1.1,
        target="with 1 GB in the harness within 10 % of 100 MB",
        beside=beside,
    )


@pytest.fixture(scope="module")
def docker_run(site: Site) -> Iterator[Action]:
    """``docker run`` of the real root filesystem, on a private daemon."""
    runtime = DockerRuntime()
    answer = runtime.availability({})
    if not answer.ok or not process.find("docker"):
        pytest.skip(f"docker cannot run here: {answer.reason}")
    state = site.state / "docker"
    state.mkdir()
    with runtime.prepare(replace(site, state=state), frozenset({DEFAULT_PROFILE})) as engine:
        command = ["docker", "-H", engine.daemon.address, "run", "--rm", "--network", "none",
                   engine.image.identifier, "/bin/true"]  # fmt: skip
        yield lambda: process.run(command, timeout_s=60)


def test_ns_start_beside_all(
    entry: Recorder,
    memory_backed: Starter,
    others: dict[str, Action],
    runc: Action,
    docker_run: Action,
) -> None:
    entry.side_by_side(
        lambda: memory_backed.to_the_end(FULL),
        {**others, "runc": runc, "docker run": docker_run},
        rounds=7,
        against="unshare",
        at_most=2.0,
        target="at most 2 × unshare, which makes namespaces and nothing else",
    )
