from __future__ import annotations

import pytest
from support.recordings import changed, output, recorded

from workloads.base import WorkloadFault
from workloads.wrk import parse


def test_rates_and_percentiles_are_read_in_their_units() -> None:
    assert dict(parse(output(recorded("wrk-4.1.0.txt")))) == {
        "requests_per_second": 44665.08,
        "latency_p50_ns": 324_000,
        "latency_p90_ns": 471_000,
        "latency_p99_ns": 639_000,
        "transfer_bytes_per_second": pytest.approx(35.91 * 2**20),
    }


def test_a_slow_server_is_read_in_milliseconds() -> None:
    values = dict(parse(output(recorded("wrk-4.1.0-emulated.txt"))))
    assert values["requests_per_second"] == 1065.9
    assert values["latency_p90_ns"] == 16_060_000


@pytest.mark.parametrize(("unit", "ns"), [("us", 639e3), ("ms", 639e6), ("s", 639e9)])
def test_latencies_may_be_printed_in_any_unit(unit: str, ns: float) -> None:
    values = dict(parse(changed("wrk-4.1.0.txt", "639.00us", f"639.00{unit}")))
    assert values["latency_p99_ns"] == ns


def test_answers_other_than_success_are_an_error() -> None:
    with pytest.raises(WorkloadFault, match="Non-2xx or 3xx responses: 70728"):
        parse(output(recorded("wrk-4.1.0-not-found.txt")))


def test_socket_errors_are_an_error() -> None:
    broken = "Socket errors: connect 0, read 3, write 0, timeout 16\nRequests/sec"
    with pytest.raises(WorkloadFault, match="read 3"):
        parse(changed("wrk-4.1.0.txt", "Requests/sec", broken))


def test_a_percentile_with_too_few_requests_is_left_out() -> None:
    slow = recorded("wrk-4.1.0.txt").decode().replace("49134 requests", "100 requests")
    names = [name for name, _ in parse(output(slow.replace("44665.08", "90.91")))]
    assert "latency_p90_ns" in names
    assert "latency_p99_ns" not in names


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("Requests/sec:", "Requests/min:", "no line begins"),
        ("44665.08", "nan", "format"),
        ("44665.08", "2.00", "not 2 per second"),
        ("49134 requests", "0 requests", "are not"),
        ("requests in 1.10s", "requests in 0.00s", "not above 0"),
        ("35.91MB", "35.91MiB", "format"),
        ("324.00us", "324.00ks", "format"),
        ("324.00us", "999.00us", "not in order"),
        ("Latency Distribution", "Latency", "Latency Distribution"),
        ("     99%", "     98%", "no line begins"),
    ],
)
def test_output_of_another_kind_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(WorkloadFault, match=why):
        parse(changed("wrk-4.1.0.txt", old, new))
