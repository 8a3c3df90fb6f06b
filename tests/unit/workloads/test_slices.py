"""Work in slices: what our programs answer, and what of it is believed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings import output

from runtimes import process
from workloads import cpu, memory, system
from workloads.base import READY, Answer, ResidentSlices, Workload, WorkloadFault

RESIDENT = (
    memory.STREAM,
    memory.RANDOM_LATENCY,
    system.CALL,
    system.FAULT,
    system.SWITCH,
    system.SPAWN,
    cpu.OPENSSL_SHA256,
)
SPAN_NS = 3_000_000
REQUESTS = b"0 3\n1 3\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our C programs, by the names that they have in the box."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    directory = tmp_path_factory.mktemp("programs")
    warnings = ("-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    for workload in (memory.STREAM, system.CALL):
        (program,) = workload.programs
        target = str(directory / Path(program.path).name)
        argv = ["gcc", *warnings, "-static", *program.flags, "-o", target, str(program.source)]
        process.run(argv, timeout_s=120)
    return directory


def argv_of(workload: Workload, built: Path) -> list[str]:
    slices = work_of(workload)
    if slices.argv[0].endswith("python3"):
        source = Path(cpu.__file__).with_name("programs") / "openssl_slices.py"
        return [sys.executable, *slices.argv[1:-1], str(source)]
    small = ["1048576"] if slices.argv[-1].isdigit() else []
    words = slices.argv[1:-1] if small else slices.argv[1:]
    return [str(built / Path(slices.argv[0]).name), *words, *small]


def work_of(workload: Workload) -> ResidentSlices:
    assert isinstance(workload.slices, ResidentSlices)
    return workload.slices


@pytest.mark.slow
@pytest.mark.parametrize("workload", RESIDENT, ids=lambda each: each.name)
def test_a_program_answers_each_request_with_what_its_parser_reads(
    workload: Workload, built: Path
) -> None:
    done = process.run(argv_of(workload, built), timeout_s=60, stdin=REQUESTS)
    ready, *answers, end = done.stdout.split(b"\n")
    assert (ready, end) == (READY, b"")
    assert len(answers) == 2
    for line in answers:
        answer = work_of(workload).parse(line)
        assert answer.span_ns >= SPAN_NS
        assert {name for name, _ in answer.values} == {each.name for each in workload.metrics}
        assert all(value > 0 for _, value in answer.values)


@pytest.mark.parametrize("workload", RESIDENT, ids=lambda each: each.name)
@pytest.mark.parametrize(
    "request_", [b"1\n", b"x 1\n", b"1 0\n", b"1 2 3\n", b"1 99999999\n", b"\n"]
)
def test_a_program_refuses_what_is_no_request(
    workload: Workload, built: Path, request_: bytes
) -> None:
    with pytest.raises(process.CommandFailed, match="exit status"):
        process.run(argv_of(workload, built), timeout_s=60, stdin=request_)


def test_rates_and_times_are_those_of_the_whole_slice() -> None:
    assert memory.parse_latency_slice(b"ns=1000 loads=10 best_ns=40 batch=4") == Answer(
        1000, (("load_mean_ns", 100.0), ("load_best_ns", 10.0))
    )
    assert system.parse_slice(b"ns=1000 count=100 best_ns=8 batch=4") == Answer(
        1000, (("mean_ns", 10.0), ("best_ns", 2.0))
    )
    line = b"ns=400 bytes=100 rounds=2 copy_ns=100 scale_ns=50 add_ns=100 triad_ns=150"
    rates = dict(memory.parse_stream_slice(line).values)
    assert rates["copy_bytes_per_second"] == 2 * 200 * 1e9 / 100
    assert rates["triad_bytes_per_second"] == 3 * 200 * 1e9 / 150
    found = cpu.parse_openssl_slice(b"ns=1000000000 blocks=2 block_bytes=16384")
    assert found.values == (("bytes_per_second", 32768.0),)


SYSBENCH = b"""sysbench 1.0.20
CPU speed:
    events per second:  3221.00
General statistics:
    total time:                          0.0248s
    total number of events:              80
Latency (ms):
         sum:                                   23.52
"""


def test_a_slice_of_sysbench_counts_the_events_alone_not_the_start_of_threads() -> None:
    values = dict(cpu.parse_sysbench_slice(output(SYSBENCH)))
    assert values["events_per_second"] == pytest.approx(80 / 0.02352)
    assert values["latency_mean_ns"] == pytest.approx(0.02352e9 / 80)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"ns=1",
        b"ns=0 loads=1 best_ns=1 batch=1",
        b"ns=-1 loads=1 best_ns=1 batch=1",
        b"ns=10 loads=1 best_ns=11 batch=1",
        b"ns=10 loads=1 best_ns=1 batch=1 more=1",
        b"ns=10 ns=10 loads=1 best_ns=1 batch=1",
        b"ns=1e3 loads=1 best_ns=1 batch=1",
        b"ns=9999999999999999 loads=1 best_ns=1 batch=1",
        b"ns=10 loads=1 best_ns=1 batch=1" + b" " * 2000,
        b"ns=\xc2\xb210 loads=1 best_ns=1 batch=1",
    ],
)
def test_other_answers_are_refused(line: bytes) -> None:
    with pytest.raises(WorkloadFault):
        memory.parse_latency_slice(line)


@given(st.binary(max_size=200))
def test_whatever_a_box_answers_a_parser_gives_numbers_or_a_fault(line: bytes) -> None:
    for workload in RESIDENT:
        try:
            answer = work_of(workload).parse(line)
        except WorkloadFault:
            continue
        assert all(0 < value < float("inf") for _, value in answer.values)
