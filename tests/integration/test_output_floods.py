"""Boxes that say too much, or never stop: what is kept is bounded, and it is told that it was cut.

The harness's own memory is measured while it listens, by the peak that the kernel keeps of it.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from harness.errors import HarnessFault
from harness.trial import services
from runtimes.agent import jobs
from runtimes.agent.channel import INPUT_MAX, OUTPUT_LIMIT_BYTES, Agent, AgentFault
from runtimes.launcher.instance import LaunchedInstance
from tests.support.escapes import PROGRAM, Arena, native_box

pytestmark = pytest.mark.root
MIB = 1 << 20
S = 60.0
"""Far more seconds than anything takes."""
SHELL = ("/bin/busybox", "sh", "-c")


@pytest.fixture(scope="module", params=["ns", "native"])
def box(request: pytest.FixtureRequest, arena: Arena) -> Iterator[LaunchedInstance]:
    """One box for all floods: each has to leave it as it was."""
    if request.param == "ns":
        with arena.box() as instance:
            yield instance
        return
    with native_box(arena) as instance:
        yield instance


@pytest.fixture(autouse=True)
def still_there(box: LaunchedInstance) -> Iterator[None]:
    yield
    assert box.agent.run(["/bin/busybox", "true"], timeout_s=S).status == 0


def peak_bytes() -> int:
    """The most memory that this process has had since ``growth`` asked to begin anew."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


@contextlib.contextmanager
def growth() -> Iterator[Callable[[], int]]:
    """By how many bytes we were larger at our largest than at the beginning."""
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_bytes()
    yield lambda: peak_bytes() - before


def flood(agent: Agent, script: str, **options: float) -> jobs.JobResult:
    """A script of the box's shell to its end."""
    keywords = {"timeout_s": S, **options}
    return agent.run([*SHELL, f"PATH=/bin; {script}"], **keywords)  # type: ignore[arg-type]


ENDLESS = {
    "output": "exec busybox yes",
    "error output": "exec busybox yes >&2",
    "both": "busybox yes >&2 & exec busybox yes",
    "one line": "exec busybox cat /dev/zero",
    "of a child in a session of its own": "busybox setsid busybox yes & exec busybox yes",
}


@pytest.mark.parametrize("script", ENDLESS.values(), ids=ENDLESS)
def test_endless_output_is_cut_told_and_ended(box: LaunchedInstance, script: str) -> None:
    with growth() as grown:
        result = flood(box.agent, script)
        assert grown() < 8 * OUTPUT_LIMIT_BYTES
    assert (result.truncated, result.timed_out) == (True, False)
    assert result.status == -signal.SIGKILL
    assert max(len(result.stdout), len(result.stderr)) == OUTPUT_LIMIT_BYTES
    with pytest.raises(HarnessFault, match="killed by signal 9"):
        services.check(SHELL, result)


def test_memory_does_not_grow_with_what_is_thrown_away(box: LaunchedInstance) -> None:
    """Nobody stops it for two seconds: it says hundreds of times what is kept."""
    with mock.patch.object(jobs, "FLOOD", 10**6), growth() as grown:
        job = box.agent.spawn(["/bin/busybox", "yes"], timeout_s=2, output_limit=64 << 10)
        result = job.wait(S)
        assert grown() < 16 * MIB
    assert job.received > 64 * MIB
    assert (len(result.stdout), result.truncated, result.timed_out) == (64 << 10, True, True)


def test_a_line_of_ten_megabytes_is_more_output_than_is_accepted(box: LaunchedInstance) -> None:
    script = "busybox head -c 10000000 /dev/zero | busybox tr '\\0' a; echo; echo events 1"
    result = flood(box.agent, script)
    assert (result.status, result.truncated) == (0, True)
    assert result.stdout == b"a" * OUTPUT_LIMIT_BYTES
    with pytest.raises(HarnessFault, match="wrote more output than is accepted") as caught:
        services.check(SHELL, result)
    assert len(caught.value.tail) < 10_000


def test_what_nobody_reads_waits_in_the_box(box: LaunchedInstance) -> None:
    """The job stands still, neither the agent nor we grow, and the rest comes when it is asked."""
    job = box.agent.spawn(["/bin/busybox", "yes"], timeout_s=S, output_limit=MIB)
    with growth() as grown:
        time.sleep(0.5)
        assert grown() < 4 * MIB
    held = [_resident(pid) for pid in box.group.pids()]
    assert sum(held) < 8 * MIB
    result = job.wait(S)
    assert (result.truncated, len(result.stdout)) == (True, MIB)


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    return 0


def ask_twice(job: jobs.Job, first: bytes) -> None:
    """Two slices, once it has said ``first``."""
    job.expect(first, S)
    job.ask(b"0 50\n", 1.0)
    job.ask(b"0 50\n", 1.0)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("read a; exec busybox tr '\\0' a < /dev/zero", "answered with more than a line"),
        ("read a; busybox yes >&2 & busybox sleep 30", "wrote more than is kept"),
        ("read a; busybox head -c 4000 /dev/zero; exec busybox sleep 30", "gave up waiting"),
        ("echo early; read a; echo late", "wrote what nobody asked for"),
        ("read a; exit 3", "ended with status 3 before it answered"),
    ],
    ids=["no end of line", "errors without end", "half a line", "unasked", "none"],
)
def test_an_answer_to_a_slice_that_is_none_is_a_fault(
    box: LaunchedInstance, script: str, why: str
) -> None:
    job = box.agent.spawn([*SHELL, f"PATH=/bin; {script}"], timeout_s=S, fed=True)
    try:
        with growth() as grown, pytest.raises(AgentFault, match=why) as caught:
            ask_twice(job, b"early" if "early" in script else b"")
        assert grown() < 8 * OUTPUT_LIMIT_BYTES
        assert len(caught.value.tail) < 10_000
    finally:
        job.kill()
        job.ended(S)


def test_a_program_that_does_not_read_its_slices_is_ended(box: LaunchedInstance) -> None:
    job = box.agent.spawn(["/bin/busybox", "sleep", "50"], timeout_s=S, fed=True)
    for _ in range(40):
        with contextlib.suppress(AgentFault):  # no answer in time; then: it has ended
            job.ask(b"x" * INPUT_MAX, 0.001)
    assert job.wait(S).status == -signal.SIGKILL


def test_a_job_that_leaves_its_group_is_ended_at_its_time_all_the_same(
    box: LaunchedInstance,
) -> None:
    result = box.agent.run([PROGRAM, "leave-group"], timeout_s=0.3)
    assert (result.status, result.timed_out) == (-signal.SIGKILL, True)
