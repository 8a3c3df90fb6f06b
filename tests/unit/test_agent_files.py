"""Files through the channel, against boxes that lie about them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.agent.channel import Agent, AgentFault
from runtimes.agent.frames import PAYLOAD_MAX, Frame
from runtimes.fake.agent import Answers, FakeStream
from runtimes.fake.script import FakeClock
from tests.unit.test_agent import greeted

BODY = b"what is in it"
SUM = hashlib.sha256(BODY).hexdigest().encode()
GOT = Frame("g", 1, b"mode=420\nsize=13\n")


def fake_agent() -> Agent:
    clock = FakeClock()
    answers = Answers(lambda _: None, dict, lambda _: "", lambda _: None)
    agent = Agent(FakeStream(answers, clock, 0), clock=clock.now_ns)
    agent.hello(1)
    return agent


def test_what_was_put_into_a_box_can_be_got_from_it() -> None:
    agent = fake_agent()
    for content in (b"", b"x", bytes(range(256)) * 1000, b"y" * PAYLOAD_MAX):
        agent.put("/etc/a", content, mode=0o640, timeout_s=5)
        got = agent.get("/etc/a", timeout_s=5)
        assert (got.content, got.mode) == (content, 0o640)


def test_what_is_not_there_is_refused_and_the_channel_lives_on() -> None:
    agent = fake_agent()
    with pytest.raises(AgentFault, match="cannot get /nowhere from the box"):
        agent.get("/nowhere", timeout_s=5)
    agent.put("/big", b"x" * 100, timeout_s=5)
    with pytest.raises(AgentFault, match="larger than was asked for"):
        agent.get("/big", timeout_s=5, limit_bytes=99)
    assert agent.get("/big", timeout_s=5, limit_bytes=100).content == b"x" * 100


def test_a_file_comes_in_pieces_with_mode_and_digest() -> None:
    agent, stream = greeted(
        GOT, Frame("b", 1, BODY[:4]), Frame("b", 1, BODY[4:]), Frame("d", 1, SUM)
    )
    got = agent.get("/a", timeout_s=5)
    assert (got.content, got.mode) == (BODY, 0o644)
    assert stream.sent == [("G", 1, b"67108864\0/a\0")]


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        ([Frame("g", 1, b"mode=420\nsize=67108865\n")], "size is out of range"),
        ([Frame("g", 1, b"mode=420\nsize=-1\n")], "size is out of range"),
        ([Frame("g", 1, b"mode=9999\nsize=1\n")], "mode is out of range"),
        ([Frame("g", 1, b"size=1\nmode=420\n")], "announced a file with size, mode"),
        ([Frame("g", 1, b"\xff\n")], "not UTF-8"),
        ([Frame("b", 1, b"x")], "'b' out of order"),
        ([GOT, GOT], "'g' out of order"),
        ([GOT, Frame("b", 1, BODY + b"!")], "more of /a from the box than the 13 bytes announced"),
        ([GOT, Frame("b", 1, b"")], "more of /a"),
        ([GOT, Frame("d", 1, SUM)], "'d' out of order"),
        ([GOT, Frame("b", 1, b"another body."), Frame("d", 1, SUM)], "digest of something else"),
        ([GOT, Frame("b", 1, BODY), Frame("d", 1, b"0" * 63)], "no sha256"),
        ([GOT, Frame("b", 1, BODY), Frame("x", 1, b"")], "'x' out of order"),
        ([GOT, Frame("b", 1, BODY), None], "gave up waiting for /a from the box"),
        ([Frame("!", 1, b"no \x1b[31mway")], r"no \\x1b\[31mway"),
    ],
)
def test_a_box_that_lies_about_a_file_is_not_believed(frames: list[Frame | None], why: str) -> None:
    agent, _ = greeted(*frames)
    with pytest.raises(AgentFault, match=why):
        agent.get("/a", timeout_s=5)


def test_a_box_that_sends_a_file_a_byte_at_a_time_runs_out_of_time() -> None:
    endless = (Frame("b", 1, b"x") for _ in range(5000))
    agent, _ = greeted(Frame("g", 1, b"mode=420\nsize=60000\n"), *endless)
    with pytest.raises(AgentFault, match="gave up"):
        agent.get("/a", timeout_s=2)


def test_the_next_piece_is_sent_once_the_one_before_is_taken() -> None:
    content = b"z" * (PAYLOAD_MAX + 1)
    told = hashlib.sha256(content).hexdigest().encode()
    agent, stream = greeted(Frame("k", 1, b"0"), Frame("k", 1, b"65536"), Frame("d", 1, told))
    agent.put("/a", content, mode=0o755, timeout_s=5)
    assert [(kind, len(payload)) for kind, _, payload in stream.sent[1:]] == [
        ("B", PAYLOAD_MAX),
        ("B", 1),
    ]
    assert stream.sent[0] == ("P", 1, b"493\x0065537\0/a\0")


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        ([Frame("k", 1, b"7")], "took 7 bytes of /a into the box, of 0 sent"),
        ([Frame("k", 1, b"0"), Frame("k", 1, b"0")], "'k' out of order"),
        ([Frame("k", 1, b"zero")], "is no number"),
        ([Frame("d", 1, SUM)], "'d' out of order"),
        ([Frame("k", 1, b"0"), Frame("d", 1, b"0" * 64)], "something else than was sent"),
        ([Frame("k", 1, b"0"), Frame("!", 1, b"No space left")], "cannot put .*: No space left"),
        ([Frame("k", 1, b"0"), Frame("g", 1, b"")], "'g' out of order"),
        ([Frame("k", 1, b"0"), None], "gave up waiting for the box to take /a"),
    ],
)
def test_a_box_that_lies_about_what_it_took_is_not_believed(
    frames: list[Frame | None], why: str
) -> None:
    agent, _ = greeted(*frames)
    with pytest.raises(AgentFault, match=why):
        agent.put("/a", BODY, timeout_s=5)


def test_a_path_with_a_nul_is_refused_here() -> None:
    agent, stream = greeted()
    with pytest.raises(AgentFault, match="NUL"):
        agent.get("/a\0/b", timeout_s=5)
    assert stream.sent == []


@given(st.lists(st.binary(max_size=40), max_size=5), st.binary(max_size=30))
def test_any_pieces_give_the_file_announced_or_a_fault(pieces: list[bytes], head: bytes) -> None:
    body = b"".join(pieces)
    ends = [Frame("b", 1, piece) for piece in pieces]
    ends.append(Frame("d", 1, hashlib.sha256(body).hexdigest().encode()))
    agent, _ = greeted(Frame("g", 1, head or b"mode=0\nsize=%d\n" % len(body)), *ends)
    try:
        got = agent.get("/a", timeout_s=5, limit_bytes=100)
    except AgentFault:
        return
    assert got.content == body
    assert len(body) <= 100
