"""The agent's channel through every kind of box: pipes, Docker's attach, virtio-serial."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pytest

from harness.prepare import testbed
from runtimes.agent.channel import Agent, AgentFault
from runtimes.base import DEFAULT_PROFILE, Engine, InstanceSpec, Site

BOOT_S = 60.0
RUN_S = 120.0
"""A guest may be emulated."""


@pytest.fixture(scope="module")
def agent(real_engine: Engine, site: Site, bed: testbed.Testbed) -> Iterator[Agent]:
    """The agent of one box for the whole module."""
    spec = InstanceSpec(f"tb-{site.run}-c", DEFAULT_PROFILE, site.limits, bed.lease(7))
    instance = real_engine.start(spec)
    try:
        instance.agent.hello(BOOT_S)
        yield instance.agent
        instance.stop(10)
    finally:
        instance.remove()


def test_big_output_arrives_whole_and_in_order(agent: Agent) -> None:
    size = 6 << 20
    count = size // 8
    script = f'BEGIN {{ for (i = 0; i < {count}; i++) printf "%07d\\n", i }}'
    result = agent.run(["awk", script], timeout_s=RUN_S)
    wanted = hashlib.sha256(b"".join(b"%07d\n" % n for n in range(count))).hexdigest()
    assert len(result.stdout) == size
    assert hashlib.sha256(result.stdout).hexdigest() == wanted


def test_big_requests_arrive_whole(agent: Agent) -> None:
    word = "x" * 60_000
    assert agent.run(["printf", "%s", word], timeout_s=RUN_S).stdout == word.encode()


def test_files_go_in_and_come_out_whole_with_their_mode(agent: Agent) -> None:
    content = bytes(range(256)) * 2000
    agent.put("/tmp/carried", content, mode=0o751, timeout_s=RUN_S)
    summed = agent.run(["sha256sum", "/tmp/carried"], timeout_s=RUN_S).stdout.split()[0]
    assert summed.decode() == hashlib.sha256(content).hexdigest()
    got = agent.get("/tmp/carried", timeout_s=RUN_S)
    assert (got.content, got.mode) == (content, 0o751)
    with pytest.raises(AgentFault, match="cannot open"):
        agent.get("/proc/1/root/etc/passwd", timeout_s=RUN_S)


def test_a_flood_is_cut_and_the_channel_lives_on(agent: Agent) -> None:
    result = agent.run(["yes"], timeout_s=RUN_S, output_limit=100_000)
    assert (result.truncated, result.status, len(result.stdout)) == (True, -9, 100_000)
    assert agent.run(["true"], timeout_s=RUN_S).status == 0


def test_jobs_at_once_keep_their_output_apart(agent: Agent) -> None:
    script = "i=0; while [ $i -lt 200 ]; do echo $0; i=$((i+1)); done"
    jobs = [agent.spawn(["sh", "-c", script, f"job{n}"], timeout_s=RUN_S) for n in range(5)]
    outputs = [job.wait(RUN_S).stdout for job in jobs]
    assert outputs == [b"job%d\n" % n * 200 for n in range(5)]


def test_a_program_that_is_not_there_is_refused(agent: Agent) -> None:
    with pytest.raises(AgentFault, match="cannot run /missing: No such file"):
        agent.run(["/missing"], timeout_s=RUN_S)


def test_nothing_of_the_boxs_making_leaks_into_a_job(agent: Agent) -> None:
    listed = agent.run(["sh", "-c", "ls -l /proc/$$/fd; exec true"], timeout_s=RUN_S)
    numbers = re.findall(r" (\d+) -> ", listed.stdout.decode())
    assert numbers == ["0", "1", "2"]


def test_every_job_has_the_same_environment_directory_and_limits(agent: Agent) -> None:
    script = (
        "env | sort; pwd; umask; ulimit -n; ulimit -c; grep -E '^Sig(Blk|Ign)' /proc/self/status"
    )
    shown = agent.run(["sh", "-c", script], timeout_s=RUN_S).stdout.decode().splitlines()
    assert shown == [
        "HOME=/root",
        "LC_ALL=C.UTF-8",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PWD=/",
        "/",
        "0022",
        "4096",
        "0",
        "SigBlk:\t0000000000000000",
        "SigIgn:\t0000000180000000",  # glibc's own two, by posix_spawn
    ]


def test_a_job_takes_no_longer_in_the_box_than_on_the_host(agent: Agent) -> None:
    result = agent.run(["sleep", "0.5"], timeout_s=RUN_S)
    assert 500_000_000 <= result.wall_ns <= result.elapsed_ns
