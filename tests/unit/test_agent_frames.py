"""The codec: what is sound passes, whatever the pieces; everything else is a clear fault."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.agent import frames
from runtimes.agent.frames import AgentFault, Decoder, Frame

SOUND = b"status=0\ntimed_out=0\nwall_ns=12\nuser_ns=3\nsys_ns=4\nmax_rss_bytes=4096\n"

frame = st.builds(
    Frame,
    st.sampled_from("hpoexfd!"),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=200),
)


@given(st.lists(frame, max_size=8), st.data())
def test_frames_survive_any_cutting_into_pieces(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(each.encode() for each in sent)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    decoder = Decoder()
    got: list[Frame] = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += decoder.feed(stream[begin:end])
    assert got == sent


@given(st.lists(st.binary(max_size=100), max_size=20))
def test_arbitrary_bytes_yield_frames_or_a_fault_and_nothing_else(pieces: list[bytes]) -> None:
    decoder = Decoder()
    try:
        for piece in pieces:
            for got in decoder.feed(piece):
                assert len(got.payload) <= frames.PAYLOAD_MAX
    except AgentFault:
        pass


@given(st.binary(max_size=300))
def test_an_arbitrary_report_of_an_ended_job_is_sound_or_a_fault(payload: bytes) -> None:
    try:
        numbers = frames.ending(payload)
    except AgentFault:
        return
    assert tuple(numbers) == frames.ENDING


@given(st.binary(max_size=300))
def test_an_error_sentence_is_always_printable(payload: bytes) -> None:
    assert frames.sentence(payload).isprintable()


def test_a_length_beyond_the_bound_is_refused_before_its_payload_arrives() -> None:
    with pytest.raises(AgentFault, match="announced 65537 bytes"):
        Decoder().feed(struct.pack(">cII", b"o", 1, 65_537))


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(AgentFault, match="unknown type"):
        Decoder().feed(struct.pack(">cII", b"R", 1, 0))


def test_a_sound_ending_is_read() -> None:
    assert frames.ending(SOUND)["max_rss_bytes"] == 4096


@pytest.mark.parametrize(
    ("sound", "broken", "why"),
    [
        (b"wall_ns=12", b"wall_ns=-12", "out of range"),
        (b"wall_ns=12", b"wall_ns=9223372036854775808", "out of range"),
        (b"wall_ns=12", b"wall_ns=99999999999999999999", "no number"),
        (b"wall_ns=12", b"wall_ns=1e3", "no number"),
        (b"wall_ns=12", b"wall_ns=nan", "no number"),
        (b"wall_ns=12", b"wall_ns=", "no number"),
        (b"wall_ns=12", "wall_ns=١٢".encode(), "no number"),
        (b"wall_ns=12", b"wall_ns=12\x00", "malformed"),
        (b"wall_ns=12", b"wall_ns", "malformed"),
        (b"wall_ns=12\n", b"wall_ns=12\nwall_ns=12\n", "twice"),
        (b"wall_ns=12\n", b"", "reported an ended job with"),
        (b"wall_ns=12", b"wall_ns=\xff", "not UTF-8"),
        (b"status=0", b"status=256", "out of range"),
        (b"status=0", b"status=-65", "out of range"),
        (b"timed_out=0", b"timed_out=2", "out of range"),
        (b"4096\n", b"4096", "ends within a line"),
    ],
)
def test_a_broken_ending_is_refused(sound: bytes, broken: bytes, why: str) -> None:
    with pytest.raises(AgentFault, match=why):
        frames.ending(SOUND.replace(sound, broken))


def test_more_facts_than_allowed_are_refused() -> None:
    lines = b"".join(b"k%d=v\n" % n for n in range(frames.FACTS_MAX + 1))
    with pytest.raises(AgentFault, match="257 lines"):
        frames.pairs(lines, "facts")
    assert len(frames.pairs(lines.split(b"\n", 1)[1], "facts")) == frames.FACTS_MAX


@pytest.mark.parametrize("digest", [b"", b"ab" * 31, b"AB" * 32, b"xy" * 32, b"ab" * 33])
def test_what_is_no_sha256_is_refused(digest: bytes) -> None:
    with pytest.raises(AgentFault, match="no sha256"):
        frames.digest(digest)


@pytest.mark.parametrize(
    ("argv", "env", "timeout_s", "why"),
    [
        ([], {}, 1.0, "no program"),
        ([""], {}, 1.0, "no program"),
        (["a\0b"], {}, 1.0, "NUL"),
        (["a"], {"N": "v\0"}, 1.0, "NUL"),
        (["a"], {"N=M": "v"}, 1.0, "no name"),
        (["a"], {"": "v"}, 1.0, "no name"),
        (["a"], {}, 0.0, "time limit"),
        (["a"], {}, float("nan"), "time limit"),
        (["a"], {}, float("inf"), "time limit"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused_on_this_side(
    argv: list[str], env: dict[str, str], timeout_s: float, why: str
) -> None:
    with pytest.raises(AgentFault, match=why):
        frames.run_payload(argv, env, timeout_s)


def test_a_request_too_long_for_a_frame_is_refused() -> None:
    payload = frames.run_payload(["a" * frames.PAYLOAD_MAX], {}, 1.0)
    with pytest.raises(AgentFault, match="too long"):
        Frame("R", 1, payload).encode()
