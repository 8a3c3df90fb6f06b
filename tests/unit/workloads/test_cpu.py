from __future__ import annotations

import pytest
from support.recordings import changed, output, recorded

from workloads.base import WorkloadFault
from workloads.cpu import parse_openssl, parse_sysbench


def test_sysbench_gives_its_rate_and_an_unrounded_mean() -> None:
    values = dict(parse_sysbench(output(recorded("sysbench-1.0.20.txt"))))
    assert values["events_per_second"] == 4205.72
    assert values["latency_mean_ns"] == pytest.approx(999.52e6 / 4210)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("events per second:", "events per minute:", "no line begins"),
        ("4205.72", "nan", "format"),
        ("4205.72", "42057200000000.00", "at most"),
        ("4205.72", "1000.00", "not 1000 per second"),
        ("4210\n", "0\n", "not above 0"),
        ("1.0002s", "1.0002", "format"),
        ("sum: ", "total: ", "no line begins"),
    ],
)
def test_sysbench_output_of_another_kind_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(WorkloadFault, match=why):
        parse_sysbench(changed("sysbench-1.0.20.txt", old, new))


@pytest.mark.parametrize("recording", ["openssl-3.0.19.txt", "openssl-3.5-shape.txt"])
def test_openssl_gives_bytes_per_second_in_every_version(recording: str) -> None:
    assert parse_openssl(output(recorded(recording))) == (("bytes_per_second", 1754595328.0),)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("+H:16384", "+H:16:64:256:1024:8192:16384", "format"),
        ("+H:16384", "+H:8192", "blocks of 8192"),
        ("sha256", "sha512", "format"),
        ("1754595328.00", "-1.00", "format"),
        ("1754595328.00", "inf", "format"),
        ("1754595328.00", "0.00", "not above 0"),
        ("1754595328.00", "17545953280000000.00", "at most"),
    ],
)
def test_openssl_output_of_another_kind_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(WorkloadFault, match=why):
        parse_openssl(changed("openssl-3.0.19.txt", old, new))


def test_two_results_of_openssl_are_one_too_many() -> None:
    with pytest.raises(WorkloadFault, match="2 lines"):
        parse_openssl(output(recorded("openssl-3.0.19.txt") * 2))
