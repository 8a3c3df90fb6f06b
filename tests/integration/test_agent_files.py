"""The real agent takes and gives files: sizes, modes, links, and what is no file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtimes.agent.channel import AgentFault
from runtimes.agent.frames import Frame
from tests.support.agent_process import AgentProcess, S

pytestmark = pytest.mark.parallel


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 5_000_000])
def test_a_file_of_any_size_arrives_whole_both_ways(
    box: AgentProcess, tmp_path: Path, size: int
) -> None:
    content = (b"%08d" % size * (size // 8 + 1))[:size]
    target = tmp_path / "a"
    box.agent.put(str(target), content, mode=0o2751, timeout_s=S)
    assert target.read_bytes() == content
    assert target.stat().st_mode & 0o7777 == 0o2751
    got = box.agent.get(str(target), timeout_s=S)
    assert (got.content, got.mode) == (content, 0o2751)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_link_is_replaced_never_followed(box: AgentProcess, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    link = tmp_path / "link"
    link.symlink_to(precious)
    with pytest.raises(AgentFault, match=r"cannot open .*link: Too many levels"):
        box.agent.get(str(link), timeout_s=S)
    box.agent.put(str(link), b"theirs", timeout_s=S)
    assert precious.read_bytes() == b"mine"
    assert not link.is_symlink()
    assert link.read_bytes() == b"theirs"


def test_links_on_the_way_are_followed_inside_the_root_and_those_of_proc_are_not(
    box: AgentProcess, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "way").symlink_to("real")
    box.agent.put(str(tmp_path / "way/a"), b"there", timeout_s=S)
    assert (tmp_path / "real/a").read_bytes() == b"there"
    with pytest.raises(AgentFault, match="cannot open"):
        box.agent.get(f"/proc/self/root{tmp_path}/real/a", timeout_s=S)
    with pytest.raises(AgentFault, match="no place for it"):
        box.agent.put("/proc/self/cwd/a", b"", timeout_s=S)


@pytest.mark.parametrize("path", ["/dev/zero", "/", "/etc", "relative", ""])
def test_what_is_no_regular_file_is_refused(box: AgentProcess, path: str) -> None:
    with pytest.raises(AgentFault, match="cannot get"):
        box.agent.get(path, timeout_s=S)
    with pytest.raises(AgentFault, match="cannot put"):
        box.agent.put(path if path != "/dev/zero" else "/dev/null/x", b"x", timeout_s=S)


def test_a_fifo_that_nobody_writes_to_does_not_hold_the_agent_up(
    box: AgentProcess, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(AgentFault, match="no regular file"):
        box.agent.get(str(tmp_path / "fifo"), timeout_s=S)
    assert box.agent.run(["true"], timeout_s=S).status == 0


def test_more_than_was_asked_for_is_refused(box: AgentProcess, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(1001))
    with pytest.raises(AgentFault, match="larger than was asked for"):
        box.agent.get(str(tmp_path / "big"), timeout_s=S, limit_bytes=1000)


def test_a_full_disk_is_said_so_and_leaves_no_half_file(box: AgentProcess) -> None:
    small = "mount -t tmpfs -o size=64k none {0} && exec sleep 60"
    directory = Path(f"/tmp/tb-full-{box.process.pid}")
    script = f"mkdir {directory} && {small.format(directory)}"
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    job = box.agent.spawn(["sh", "-c", script], timeout_s=S)
    try:
        while not os.path.ismount(directory):
            box.agent.run(["sleep", "0.01"], timeout_s=S)
        with pytest.raises(AgentFault, match="cannot write a: No space left"):
            box.agent.put(f"{directory}/a", bytes(1 << 20), timeout_s=S)
        assert list(directory.iterdir()) == []
        box.agent.put(f"{directory}/a", b"fits", timeout_s=S)
    finally:
        job.kill()
        job.wait(S)
        box.agent.run(["umount", str(directory)], timeout_s=S)
        directory.rmdir()


def test_files_travel_beside_a_flood_of_output(box: AgentProcess, tmp_path: Path) -> None:
    """Neither side waits for the other to read first."""
    job = box.agent.spawn(["yes"], timeout_s=S, output_limit=1 << 30)
    content = os.urandom(3_000_000)
    box.agent.put(str(tmp_path / "a"), content, timeout_s=S)
    assert box.agent.get(str(tmp_path / "a"), timeout_s=S).content == content
    job.kill()
    assert job.wait(S).status == -9


def test_an_agent_that_ends_leaves_no_half_file(box: AgentProcess, tmp_path: Path) -> None:
    payload = b"420\x001000\0" + bytes(tmp_path / "a") + b"\0"
    box.agent.send(Frame("P", 77, payload))
    box.agent.send(Frame("B", 77, b"x" * 10))
    with pytest.raises(AgentFault, match="which none asked for"):
        box.agent.run(["true"], timeout_s=S)
    assert any(tmp_path.iterdir())
    box.agent.close()
    box.process.wait(S)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "payload",
    [b"", b"\0", b"420\x001\0", b"420\0-1\0/tmp/a\0", b"8\x00a\0/tmp/a\0", b"4096\x001\0/a\0"],
)
def test_a_malformed_request_is_refused(box: AgentProcess, payload: bytes) -> None:
    box.agent.send(Frame("P", 5, payload))
    answer = box.stream.recv(65_536, S)
    assert answer[:1] == b"!"
    assert b"malformed" in answer


def test_a_file_that_shrinks_on_the_way_is_no_file(box: AgentProcess, tmp_path: Path) -> None:
    victim = tmp_path / "a"
    victim.write_bytes(bytes(8_000_000))
    box.agent.send(Frame("G", 9, b"99999999\0" + bytes(victim) + b"\0"))
    box.stream.recv(100, S)
    os.truncate(victim, 10)
    data = bytearray()
    while b"the file became shorter" not in data:
        data += box.stream.recv(65_536, S)
