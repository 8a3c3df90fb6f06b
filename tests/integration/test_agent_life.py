"""The real agent: what it says of its box, how it ends, and what it does with a bad host."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import signal
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes import process
from runtimes.agent.channel import PROTOCOL_VERSION, Agent, AgentFault, FdStream
from runtimes.agent.frames import HEADER, Frame
from tests.support.agent_process import AgentProcess, S, is_running, started_agent

pytestmark = pytest.mark.parallel


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 65_536, 1_000_003])
def test_digests_are_those_of_hashlib(box: AgentProcess, tmp_path: Path, size: int) -> None:
    content = bytes(n * 7 % 251 for n in range(size))
    (tmp_path / "file").write_bytes(content)
    assert box.agent.digest(str(tmp_path / "file")) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("path", ["/missing", "/dev/zero", "/tmp", "relative", "/" + "x" * 5000])
def test_what_has_no_digest_is_refused(box: AgentProcess, path: str) -> None:
    with pytest.raises(AgentFault, match="the agent cannot give the digest"):
        box.agent.digest(path)


def test_facts_agree_with_what_the_host_knows(box: AgentProcess) -> None:
    facts = box.agent.facts()
    assert facts["protocol"] == str(PROTOCOL_VERSION)
    assert int(facts["pid"]) == box.process.pid
    assert facts["kernel"] == platform.release()
    assert facts["machine"] == platform.machine()
    assert int(facts["uid"]) == os.getuid()
    assert int(facts["cpus_online"]) == os.cpu_count()
    assert int(facts["memory_total_bytes"]) > 1 << 20
    for name in ("pid", "mnt", "net", "user", "uts", "ipc"):
        inode = Path(f"/proc/self/ns/{name}").stat().st_ino
        assert int(facts[f"ns.{name}"]) == inode
    mitigations = {key for key in facts if key.startswith("mitigation.")}
    shown = Path("/sys/devices/system/cpu/vulnerabilities")
    assert mitigations == {f"mitigation.{path.name}" for path in shown.glob("*")}


def test_affinity_is_that_of_the_box(box: AgentProcess) -> None:
    cpu = min(os.sched_getaffinity(0))
    os.sched_setaffinity(box.process.pid, {cpu})
    assert box.agent.facts()["affinity"] == str(cpu)


def test_quit_ends_the_agent_and_everything_below_it(box: AgentProcess) -> None:
    job = box.agent.spawn(["sh", "-c", "setsid sleep 100 & echo $!; wait"], timeout_s=S)
    job.expect(b"\n", S)
    daemon = box.agent.run(["sh", "-c", "setsid sleep 100 & echo $!"], timeout_s=S)
    box.agent.quit()
    assert box.process.wait(S) == 0
    assert not is_running(job.pid)
    assert not is_running(int(daemon.stdout))


def test_the_end_of_the_channel_ends_the_agent_and_its_jobs(box: AgentProcess) -> None:
    job = box.agent.spawn(["sleep", "100"], timeout_s=S)
    box.agent.close()
    assert box.process.wait(S) == 0
    assert not is_running(job.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_agent_and_its_jobs(box: AgentProcess, number: signal.Signals) -> None:
    job = box.agent.spawn(["sleep", "100"], timeout_s=S)
    box.process.send_signal(number)
    assert box.process.wait(S) == 128 + number
    assert not is_running(job.pid)
    with pytest.raises(AgentFault, match="closed the channel"):
        job.wait(S)


@pytest.mark.parametrize(
    "noise", [b"\xff" * 20, HEADER.pack(b"R", 1, 1 << 20), HEADER.pack(b"\0", 1, 0)]
)
def test_a_host_that_breaks_the_protocol_ends_the_agent(box: AgentProcess, noise: bytes) -> None:
    box.stream.send(noise)
    assert box.process.wait(S) == 2


@pytest.mark.parametrize(
    "payload",
    [b"", b"1", b"1\0", b"1\x000\0", b"0\x000\0true\0", b"1\x001\0true\0", b"-1\x000\0true\0",
     b"x\x000\0true\0", b"1\x00-1\0true\0", b"99999999999999999999\x000\0true\0", b"\0" * 9000],
)  # fmt: skip
def test_a_malformed_request_is_refused_and_the_agent_lives_on(
    box: AgentProcess, payload: bytes
) -> None:
    box.agent._jobs[99] = box.agent.spawn(["sleep", "60"], timeout_s=S)
    refused = box.agent._jobs[99]
    box.stream.send(Frame("R", 99, payload).encode())
    with pytest.raises(AgentFault, match="malformed run request"):
        refused.wait(S)
    assert box.agent.run(["true"], timeout_s=S).status == 0


def test_a_host_that_does_not_read_neither_feeds_nor_hangs_the_agent(box: AgentProcess) -> None:
    job = box.agent.spawn(["sh", "-c", "yes & yes"], timeout_s=0.5)
    process.run(["sleep", "1"], timeout_s=S)
    status = Path(f"/proc/{box.process.pid}/status").read_text()
    assert int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) < 4096
    assert not is_running(job.pid)
    result = job.wait(S)
    assert result.timed_out
    assert len(result.stdout) < 1 << 20


def test_over_a_device_it_speaks_as_over_pipes(agent_program: Path) -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    child = process.spawn([str(agent_program), "--device", os.ttyname(theirs)])
    agent = Agent(FdStream(ours, ours))
    agent.hello(S)
    assert agent.run(["echo", "through"], timeout_s=S).stdout == b"through\n"
    os.close(theirs)
    agent.close()
    assert child.wait(S) == 0


def test_a_device_that_is_not_there_ends_it_at_once(agent_program: Path) -> None:
    with pytest.raises(process.CommandFailed, match="exit status 1") as caught:
        process.run([str(agent_program), "--device", "/dev/missing"], timeout_s=S)
    assert "/dev/missing: No such file" in caught.value.tail


@pytest.fixture
def first(agent_program: Path) -> Iterator[AgentProcess]:
    """An agent that is process 1 of a PID namespace, as in a container."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a PID namespace is made")
    with started_agent(agent_program, ["unshare", "--pid", "--fork", "--mount-proc"]) as running:
        yield running


def agent_pid(unshare: int) -> int:
    return int(Path(f"/proc/{unshare}/task/{unshare}/children").read_text())


def test_as_process_1_it_reaps_what_others_leave(first: AgentProcess) -> None:
    assert first.agent.facts()["pid"] == "1"
    result = first.agent.run(["sh", "-c", "setsid sleep 0.2 & echo $!"], timeout_s=S)
    pid = int(result.stdout)
    ended = ["sh", "-c", f"while [ -e /proc/{pid} ]; do :; done"]
    assert first.agent.run(ended, timeout_s=S).status == 0


def test_as_process_1_it_ends_on_quit_with_everything_below_it(first: AgentProcess) -> None:
    pid = agent_pid(first.process.pid)
    first.agent.run(["sh", "-c", "setsid sleep 100 &"], timeout_s=S)
    below = int(Path(f"/proc/{pid}/task/{pid}/children").read_text())
    first.agent.quit()
    assert first.process.wait(S) == 0
    assert not is_running(below)


def test_as_process_1_it_ends_on_sigterm(first: AgentProcess) -> None:
    os.kill(agent_pid(first.process.pid), signal.SIGTERM)
    assert first.process.wait(S) == 128 + signal.SIGTERM
