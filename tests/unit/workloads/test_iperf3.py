from __future__ import annotations

import json

import pytest
from support.recordings import changed, output, recorded

from workloads.base import WorkloadFault
from workloads.iperf3 import IPERF3_BACK, parse, parse_back


@pytest.mark.parametrize("recording", ["iperf3-3.12.json", "iperf3-3.19-shape.json"])
def test_the_servers_side_of_the_transfer_counts(recording: str) -> None:
    end = json.loads(recorded(recording))["end"]
    values = dict(parse(output(recorded(recording))))
    expected = end["sum_received"]["bytes"] / end["sum_received"]["seconds"]
    assert values["received_bytes_per_second"] == pytest.approx(expected)
    assert values["retransmits"] == end["sum_sent"]["retransmits"]


def test_an_error_in_the_json_is_an_error_although_iperf3_exits_0() -> None:
    with pytest.raises(WorkloadFault, match="Connection refused"):
        parse(output(recorded("iperf3-3.12-refused.json")))


def test_a_test_in_the_other_direction_is_refused() -> None:
    with pytest.raises(WorkloadFault, match="from the box to the peer"):
        parse(output(recorded("iperf3-3.12-reverse.json")))
    with pytest.raises(WorkloadFault, match="from the peer to the box"):
        parse_back(output(recorded("iperf3-3.12.json")))


def test_from_the_peer_to_the_box_it_is_the_box_that_counts_bytes() -> None:
    end = json.loads(recorded("iperf3-3.12-reverse.json"))["end"]
    values = dict(IPERF3_BACK.parse(output(recorded("iperf3-3.12-reverse.json"))))
    expected = end["sum_received"]["bytes"] / end["sum_received"]["seconds"]
    assert values["received_bytes_per_second"] == pytest.approx(expected)
    assert values["retransmits"] == end["sum_sent"]["retransmits"] > 0


def test_a_kernel_that_counts_no_retransmits_costs_only_that_metric() -> None:
    report = json.loads(recorded("iperf3-3.12.json"))
    del report["end"]["sum_sent"]["retransmits"]
    assert [name for name, _ in parse(output(json.dumps(report)))] == ["received_bytes_per_second"]


@pytest.mark.parametrize(
    "value", [0, -1, True, None, "5", 1e300, float("nan"), float("inf"), 10**400, [], {}]
)
@pytest.mark.parametrize("key", ["bytes", "seconds", "bits_per_second"])
def test_a_field_that_is_no_sane_number_is_refused(key: str, value: object) -> None:
    report = json.loads(recorded("iperf3-3.12.json"))
    report["end"]["sum_received"][key] = value
    with pytest.raises(WorkloadFault):
        parse(output(json.dumps(report)))


def test_a_rate_that_contradicts_bytes_and_seconds_is_refused() -> None:
    report = json.loads(recorded("iperf3-3.12.json"))
    report["end"]["sum_received"]["bytes"] *= 2
    with pytest.raises(WorkloadFault, match="are not"):
        parse(output(json.dumps(report)))


@pytest.mark.parametrize(
    "text",
    ["[]", "3", "null", "{}", '{"end": {}}', "{" * 20, "[" * 100_000, '{"a": ' * 5000, "not json"],
)
def test_json_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(WorkloadFault):
        parse(output(text))


def test_a_key_that_occurs_twice_is_refused() -> None:
    with pytest.raises(WorkloadFault, match="twice"):
        parse(changed("iperf3-3.12.json", '"version":', '"version": "2", "version":'))
