"""The launcher as a program: clean C, a sealed copy, and plans that are not what they should be."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes import process
from runtimes.images.compile import compile_static
from runtimes.launcher import Launcher, Plan, Side, Step, compiled
from runtimes.launcher import operations as ops
from runtimes.launcher.program import FLAGS, SOURCES

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


def answer(program: Path, plan: bytes) -> tuple[int, bytes]:
    """Exit status, and what it told, for a plan as it stands."""
    told, telling = os.pipe()
    descriptor = os.memfd_create("plan")
    os.write(descriptor, plan)
    child = process.spawn(
        [str(program), str(descriptor), str(telling)], pass_fds=(descriptor, telling)
    )
    status = child.wait()
    for fd in (descriptor, telling):
        os.close(fd)
    with os.fdopen(told, "rb") as pipe:
        return status, pipe.read()


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
def test_a_torn_plan_does_nothing(program: Path, tmp_path: Path, cut: int) -> None:
    step = Step(Side.LAUNCHER, "x", ops.MakeDirectory(str(tmp_path / "made")))
    status, told = answer(program, Plan((step,)).pack()[:cut])
    assert status == 1
    assert errno.EBADMSG.to_bytes(8, "little") in told
    assert not (tmp_path / "made").exists()


def test_an_unknown_operation_is_refused(program: Path) -> None:
    packed = bytearray(Plan((Step(Side.LAUNCHER, "x", ops.Post()),)).pack())
    packed[8:10] = (999).to_bytes(2, "little")
    status, told = answer(program, bytes(packed))
    assert status == 1
    assert errno.ENOSYS.to_bytes(8, "little") in told


def test_without_its_two_descriptors_it_only_says_usage(program: Path) -> None:
    assert process.spawn([str(program)], stdout=subprocess.DEVNULL).wait() == 2
