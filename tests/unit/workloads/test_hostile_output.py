"""Whatever a box writes, a parser gives sane numbers or a WorkloadFault, nothing else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recordings import GOOD, Parser, output, recorded

from workloads import cpu, deep_storage, iperf3, linpack, memory, random_access, sockperf, wrk
from workloads.application import COMPRESSION, POSTGRESQL, REDIS, SQLITE
from workloads.base import WorkloadFault

PARSERS = sorted(set(GOOD.values()), key=lambda parser: (parser.__module__, parser.__name__))

METRICS = {
    metric.name
    for workload in (
        cpu.SYSBENCH_CPU,
        cpu.OPENSSL_SHA256,
        memory.STREAM,
        memory.RANDOM_LATENCY,
        linpack.LINPACK,
        random_access.RANDOM_ACCESS,
        deep_storage.DEEP_MIX,
        iperf3.IPERF3,
        sockperf.SOCKPERF,
        wrk.HTTP,
        REDIS,
        POSTGRESQL,
        SQLITE,
        COMPRESSION,
    )
    for metric in workload.metrics
}
MAY_BE_ZERO = {"retransmits"}

NASTY = st.sampled_from(
    [b"nan", b"inf", b"-1", b"0", b"1e999", b"9" * 500, b"\xff", b"\x00", b"\n", b" ", b":", b"="]
) | st.binary(max_size=8)


@st.composite
def mutations(draw: st.DrawFn, original: bytes) -> bytes:
    """``original`` after a few cuts, repetitions and insertions."""
    data = original
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.integers(0, 40)))
        middle = draw(st.just(b"") | st.just(data[begin:end] * 2) | NASTY)
        data = data[:begin] + middle + data[end:]
    return data


def check(parse: Parser, stdout: bytes) -> None:
    try:
        values = parse(output(stdout))
    except WorkloadFault:
        return
    names = [name for name, _ in values]
    assert names
    assert len(set(names)) == len(names)
    assert set(names) <= METRICS
    for name, value in values:
        assert isinstance(value, float)
        assert math.isfinite(value)
        assert value > 0 or (value == 0 and name in MAY_BE_ZERO)


@pytest.mark.parametrize("recording", sorted(GOOD))
def test_the_recording_itself_is_understood(recording: str) -> None:
    assert GOOD[recording](output(recorded(recording)))


@pytest.mark.slow
@pytest.mark.parametrize("recording", sorted(GOOD))
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_a_mutated_recording_gives_numbers_or_a_fault(recording: str, data: st.DataObject) -> None:
    check(GOOD[recording], data.draw(mutations(recorded(recording))))


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: f"{parse.__module__}.{parse.__name__}")
@given(stdout=st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
@settings(max_examples=60, deadline=None)
def test_random_bytes_are_a_fault(parse: Parser, stdout: bytes) -> None:
    with pytest.raises(WorkloadFault):
        parse(output(stdout))


@pytest.mark.parametrize("recording", sorted(GOOD))
def test_every_recording_cut_short_is_a_fault_or_complete(recording: str) -> None:
    whole = recorded(recording)
    for length in range(0, len(whole), 7):
        check(GOOD[recording], whole[:length])
