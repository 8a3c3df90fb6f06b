"""The host's side of the channel against peers that stall, lie, flood and hang up."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.agent.channel import PROTOCOL_VERSION, Agent, AgentFault
from runtimes.agent.frames import HEADER, Frame
from runtimes.fake.script import FakeClock

HELLO = Frame("h", 0, str(PROTOCOL_VERSION).encode())
ENDED = b"status=0\ntimed_out=0\nwall_ns=5\nuser_ns=3\nsys_ns=1\nmax_rss_bytes=4096\n"


class Scripted:
    """A stream that yields what was scripted, keeps what was sent, and lets fake time pass."""

    def __init__(self, *pieces: Frame | bytes | None) -> None:
        self.clock = FakeClock()
        self.sent: list[tuple[str, int, bytes]] = []
        self.closed = False
        self._pieces = [p.encode() if isinstance(p, Frame) else p for p in pieces]

    def recv(self, size: int, timeout_s: float) -> bytes:
        """The next piece, or silence."""
        piece = self._pieces.pop(0) if self._pieces else None
        if piece is None:
            self.clock.sleep(timeout_s)
            raise TimeoutError
        self.clock.sleep(0.001)
        if len(piece) > size:
            self._pieces.insert(0, piece[size:])
        return piece[:size]

    def send(self, data: bytes) -> None:
        """Keep one request."""
        kind, job, _ = HEADER.unpack_from(data)
        self.sent.append((kind.decode(), job, data[HEADER.size :]))

    def close(self) -> None:
        """Note it."""
        self.closed = True


def greeted(*pieces: Frame | bytes | None) -> tuple[Agent, Scripted]:
    stream = Scripted(HELLO, *pieces)
    agent = Agent(stream, clock=stream.clock.now_ns)
    agent.hello(1)
    return agent, stream


def test_hello_is_the_instant_of_the_first_byte_not_of_the_whole_frame() -> None:
    encoded = HELLO.encode()
    stream = Scripted(encoded[:1], encoded[1:4], encoded[4:])
    begun_ns = stream.clock.now_ns()
    agent = Agent(stream, clock=stream.clock.now_ns)
    assert agent.hello(1) - begun_ns == 1_000_000
    assert agent.hello(1) - begun_ns == 1_000_000


def test_another_protocol_version_is_refused_with_what_to_do() -> None:
    stream = Scripted(Frame("h", 0, b"7"))
    agent = Agent(stream, clock=stream.clock.now_ns)
    with pytest.raises(AgentFault, match="speaks protocol '7'") as caught:
        agent.hello(1)
    assert "rebuild" in caught.value.hint


def test_silence_is_named_by_what_was_awaited() -> None:
    stream = Scripted()
    agent = Agent(stream, clock=stream.clock.now_ns)
    with pytest.raises(AgentFault, match="waiting for the agent's first byte"):
        agent.hello(2.5)
    assert stream.clock.now_ns() == 3_500_000_000


def test_a_trickle_of_bytes_does_not_extend_the_time_limit() -> None:
    stream = Scripted(*[bytes([byte]) for byte in HELLO.encode()])
    agent = Agent(stream, clock=stream.clock.now_ns)
    with pytest.raises(AgentFault, match="gave up"):
        agent.hello(0.005)


def test_the_end_of_the_channel_is_a_fault_and_stays_one() -> None:
    agent, _ = greeted(b"")
    with pytest.raises(AgentFault, match="closed the channel"):
        agent.facts()
    with pytest.raises(AgentFault, match="closed the channel"):
        agent.run(["true"], timeout_s=1)


def test_a_job_runs_to_its_end() -> None:
    agent, stream = greeted(
        Frame("p", 1, b"7"), Frame("o", 1, b"out"), Frame("e", 1, b"err"), Frame("x", 1, ENDED)
    )
    result = agent.run(["echo", "a b"], timeout_s=1.5, env={"A": "1"})
    assert (result.status, result.stdout, result.stderr) == (0, b"out", b"err")
    assert (result.wall_ns, result.user_ns, result.sys_ns) == (5, 3, 1)
    assert result.elapsed_ns == 4_000_000
    kind, job, payload = stream.sent[0]
    assert (kind, job) == ("R", 1)
    fields = payload.split(b"\0")
    assert fields[0] == b"1500"
    assert fields[-3:] == [b"echo", b"a b", b""]
    assert b"A=1" in fields[2 : 2 + int(fields[1])]


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([HELLO], "where hello comes first"),
        ([Frame("o", 1, b"early")], "out of order"),
        ([Frame("x", 1, ENDED)], "out of order"),
        ([Frame("p", 1, b"7"), Frame("p", 1, b"7")], "out of order"),
        ([Frame("p", 1, b"0")], "out of range"),
        ([Frame("p", 1, b"seven")], "no number"),
        ([Frame("p", 2, b"7")], "which none asked for"),
        ([Frame("p", 1, b"7"), Frame("o", 9, b"")], "which none asked for"),
        ([Frame("p", 1, b"7"), Frame("f", 1, b"")], "out of order"),
        ([Frame("p", 1, b"7"), Frame("x", 1, b"status=0\n")], "ended job"),
        ([Frame("p", 1, b"7"), b"\xff" * 20], "unknown type"),
        ([Frame("p", 1, b"7"), b""], "closed the channel"),
        ([Frame("p", 1, b"7"), None], "waiting for the end of true"),
        ([None], "waiting for the start of true"),
        ([Frame("!", 1, b"cannot run true: \x1b[31mno\n")], r"cannot run true: \\x1b\[31mno"),
    ],
)
def test_a_peer_that_breaks_the_rules_is_a_fault(
    pieces: list[Frame | bytes | None], why: str
) -> None:
    agent, _ = greeted(*pieces)
    with pytest.raises(AgentFault, match=why):
        agent.run(["true"], timeout_s=1)


def test_after_a_broken_protocol_nothing_more_is_believed() -> None:
    agent, _ = greeted(b"\xff" * 20, Frame("f", 2, b"a=b\n"))
    for _ in range(2):
        with pytest.raises(AgentFault, match="unknown type"):
            agent.facts()


def test_what_comes_before_hello_is_refused() -> None:
    stream = Scripted(Frame("f", 1, b""))
    with pytest.raises(AgentFault, match="where hello comes first"):
        Agent(stream, clock=stream.clock.now_ns).hello(1)


def test_answers_are_told_apart_by_number() -> None:
    agent, _ = greeted(None, Frame("f", 1, b"a=late\n"), Frame("f", 2, b"a=now\n"))
    with pytest.raises(AgentFault, match="gave up"):
        agent.facts()
    assert agent.facts() == {"a": "now"}


def test_a_refused_digest_says_why() -> None:
    agent, _ = greeted(Frame("!", 1, b"cannot digest /x: No such file or directory"))
    with pytest.raises(AgentFault, match="digest of /x: cannot digest /x: No such"):
        agent.digest("/x")


def test_output_beyond_the_limit_is_cut_and_a_flood_is_killed_once() -> None:
    flood = [Frame("o", 1, b"y" * 100)] * 8
    agent, stream = greeted(Frame("p", 1, b"7"), *flood, Frame("x", 1, ENDED))
    result = agent.run(["yes"], timeout_s=1, output_limit=150)
    assert result.stdout == b"y" * 150
    assert result.truncated
    assert [sent[::2] for sent in stream.sent[1:]] == [("K", b"9")]


def test_output_up_to_the_limit_is_whole() -> None:
    agent, _ = greeted(Frame("p", 1, b"7"), Frame("o", 1, b"y" * 150), Frame("x", 1, ENDED))
    result = agent.run(["yes"], timeout_s=1, output_limit=150)
    assert (len(result.stdout), result.truncated) == (150, False)


def test_a_pattern_is_found_across_pieces_and_in_either_output() -> None:
    agent, _ = greeted(
        Frame("p", 1, b"7"), Frame("e", 1, b"now rea"), Frame("o", 1, b"x"), Frame("e", 1, b"dy")
    )
    agent.spawn(["server"], timeout_s=60).expect(b"ready", 1)


def test_a_service_that_ends_before_it_is_ready_shows_its_output() -> None:
    agent, _ = greeted(Frame("p", 1, b"7"), Frame("e", 1, b"bind: in use"), Frame("x", 1, ENDED))
    job = agent.spawn(["server"], timeout_s=60)
    with pytest.raises(AgentFault, match="ended with status 0 before") as caught:
        job.expect(b"ready", 1)
    assert caught.value.tail == "bind: in use"


def test_a_server_that_lives_has_not_ended_and_what_it_says_meanwhile_is_kept() -> None:
    agent, _ = greeted(Frame("p", 1, b"7"), Frame("e", 1, b"checkpoint"))
    job = agent.spawn(["server"], timeout_s=60)
    assert job.ended(0.5) is None
    assert job.tail() == "checkpoint"


def test_a_server_that_ended_meanwhile_says_how() -> None:
    agent, _ = greeted(Frame("p", 1, b"7"), Frame("e", 1, b"PANIC"), Frame("x", 1, ENDED))
    ended = agent.spawn(["server"], timeout_s=60).ended(0.5)
    assert ended is not None
    assert (ended.status, ended.stderr) == (0, b"PANIC")


def test_a_service_that_says_nothing_runs_out_of_time() -> None:
    agent, _ = greeted(Frame("p", 1, b"7"), Frame("o", 1, b"starting"))
    job = agent.spawn(["server"], timeout_s=60)
    with pytest.raises(AgentFault, match="gave up waiting for b'ready'") as caught:
        job.expect(b"ready", 1)
    assert caught.value.tail == "starting"


def test_jobs_at_once_keep_their_output_apart() -> None:
    agent, _ = greeted(
        Frame("p", 1, b"7"),
        Frame("p", 2, b"8"),
        *[Frame("o", n, b"%d" % n) for n in (1, 2, 1, 2)],
        Frame("x", 2, ENDED),
        Frame("x", 1, ENDED),
    )
    first, second = (agent.spawn(["server"], timeout_s=9) for _ in range(2))
    assert first.wait(1).stdout == b"11"
    assert second.wait(1).stdout == b"22"


def test_an_ended_job_is_not_killed() -> None:
    agent, stream = greeted(Frame("p", 1, b"7"), Frame("x", 1, ENDED))
    job = agent.spawn(["true"], timeout_s=9)
    job.wait(1)
    job.kill(signal.SIGTERM)
    assert len(stream.sent) == 1


def test_a_kill_for_clean_up_does_not_hide_what_broke_the_channel() -> None:
    agent, stream = greeted(Frame("p", 1, b"7"), b"")
    job = agent.spawn(["server"], timeout_s=9)
    with pytest.raises(AgentFault, match="closed the channel"):
        job.wait(1)
    job.kill()
    assert len(stream.sent) == 1


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_bytes_after_hello_end_in_a_result_or_a_fault(pieces: list[bytes]) -> None:
    agent, _ = greeted(*pieces)
    with pytest.raises(AgentFault):
        agent.facts()


FRAMES = st.builds(
    Frame,
    st.sampled_from("poex!fd"),
    st.integers(0, 2),
    st.sampled_from([b"", b"7", b"a=b\n", ENDED, b"\xff"]),
)


@given(st.lists(FRAMES, max_size=6))
def test_any_order_of_frames_ends_in_a_result_or_a_fault(sent: list[Frame]) -> None:
    agent, _ = greeted(*sent)
    try:
        result = agent.run(["true"], timeout_s=1)
    except AgentFault:
        return
    assert next(frame.type for frame in sent if frame.job == 1) == "p"
    assert result.status == 0
