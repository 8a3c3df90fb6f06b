"""The real agent over pipes: how it runs jobs.  Needs a C compiler, not root."""

from __future__ import annotations

import hashlib
import re
import signal
from pathlib import Path

import pytest

from runtimes import process
from runtimes.agent.channel import AgentFault
from tests.support.agent_process import AgentProcess, S, is_running, started_agent

pytestmark = pytest.mark.parallel


def test_output_status_and_price_come_back(box: AgentProcess) -> None:
    result = box.agent.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout_s=S)
    assert (result.status, result.stdout, result.stderr) == (3, b"out\n", b"err\n")
    assert not result.timed_out
    assert not result.truncated
    assert 0 < result.wall_ns < S * 1e9
    assert result.max_rss_bytes > 4096


def test_cpu_time_is_the_jobs_own_and_its_childrens(box: AgentProcess) -> None:
    busy = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"
    result = box.agent.run(["sh", "-c", f"sh -c '{busy}'; true"], timeout_s=S)
    assert 0 < result.user_ns + result.sys_ns <= result.wall_ns * 1.1


def test_a_job_that_does_nothing_is_charged_its_wait_and_no_cpu(box: AgentProcess) -> None:
    result = box.agent.run(["sleep", "0.3"], timeout_s=S)
    assert result.wall_ns >= 300_000_000
    assert result.user_ns + result.sys_ns < 100_000_000


def test_a_jobs_environment_is_only_what_it_was_given(box: AgentProcess) -> None:
    result = box.agent.run(["env"], timeout_s=S, env={"GIVEN": "a b=c"})
    wanted = {**process.ENVIRONMENT, "GIVEN": "a b=c"}
    assert dict(line.split("=", 1) for line in result.stdout.decode().splitlines()) == wanted


def test_a_program_is_searched_on_the_jobs_path(box: AgentProcess, tmp_path: Path) -> None:
    tool = tmp_path / "only-here"
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    path = f"{tmp_path}:{process.ENVIRONMENT['PATH']}"
    assert box.agent.run(["only-here"], timeout_s=S, env={"PATH": path}).stdout == b"found\n"
    with pytest.raises(AgentFault, match="only-here: No such file"):
        box.agent.run(["only-here"], timeout_s=S)


def test_arguments_arrive_as_they_were_given(box: AgentProcess) -> None:
    arguments = ["", "a b", "ü\n", "$HOME", "\udcff"]
    result = box.agent.run(["printf", "%s|", *arguments], timeout_s=S)
    assert result.stdout == b"|a b|\xc3\xbc\n|$HOME|\xff|"


@pytest.mark.parametrize(
    ("target", "why"),
    [("missing", "No such file"), ("plain", "Permission denied"), ("", "Permission denied")],
)
def test_what_cannot_be_run_is_refused_with_its_reason(
    box: AgentProcess, tmp_path: Path, target: str, why: str
) -> None:
    (tmp_path / "plain").write_text("no program")
    path = tmp_path / target
    with pytest.raises(AgentFault, match=f"cannot run {re.escape(str(path))}: {why}"):
        box.agent.run([str(path)], timeout_s=S)
    assert box.agent.run(["true"], timeout_s=S).status == 0


def test_big_output_arrives_whole_and_in_order(box: AgentProcess) -> None:
    size = 32 << 20
    count = size // 8
    result = box.agent.run(
        ["awk", f'BEGIN {{ for (i = 0; i < {count}; i++) printf "%07d\\n", i }}'],
        timeout_s=60,
        output_limit=size,
    )
    wanted = hashlib.sha256(b"".join(b"%07d\n" % n for n in range(count))).hexdigest()
    assert len(result.stdout) == size
    assert hashlib.sha256(result.stdout).hexdigest() == wanted


def test_a_flood_is_cut_and_its_job_killed(box: AgentProcess) -> None:
    result = box.agent.run(["yes"], timeout_s=60, output_limit=100_000)
    assert result.truncated
    assert result.status == -signal.SIGKILL
    assert not result.timed_out
    assert result.stdout == b"y\n" * 50_000


def test_a_job_out_of_time_is_killed_with_its_whole_group(box: AgentProcess) -> None:
    result = box.agent.run(["sh", "-c", "sleep 100 & echo $!; wait"], timeout_s=0.2)
    assert (result.status, result.timed_out) == (-signal.SIGKILL, True)
    assert result.wall_ns >= 200_000_000
    pid = int(result.stdout)
    box.agent.run(["sh", "-c", f"while kill -0 {pid} 2>/dev/null; do :; done"], timeout_s=S)
    assert not is_running(pid)


def test_a_job_can_be_signalled(box: AgentProcess) -> None:
    script = "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    job = box.agent.spawn(["sh", "-c", script], timeout_s=S)
    job.expect(b"ready", S)
    job.kill(signal.SIGTERM)
    result = job.wait(S)
    assert (result.status, result.stdout) == (7, b"ready\ncaught\n")


def test_many_jobs_run_at_once_and_the_last_one_too_many_is_refused(box: AgentProcess) -> None:
    jobs = [
        box.agent.spawn(["sh", "-c", f"echo {n}; exec sleep 60"], timeout_s=S) for n in range(64)
    ]
    with pytest.raises(AgentFault, match="too many jobs"):
        box.agent.spawn(["true"], timeout_s=S)
    for job in jobs:
        job.expect(b"\n", S)
        job.kill()
    results = [job.wait(S) for job in jobs]
    assert [result.stdout for result in results] == [b"%d\n" % n for n in range(64)]
    assert box.agent.run(["true"], timeout_s=S).status == 0


def test_a_daemon_that_keeps_the_output_open_does_not_hold_back_its_end(box: AgentProcess) -> None:
    script = "setsid sleep 100 & echo $!; echo up"
    result = box.agent.run(["sh", "-c", script], timeout_s=S)
    assert result.stdout.endswith(b"up\n")
    assert is_running(int(result.stdout.split()[0]))


def test_output_before_the_end_is_never_lost(box: AgentProcess) -> None:
    for _ in range(20):
        result = box.agent.run(["sh", "-c", "head -c 60000 /dev/zero"], timeout_s=S)
        assert len(result.stdout) == 60_000


def test_a_job_sees_its_own_three_descriptors_and_no_others(box: AgentProcess) -> None:
    box.agent.spawn(["sleep", "60"], timeout_s=S)
    result = box.agent.run(["sh", "-c", "ls -l /proc/$$/fd; exec true"], timeout_s=S)
    links = re.findall(r" (\d+) -> (\S+)", result.stdout.decode())
    assert [number for number, _ in links] == ["0", "1", "2"]
    assert links[0][1] == "/dev/null"


def test_a_job_starts_with_no_signal_ignored_or_blocked(box: AgentProcess) -> None:
    result = box.agent.run(["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"], timeout_s=S)
    # glibc's posix_spawn leaves its own two signals, 32 and 33, ignored; no program sees them.
    blocked, ignored = (int(each, 16) for each in re.findall(rb"[0-9a-f]{16}", result.stdout))
    assert (blocked, ignored & ~(3 << 31)) == (0, 0)


def test_a_job_starts_in_the_root_directory_with_the_usual_umask(box: AgentProcess) -> None:
    result = box.agent.run(["sh", "-c", "pwd; umask"], timeout_s=S)
    assert result.stdout == b"/\n0022\n"


def test_a_job_may_open_as_many_files_wherever_the_agent_was_started(agent_program: Path) -> None:
    for limit in ("8192", "5000"):
        before = ["prlimit", f"--nofile={limit}:{limit}", "--core=1:1"]
        with started_agent(agent_program, before) as box:
            result = box.agent.run(["sh", "-c", "ulimit -n; ulimit -c"], timeout_s=S)
            assert result.stdout == b"4096\n0\n"


def test_orphans_are_reaped(box: AgentProcess) -> None:
    pid = int(box.agent.run(["sh", "-c", "setsid sleep 0.2 & echo $!"], timeout_s=S).stdout)
    ended = ["sh", "-c", f"while [ -e /proc/{pid} ]; do sleep 0.01; done"]
    assert box.agent.run(ended, timeout_s=S).status == 0


def test_a_fed_job_answers_line_by_line_and_ends_with_its_input(box: AgentProcess) -> None:
    job = box.agent.spawn(
        ["sh", "-c", 'echo ready; while read line; do echo "got $line"; done; exit 4'],
        timeout_s=S,
        fed=True,
    )
    assert job.ask(b"", S) == b"ready"
    assert job.ask(b"one\n", S) == b"got one"
    assert job.ask(b"two\n", S) == b"got two"
    job.end_input()
    assert job.wait(S).status == 4


def test_a_job_that_is_not_fed_reads_nothing(box: AgentProcess) -> None:
    job = box.agent.spawn(["sh", "-c", "read line || echo end; exec sleep 60"], timeout_s=S)
    assert job.ask(b"", S) == b"end"
    job.kill()
    assert job.wait(S).status == -signal.SIGKILL


def test_a_fed_job_that_does_not_read_is_killed(box: AgentProcess) -> None:
    job = box.agent.spawn(["sleep", "60"], timeout_s=S, fed=True)
    for _ in range(16):  # a pipe holds 64 KiB, or less
        with pytest.raises(AgentFault, match="gave up waiting"):
            job.ask(b"x" * 4095 + b"\n", 0.01)
    with pytest.raises(AgentFault, match="ended with status -9 before it answered"):
        job.ask(b"x\n", S)


def test_input_for_a_job_that_has_closed_it_or_ended_harms_nobody(box: AgentProcess) -> None:
    closed = box.agent.spawn(["sh", "-c", "exec <&-; echo closed; sleep 60"], timeout_s=S, fed=True)
    assert closed.ask(b"", S) == b"closed"
    with pytest.raises(AgentFault, match="before it answered"):
        closed.ask(b"x\n", S)
    ended = box.agent.spawn(["true"], timeout_s=S, fed=True)
    assert ended.wait(S).status == 0
    with pytest.raises(AgentFault):
        ended.ask(b"x\n", S)
    assert box.agent.run(["echo", "on"], timeout_s=S).stdout == b"on\n"


def test_a_fed_jobs_input_does_not_reach_what_others_start(box: AgentProcess) -> None:
    fed = box.agent.spawn(["sh", "-c", "cat >/dev/null; echo end"], timeout_s=S, fed=True)
    other = box.agent.spawn(["sleep", "60"], timeout_s=S)
    fed.end_input()  # were the pipe open in the other job as well, cat would wait for ever
    assert fed.ask(b"", S) == b"end"
    other.kill()
