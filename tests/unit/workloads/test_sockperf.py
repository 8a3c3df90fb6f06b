from __future__ import annotations

import pytest
from support.recordings import changed, output, recorded

from workloads.base import WorkloadFault
from workloads.sockperf import parse


@pytest.mark.parametrize("recording", ["sockperf-3.7.txt", "sockperf-3.8-shape.txt"])
def test_round_trips_become_nanoseconds_in_every_version(recording: str) -> None:
    values = dict(parse(output(recorded(recording))))
    assert values["latency_mean_ns"] == pytest.approx(29211)
    assert values["latency_p50_ns"] == pytest.approx(13610)
    assert values["latency_p999_ns"] == pytest.approx(3883568)


def _with_count(count: int) -> list[str]:
    text = recorded("sockperf-3.7.txt").decode()
    begin = text.index("Total ", text.index("Summary"))
    end = text.index(" observations", begin)
    return [name for name, _ in parse(output(text[:begin] + f"Total {count}" + text[end:]))]


def test_a_percentile_with_too_few_observations_is_left_out() -> None:
    assert _with_count(2994)[-1] == "latency_p99_ns"
    assert _with_count(298)[-1] == "latency_p90_ns"
    assert _with_count(28) == ["latency_mean_ns", "latency_p50_ns"]
    with pytest.raises(WorkloadFault, match="too few"):
        _with_count(4)


@pytest.mark.parametrize("recording", ["sockperf-3.7-half.txt", "sockperf-3.7-nothing-valid.txt"])
def test_half_round_trips_and_empty_measurements_are_refused(recording: str) -> None:
    with pytest.raises(WorkloadFault, match="Round trip"):
        parse(output(recorded(recording)))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("dropped messages = 0", "dropped messages = 1", "format"),
        ("duplicated messages = 0", "duplicated messages = 2", "format"),
        ("percentile 99.000", "percentile 98.000", "percentile 99 0 times"),
        ("percentile 75.000", "percentile 50.000", "percentile 50 2 times"),
        ("Round trip is 29.211", "Round trip is -29.211", "format"),
        ("=   13.610", "=   99913.610", "not in order"),
        ("=   13.610", "=      nan", "format"),
        (" usec", " msec", "format"),
    ],
)
def test_output_of_another_kind_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(WorkloadFault, match=why):
        parse(changed("sockperf-3.7.txt", old, new))


def test_udp_is_read_like_tcp() -> None:
    values = dict(parse(output(recorded("sockperf-3.7-udp.txt"))))
    assert values["latency_p50_ns"] == pytest.approx(11116)
    assert values["latency_mean_ns"] == pytest.approx(20128)
