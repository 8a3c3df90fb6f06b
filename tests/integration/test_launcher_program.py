"""The launcher as a program: clean C, a sealed copy, and plans that are not what they should be."""

from __future__ import annotations

import errno
import os
import signal
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from runtimes import process
from runtimes.images.compile import compile_static
from runtimes.launcher import Launcher, LaunchFault, Plan, Side, Step, compiled, limits
from runtimes.launcher import operations as ops
from runtimes.launcher.program import FLAGS, SOURCES
from runtimes.launcher.server import Server

pytestmark = pytest.mark.parallel

DONE = 5
"""Of status records, in launcher.h."""


class Nine(ops.Post):
    """A step of more numbers than one may have."""

    def numbers(self) -> tuple[int, ...]:
        return (0,) * 9


STRICT = ("-Werror", "-Wshadow", "-Wconversion", "-Wstrict-prototypes")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if process.find("gcc") is None:
        pytest.skip("there is no C compiler")
    return compiled(tmp_path_factory.mktemp("cache"), lambda _: None)


@pytest.fixture
def launcher(program: Path) -> Iterator[Launcher]:
    made = Launcher(program)
    yield made
    made.close()


def answer(launcher: Launcher, plan: bytes) -> bytes:
    """What the launcher told for a plan as it stands."""
    server = Server(launcher.program_fd)
    told, telling = os.pipe()
    with os.fdopen(told, "rb") as pipe:
        server.send(plan, (telling,) * 4, ())
        os.close(telling)
        answered = pipe.read()
    assert server.alive()
    server.close()
    return answered


def test_the_sources_compile_without_a_warning(tmp_path: Path) -> None:
    compile_static(sorted(SOURCES.glob("*.c")), tmp_path / "launcher", (*FLAGS, *STRICT))


def test_a_compiled_program_is_kept(program: Path) -> None:
    before = program.stat().st_mtime_ns
    assert compiled(program.parents[1], lambda _: None) == program
    assert program.stat().st_mtime_ns == before


def test_nobody_can_write_to_the_copy_that_is_run(launcher: Launcher) -> None:
    with pytest.raises(PermissionError):
        os.pwrite(launcher.program_fd, b"\0", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(launcher.program_fd, 0)


@pytest.mark.parametrize("cut", [0, 4, 7, 9, 20, 30])
def test_a_torn_plan_does_nothing(launcher: Launcher, tmp_path: Path, cut: int) -> None:
    step = Step(Side.LAUNCHER, "x", ops.MakeDirectory(str(tmp_path / "made")))
    told = answer(launcher, Plan((step,)).pack()[:cut])
    assert errno.EBADMSG.to_bytes(8, "little") in told
    assert not (tmp_path / "made").exists()


def skipped(*operations: ops.Operation) -> bytes:
    """A plan that is read whole, and of which the launcher does nothing: all is the child's."""
    return Plan(tuple(Step(Side.CHILD, "x", one) for one in operations)).pack()


@pytest.mark.parametrize(
    "operations",
    [
        [ops.Post()] * limits.MAX_STEPS,
        [ops.Execute(("",) * (limits.MAX_STRINGS - 1), (), init=True)] * 12,
        [ops.Execute(("a" * limits.argument_bytes(),) * 31, (), init=True)],
        [ops.Capabilities(1, 2, 3, 4, 5)] * limits.MAX_STEPS,
    ],
    ids=["steps", "strings", "bytes", "numbers"],
)
def test_whatever_may_be_sent_is_read(launcher: Launcher, operations: list[ops.Operation]) -> None:
    told = answer(launcher, skipped(*operations))
    assert struct.unpack_from("=I", told, len(told) - 24)[0] == DONE


@pytest.mark.parametrize(
    ("name", "more"),
    [("MAX_STEPS", [ops.Post()] * (limits.MAX_STEPS + 1)), ("MAX_NUMBERS", [Nine()])],
)
def test_the_launcher_refuses_one_above_the_limit_as_well(
    launcher: Launcher, name: str, more: list[ops.Operation]
) -> None:
    with mock.patch.object(limits, name, 10_000):
        packed = skipped(*more)
    assert errno.EBADMSG.to_bytes(8, "little") in answer(launcher, packed)


def test_an_unknown_operation_is_refused(launcher: Launcher) -> None:
    packed = bytearray(Plan((Step(Side.LAUNCHER, "x", ops.Post()),)).pack())
    packed[8:10] = (999).to_bytes(2, "little")
    told = answer(launcher, bytes(packed))
    assert errno.ENOSYS.to_bytes(8, "little") in told


def test_a_dead_launcher_is_replaced(launcher: Launcher) -> None:
    """A start finds it dead and begins another; a start that it died in is a fault."""
    plan = Plan((Step(Side.LAUNCHER, "x", ops.EnterNamespace("/proc/self/ns/net")),))
    launcher.prepare(plan)
    first = launcher.pids()[0]
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    true = Plan(
        (
            Step(Side.LAUNCHER, "cloned", ops.Clone(0)),
            Step(Side.CHILD, "executed", ops.Execute(("/bin/true",), (), init=False)),
        )
    )
    assert launcher.start(true).wait(10) == 0
    assert launcher.pids() != (first,)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_child_that_is_killed_on_its_way_is_said_to_be(
    launcher: Launcher, number: signal.Signals
) -> None:
    """Its init is about to wait for the launcher's word when it is killed from outside."""
    kill = f"kill -{number.value} $PPID; sleep 5"
    hook = ops.Hook("/bin/sh", ("sh", "-c", kill), (), 0, ("", ""))
    plan = Plan((Step(Side.LAUNCHER, "cloned", ops.Clone(0)), Step(Side.CHILD, "hook", hook)))
    with pytest.raises(LaunchFault, match=f"its process was killed by {number.name}"):
        launcher.start(plan)


def test_a_launcher_that_cannot_begin_says_why_by_its_status(program: Path) -> None:
    """Here in a user namespace that may have no mount namespaces."""
    script = 'echo 0 >/proc/sys/user/max_mnt_namespaces && exec "$0" 0'
    argv = ["unshare", "--user", "--map-root-user", "sh", "-c", script, str(program)]
    assert process.spawn(argv, stdin=subprocess.DEVNULL).wait() == 64 + errno.ENOSPC


def test_how_a_launcher_ended_is_told_in_words() -> None:
    told = []
    for path in ("/bin/false", "/bin/sleep"):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        server = Server(descriptor)
        if path == "/bin/sleep":
            os.kill(server.pid, signal.SIGKILL)
        told.append(server.fate())
        server.close()
        os.close(descriptor)
    assert told[0] == "the launcher ended with status 1, without a word"
    assert told[1] == "the launcher was killed by SIGKILL"


def test_nothing_of_one_plan_is_left_in_the_launcher(launcher: Launcher) -> None:
    held, passed = os.pipe()
    plan = Plan((Step(Side.LAUNCHER, "x", ops.EnterNamespace("/proc/self/ns/net")),))
    launcher.prepare(plan)
    server = Path(f"/proc/{launcher.pids()[0]}")
    before = sorted((server / "fd").iterdir())
    launcher.prepare(plan, (held, passed))
    broken = Plan((Step(Side.LAUNCHER, "x", ops.MakeTmpfs(0, "64k", 0)),
                   Step(Side.LAUNCHER, "x", ops.MakeDirectory("/proc/x"))))  # fmt: skip
    with pytest.raises(LaunchFault):
        launcher.start(broken)
    os.close(held)
    os.close(passed)
    assert sorted((server / "fd").iterdir()) == before
    assert (server / "cwd").readlink() == Path("/")


def test_without_its_socket_it_only_says_usage(program: Path) -> None:
    assert process.spawn([str(program)], stdout=subprocess.DEVNULL).wait() == 2
