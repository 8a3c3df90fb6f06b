"""Streams over file descriptors: pipes and sockets behave alike."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from runtimes.agent.channel import Agent, FdStream

Pair = tuple[FdStream, Callable[[bytes], None], Callable[[], None]]


@pytest.fixture(params=["pipes", "socket"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Our stream, and how its other side writes and hangs up."""
    if request.param == "pipes":
        from_other, other_out = os.pipe()
        other_in, to_other = os.pipe()
        ours, theirs = (from_other, to_other), [other_in, other_out]
    else:
        left, right = socket.socketpair()
        ours, theirs = (left.fileno(), left.detach()), [right.detach()]
    stream = FdStream(*ours)

    def hang_up() -> None:
        while theirs:
            os.close(theirs.pop())

    yield stream, lambda data: (os.write(theirs[-1], data), None)[1], hang_up
    stream.close()
    hang_up()


def test_a_descriptor_stream_yields_bytes_then_silence_then_the_end(pair: Pair) -> None:
    stream, write, hang_up = pair
    write(b"abc")
    assert stream.recv(2, 1.0) == b"ab"
    assert stream.recv(2, 1.0) == b"c"
    with pytest.raises(TimeoutError):
        stream.recv(1, 0.01)
    hang_up()
    assert stream.recv(1, 1.0) == b""


def test_a_descriptor_stream_reports_that_nobody_reads(pair: Pair) -> None:
    stream, _, hang_up = pair
    hang_up()
    with pytest.raises(BrokenPipeError):
        stream.send(b"x" * 10)


def test_a_box_that_reads_a_byte_at_a_time_has_no_more_time_than_one_that_reads_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runtimes.agent.channel.SEND_S", 0.3)
    left, right = socket.socketpair()
    stream, enough = FdStream(left.fileno(), left.detach()), threading.Event()

    def nibble() -> None:
        while not enough.wait(0.01):
            right.recv(4096)

    thread = threading.Thread(target=nibble)
    thread.start()
    begun_s = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            stream.send(bytes(64 << 20))
    finally:
        enough.set()
        thread.join()
        stream.close()
        right.close()
    assert time.monotonic() - begun_s < 5


def test_a_closed_descriptor_stream_is_at_its_end(pair: Pair) -> None:
    stream, _, _ = pair
    stream.close()
    stream.close()
    assert stream.recv(1, 1.0) == b""
    with pytest.raises(BrokenPipeError):
        stream.send(b"x")


def test_quit_is_no_error_where_the_agent_is_gone(pair: Pair) -> None:
    stream, _, hang_up = pair
    hang_up()
    Agent(stream).quit()
