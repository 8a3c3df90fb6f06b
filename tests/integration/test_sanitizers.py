"""The C parts do what they are for without a word from AddressSanitizer or UBSan."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import workloads.registry
from runtimes import process
from runtimes.images.rootfs.recipe import AGENT_SOURCE
from runtimes.launcher.program import SOURCES
from tests.support.agent_process import S, started_agent
from tests.support.sanitized import ENVIRONMENT, compile_sanitized, report_in

pytestmark = pytest.mark.parallel

PROGRAMS = Path(workloads.registry.__file__).parent / "programs"
RUNS = {
    "memory": (("stream", "4194304", "1"), ("latency", "4194304", "1")),
    "random_access": (("4194304", "1"),),
    "linpack": (("200", "1"),),
    "system": (("call", "1"), ("fault", "1"), ("switch", "1"), ("spawn", "1")),
}
"""Arguments of the measuring programs: as small as they take."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sanitized")


def test_the_agent_runs_jobs_and_takes_and_gives_files(directory: Path) -> None:
    program = compile_sanitized([AGENT_SOURCE], directory / "agent")
    environment = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    with started_agent(program, before=["env", *environment]) as running:
        agent = running.agent
        assert agent.run(["/bin/echo", "words"], timeout_s=S).stdout == b"words\n"
        assert agent.run(["/bin/sh", "-c", "exit 3"], timeout_s=S).status == 3
        assert agent.run(["/bin/sleep", "9"], timeout_s=0.1).timed_out
        assert len(agent.digest("/bin/true")) == 64
        agent.put(str(directory / "file"), b"x" * 200_000, timeout_s=S)
        assert agent.get(str(directory / "file"), timeout_s=S).content == b"x" * 200_000
        assert agent.facts()["pid"]
    assert running.process.returncode == 0


def test_the_launcher_compiles_and_refuses_what_is_no_plan(directory: Path) -> None:
    sources = sorted(SOURCES.glob("*.c"))
    program = compile_sanitized(sources, directory / "launcher")
    done = subprocess.run([program], env=dict(ENVIRONMENT), capture_output=True, check=False)
    assert (done.returncode, report_in(done.stderr)) == (2, "")


@pytest.mark.parametrize("name", RUNS)
def test_a_measuring_program_works(directory: Path, name: str) -> None:
    program = compile_sanitized([PROGRAMS / f"{name}.c"], directory / name, ["-lm", "-pthread"])
    for arguments in RUNS[name]:
        done = process.run([str(program), *arguments], timeout_s=60, env=ENVIRONMENT)
        assert done.stdout
        assert report_in(done.stderr) == ""


@pytest.mark.parametrize(
    "arguments", [(), ("stream",), ("stream", "-1", "1"), ("x", "9" * 30, "1")]
)
@pytest.mark.parametrize("name", RUNS)
def test_nonsense_is_refused_by_a_sentence(
    directory: Path, name: str, arguments: tuple[str, ...]
) -> None:
    program = directory / name
    if not program.exists():
        compile_sanitized([PROGRAMS / f"{name}.c"], program, ["-lm", "-pthread"])
    done = subprocess.run(
        [program, *arguments], env=dict(ENVIRONMENT), capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert report_in(done.stderr) == ""
