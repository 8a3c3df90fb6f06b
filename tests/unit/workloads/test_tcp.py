"""TCP in slices: the program with its own server, and what of its answers is believed."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes import process
from workloads import tcp
from workloads.base import READY, Answer, Workload, WorkloadFault
from workloads.iperf3 import IPERF3
from workloads.sockperf import SOCKPERF

SPAN_NS = 3_000_000
MODES = {"trips": (SOCKPERF, tcp.parse_trips), "stream": (IPERF3, tcp.parse_stream)}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    built = str(tmp_path_factory.mktemp("tcp") / "tcp")
    warnings = ("-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    source = str(tcp.PROGRAM.source)
    process.run(["gcc", *warnings, "-O2", "-static", "-o", built, source], timeout_s=120)
    return built


@pytest.fixture
def port(program: str) -> Iterator[str]:
    """Of a server that listens; free a moment before."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = str(probe.getsockname()[1])
    server = process.spawn([program, "serve", free], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == b"listening\n"
        yield free
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def slices(program: str, mode: str, port: str, requests: bytes) -> process.Completed:
    argv = [program, "slices", mode, "127.0.0.1", port]
    return process.run(argv, timeout_s=60, stdin=requests)


@pytest.mark.parametrize("mode", MODES)
def test_it_answers_each_request_with_what_its_parser_reads(
    program: str, port: str, mode: str
) -> None:
    workload: Workload
    parse: Callable[[bytes], Answer]
    workload, parse = MODES[mode]
    ready, *answers, end = slices(program, mode, port, b"0 3\n1 3\n").stdout.split(b"\n")
    assert (ready, end) == (READY, b"")
    assert len(answers) == 2
    for line in answers:
        answer = parse(line)
        names = [name for name, _ in answer.values]
        assert answer.span_ns >= SPAN_NS
        assert {metric.name for metric in workload.metrics} >= set(names)
        assert next(each.name for each in workload.metrics if each.primary) in names


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("request_", [b"1\n", b"x 1\n", b"1 0\n", b"1 2 3\n", b"\n"])
def test_it_refuses_what_is_no_request(program: str, port: str, mode: str, request_: bytes) -> None:
    with pytest.raises(process.CommandFailed, match="exit status 2"):
        slices(program, mode, port, request_)


@pytest.mark.parametrize("said", [b"", b"\0" * 8, b"\xff" * 8, b"\x40" + b"\0" * 7 + b"\xff" * 64])
def test_no_connection_keeps_another_one_waiting_or_ends_the_server(
    program: str, port: str, said: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", int(port))) as other:
        other.sendall(said)
        assert len(slices(program, "trips", port, b"0 3\n").stdout.splitlines()) == 2
    assert len(slices(program, "stream", port, b"0 3\n").stdout.splitlines()) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["serve"],
        ["serve", "0"],
        ["serve", "65536"],
        ["slices", "trips", "localhost", "1"],
        ["slices", "trips", "127.0.0.1", "0"],
        ["slices", "trips", "127.0.0.1"],
        ["slices", "dance", "127.0.0.1", "1"],
    ],
)
def test_bad_arguments_are_refused(program: str, arguments: list[str]) -> None:
    with pytest.raises(process.CommandFailed, match="exit status 2"):
        process.run([program, *arguments], timeout_s=60)


def test_a_server_that_is_not_there_is_named(program: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(process.CommandFailed, match="exit status 1") as caught:
            slices(program, "trips", str(taken.getsockname()[1]), b"")
    assert "refused" in caught.value.tail


def test_the_mean_is_of_the_whole_slice_and_percentiles_are_the_programs() -> None:
    line = b"ns=300000 trips=300 p50_ns=900 p90_ns=1100 p99_ns=2000"
    assert tcp.parse_trips(line) == Answer(
        300_000,
        (
            ("latency_mean_ns", 1000.0),
            ("latency_p50_ns", 900.0),
            ("latency_p90_ns", 1100.0),
            ("latency_p99_ns", 2000.0),
        ),
    )


def test_a_percentile_for_which_there_are_too_few_trips_is_left_out() -> None:
    values = dict(tcp.parse_trips(b"ns=60000 trips=60 p50_ns=900 p90_ns=1100 p99_ns=2000").values)
    assert set(values) == {"latency_mean_ns", "latency_p50_ns", "latency_p90_ns"}


def test_a_slow_slice_keeps_its_median() -> None:
    values = dict(
        tcp.parse_trips(b"ns=60000 trips=2 p50_ns=20000 p90_ns=30000 p99_ns=30000").values
    )
    assert values == {"latency_mean_ns": 30000.0, "latency_p50_ns": 20000.0}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"ns=300000 trips=300 p50_ns=900 p90_ns=800 p99_ns=2000",
        b"ns=1000 trips=1 p50_ns=900 p90_ns=900 p99_ns=2000",
        b"ns=300000 trips=0 p50_ns=900 p90_ns=1100 p99_ns=2000",
        b"ns=300000 trips=300 p50_ns=900 p90_ns=1100",
    ],
)
def test_other_answers_are_refused(line: bytes) -> None:
    with pytest.raises(WorkloadFault):
        tcp.parse_trips(line)


def test_the_rate_is_what_the_peer_received_over_the_whole_slice() -> None:
    answer = tcp.parse_stream(b"ns=50000000 bytes=100000000")
    assert answer == Answer(50_000_000, (("received_bytes_per_second", 2e9),))
    with pytest.raises(WorkloadFault):
        tcp.parse_stream(b"ns=1 bytes=100000000")


@given(st.binary(max_size=200))
def test_whatever_a_box_answers_gives_numbers_or_a_fault(line: bytes) -> None:
    for parse in (tcp.parse_trips, tcp.parse_stream):
        try:
            answer = parse(line)
        except WorkloadFault:
            continue
        assert all(0 < value < float("inf") for _, value in answer.values)
