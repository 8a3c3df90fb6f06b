"""What a run has on the host is closed to other users while it goes on, for every backend.

State and cache are in a directory that the user chose and made, open to all as /tmp is: only what
is ours in it can be closed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.host import lock
from runtimes import directories, process
from runtimes.base import Engine, InstanceSpec, Site
from runtimes.docker import locate
from runtimes.linux.ids.rights import is_host_root
from runtimes.registry import load
from runtimes.resources import Limits
from tests.support.sites import held_testbed
from tests.support.stranger import as_nobody, everything, reached
from tests.support.tiny_rootfs import missing, tiny_rootfs

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not is_host_root(), reason="needs root, and somebody who is not"),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

LIMITS = Limits((0,), 1.0, 256 << 20)
BOOT_S = 90.0
OPTIONS = {locate.OPTION: locate.PRIVATE}
PLANT = "cp /bin/busybox /tmp/planted; chmod 6755 /tmp/planted; chmod 777 /tmp; echo x >/tmp/said"
BACKENDS = [
    ("native", "default"),
    ("ns", "default"),
    ("ns", "no-userns"),
    ("ns", "depth-8"),
    ("oci", "default"),
    ("oci", "ns"),
    ("containerd", "default"),
    ("docker", "default"),
    pytest.param("kvm", "micro", marks=pytest.mark.slow),
]


@pytest.fixture
def open_home() -> Iterator[Path]:
    """A directory that anybody can look into, as a user may have chosen it; short for sockets."""
    where = Path(tempfile.mkdtemp(prefix="tb", dir="/var/tmp"))
    for directory in (where, where / "s", where / "c"):
        directory.mkdir(exist_ok=True)
        directory.chmod(0o755)
    try:
        yield where
    finally:
        shutil.rmtree(where)


@contextlib.contextmanager
def started(home: Path, backend: str, profile: str) -> Iterator[Site]:
    """A box with a set-id program planted in its writable layer."""
    runtime = load().runtimes[backend]
    answer = runtime.availability(OPTIONS)
    if not answer.ok:
        pytest.skip(f"{backend} cannot run here: {answer.reason}")
    run = secrets.token_hex(3)
    state, cache = home / "s", home / "c"
    directories.made(state, "TAREBENCH_STATE", walked=True)
    directories.made(cache, "TAREBENCH_CACHE")
    own = directories.closed(state / run, walked=True)
    rootfs = tiny_rootfs(directories.closed(cache / "rootfs"))
    with held_testbed(run) as bed:
        site = Site(
            run=run,
            state=directories.closed(own / backend, walked=True),
            cache=cache,
            rootfs=rootfs,
            network=bed,
            limits=LIMITS,
            progress=lambda _: None,
            options=OPTIONS,
        )
        with runtime.prepare(site, frozenset({profile})) as engine:
            spec = InstanceSpec(f"tb-{run}-1", profile, LIMITS, bed.lease(1))
            with planted(engine, spec, own / "volumes/1"):
                yield replace(site, state=state)


@contextlib.contextmanager
def planted(engine: Engine, spec: InstanceSpec, volume: Path) -> Iterator[None]:
    if spec.profile == "default":
        volume.mkdir(parents=True)
        spec = replace(spec, volume=volume)
    instance = engine.start(spec)
    try:
        instance.agent.hello(BOOT_S)
        instance.agent.run(["/bin/sh", "-c", PLANT], timeout_s=30)
        yield
    finally:
        instance.remove()


@pytest.mark.parametrize(("backend", "profile"), BACKENDS)
def test_nobody_reaches_nothing_of_a_run_that_goes_on(
    open_home: Path, backend: str, profile: str
) -> None:
    with started(open_home, backend, profile) as site:
        tops = [each for top in (site.state, site.cache) for each in top.iterdir()]
        tops += Path("/run").glob(f"tb-{site.run}-*")
        paths = everything(*tops)
        assert any(path.name == site.run for path in paths)
        if backend in {"ns", "oci", "containerd", "docker"}:
            assert [path for path in paths if path.name == "planted"], "nothing to be found"
        assert reached(paths) == []


def test_what_an_older_version_left_open_is_closed_at_the_next_start(open_home: Path) -> None:
    state, cache = open_home / "s", open_home / "c"
    for directory in (cache / "launcher", cache / "layers", state / "old"):
        directory.mkdir()
        directory.chmod(0o755)
    base = tiny_rootfs(open_home)
    argv = [
        *(sys.executable, "-m", "runtimes.standalone.box", "run", "--profile", "no-userns"),
        *("--layers", str(base.directory), "--", "/bin/sh", "-c"),
    ]
    environment = {
        **process.ENVIRONMENT,
        "TAREBENCH_STATE": str(state),
        "TAREBENCH_CACHE": str(cache),
    }
    process.run([*argv, "true"], timeout_s=60, env=environment)
    assert reached(everything(cache / "launcher")) == []
    with started(open_home, "ns", "depth-8") as site:
        assert reached(everything(site.cache / "layers")) == []


@contextlib.contextmanager
def holding_everything() -> Iterator[None]:
    """``nobody`` locks all that it can open and has the names of a run that measures."""
    script = (
        "import fcntl, os, socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.bind('\\0tarebench/measuring'); s.listen(0)\n"
        "f = os.open('/run/netns', os.O_RDONLY); fcntl.flock(f, fcntl.LOCK_EX)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    user = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    child = process.spawn(
        [*user, "/usr/bin/python3", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        assert child.stdout.readline() == b"held\n"
        yield
        child.stdin.close()


def test_nobody_who_holds_everything_keeps_no_run_from_starting() -> None:
    if lock.is_alive(lock.MEASURING):
        pytest.skip("a run is measuring on this host")
    with held_testbed(secrets.token_hex(3)), holding_everything():
        with lock.measuring(wait=False, told=print):
            run = secrets.token_hex(3)
            with held_testbed(run) as bed:
                assert bed.host_netns.exists()
                assert lock.is_alive(run)
        assert not lock.is_alive(run)
        assert not bed.host_netns.exists()


def test_the_stranger_of_these_tests_finds_what_is_open(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        home = Path(scratch)
        home.chmod(0o755)
        program = home / "program"
        program.write_bytes(b"")
        program.chmod(0o4755)
        found = reached(everything(home))
        assert {line.split()[0] for line in found} == {"reads", "locks", "executes"}
        assert any("with set ids" in line for line in found)
    assert as_nobody(lambda: [str(os.getuid()), str(os.geteuid())]) == ["65534", "65534"]
    assert reached(everything(tmp_path)) == []
