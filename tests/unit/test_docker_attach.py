from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.docker.attach import MAX_STDERR_BYTES, AttachStream, Demultiplexer
from runtimes.faults import RuntimeFault


def frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def cut(wire: bytes, sizes: list[int]) -> Iterator[bytes]:
    while wire:
        size = sizes.pop() if sizes else len(wire)
        yield wire[:size]
        wire = wire[size:]


@given(
    frames=st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=300)), max_size=20),
    sizes=st.lists(st.integers(1, 50), max_size=200),
)
def test_the_streams_come_out_whole_however_the_wire_is_cut(
    frames: list[tuple[int, bytes]], sizes: list[int]
) -> None:
    wire = b"".join(frame(kind, payload) for kind, payload in frames)
    demultiplexer = Demultiplexer()
    output = b"".join(demultiplexer.feed(piece) for piece in cut(wire, sizes))
    assert output == b"".join(payload for kind, payload in frames if kind != 2)
    assert demultiplexer.stderr == b"".join(payload for kind, payload in frames if kind == 2)
    assert demultiplexer.between_frames


@given(st.lists(st.binary(max_size=64), max_size=30))
def test_any_bytes_at_all_give_output_or_a_fault_and_no_more_than_came(
    pieces: list[bytes],
) -> None:
    demultiplexer = Demultiplexer()
    output = b""
    try:
        for piece in pieces:
            output += demultiplexer.feed(piece)
    except RuntimeFault:
        pass
    assert len(output) + len(demultiplexer.stderr) <= sum(map(len, pieces))


@pytest.mark.parametrize(
    "header",
    [
        b"\x04\0\0\0\0\0\0\1",
        b"\x01\0\1\0\0\0\0\1",
        b"\x01\0\0\0\xff\xff\xff\xff",
        b"HTTP/1.1",
    ],
)
def test_what_is_no_header_is_refused(header: bytes) -> None:
    with pytest.raises(RuntimeFault, match="no frame header"):
        Demultiplexer().feed(header)


def test_only_the_end_of_a_flood_of_errors_is_kept() -> None:
    demultiplexer = Demultiplexer()
    for _ in range(8):
        demultiplexer.feed(frame(2, b"x" * 32768))
    demultiplexer.feed(frame(2, b"the last words"))
    assert len(demultiplexer.stderr) == MAX_STDERR_BYTES
    assert demultiplexer.stderr.endswith(b"the last words")


def test_an_error_of_the_daemon_is_a_fault_with_its_words() -> None:
    with pytest.raises(RuntimeFault, match="reports an error") as caught:
        Demultiplexer().feed(frame(3, b"log driver lost"))
    assert caught.value.tail == "log driver lost"


@pytest.fixture
def pair() -> Iterator[tuple[AttachStream, socket.socket]]:
    ours, theirs = socket.socketpair()
    stream = AttachStream(ours)
    with theirs:
        yield stream, theirs
    stream.close()


def test_silence_is_a_timeout_even_while_errors_arrive(
    pair: tuple[AttachStream, socket.socket],
) -> None:
    stream, daemon = pair
    daemon.sendall(frame(2, b"noise"))
    with pytest.raises(TimeoutError):
        stream.recv(100, 0.05)
    assert stream.stderr_tail() == "noise"


def test_more_than_was_asked_for_is_kept_for_the_next_call(
    pair: tuple[AttachStream, socket.socket],
) -> None:
    stream, daemon = pair
    daemon.sendall(frame(1, b"abcdef"))
    assert stream.recv(2, 1.0) == b"ab"
    assert stream.recv(100, 1.0) == b"cdef"


def test_the_end_of_the_connection_is_the_end_of_the_stream(
    pair: tuple[AttachStream, socket.socket],
) -> None:
    stream, daemon = pair
    daemon.sendall(frame(1, b"last"))
    daemon.close()
    assert stream.recv(100, 1.0) == b"last"
    assert stream.recv(100, 1.0) == b""
    assert stream.recv(100, 1.0) == b""


def test_an_end_inside_a_frame_is_a_fault(pair: tuple[AttachStream, socket.socket]) -> None:
    stream, daemon = pair
    daemon.sendall(frame(1, b"abcdef")[:-1])
    daemon.close()
    assert stream.recv(100, 1.0) == b"abcde"
    with pytest.raises(RuntimeFault, match="inside a frame"):
        stream.recv(100, 1.0)


def test_writing_to_a_container_that_is_gone_is_an_error(
    pair: tuple[AttachStream, socket.socket],
) -> None:
    stream, daemon = pair
    daemon.close()
    with pytest.raises(OSError, match="pipe"):
        stream.send(b"x")


def test_a_stream_that_we_closed_gives_its_end_and_takes_nothing(
    pair: tuple[AttachStream, socket.socket],
) -> None:
    stream, _ = pair
    stream.close()
    stream.close()
    assert stream.recv(1, 1.0) == b""
    with pytest.raises(BrokenPipeError):
        stream.send(b"x")


def test_a_readable_connection_tells_a_byte_from_its_end(
    pair: tuple[AttachStream, socket.socket],
) -> None:
    stream, daemon = pair
    assert not stream.at_end()
    daemon.sendall(frame(1, b"x"))
    assert not stream.at_end()
    stream.recv(1, 1.0)
    daemon.close()
    assert stream.at_end()
