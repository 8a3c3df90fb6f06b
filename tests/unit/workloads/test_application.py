"""Applications: what their tools print, and what may not be believed."""

from __future__ import annotations

import pytest
from support.recordings import changed, output, recorded

from workloads.application import compression, postgresql, redis, sqlite
from workloads.base import CommandWork, Output, Size, WorkloadFault
from workloads.reading import fewest_observations

REDIS = "redis-benchmark-7.0.15.csv"
PGBENCH = "pgbench-15.20.txt"
JOB = "sqlite-1.txt"
XZ = "xz-5.4.1.txt"


def xz(text: bytes, wall_ns: int = 2 * 10**9) -> Output:
    return Output(b"", text, wall_ns)


def test_redis_gives_rates_and_latencies_of_reads_and_writes() -> None:
    values = dict(redis.parse(output(recorded(REDIS))))
    assert values["set_requests_per_second"] == 26954.18
    assert values["get_requests_per_second"] == 31645.57
    assert values["get_latency_mean_ns"] == 380_000
    assert values["get_latency_p99_ns"] == 3_903_000
    assert set(values) == {metric.name for metric in redis.REDIS.metrics}


def test_what_one_client_cannot_do_is_refused_of_one_and_not_of_many() -> None:
    assert redis.REDIS_MANY.parse(output(recorded(REDIS)))
    with pytest.raises(WorkloadFault, match="more connections"):
        redis.REDIS_ONE.parse(output(recorded(REDIS)))


def test_an_iteration_of_redis_is_long_enough_for_its_percentiles() -> None:
    for load in (redis.ONE, redis.SOME, redis.MANY):
        assert load.requests(Size(1, 1)) >= fewest_observations(99)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"GET"', '"SET"'),
        ('"GET"', '"ERR"'),
        ("31645.57", "31645570.00"),  # sixteen connections cannot do that at 0.38 ms
        ("31645.57", "0.00"),
        ("31645.57", "-1"),
        ("31645.57", "nan"),
        ('"0.191"', '"9.191"'),  # the median above the 99th percentile
        ('"0.380"', '"8.380"'),  # the mean above the largest
        ('"7.711"', '"7.711","1"'),
        ('"test","rps"', '"test","requests"'),
        ('"SET","26954.18"', "WARNING: Could not fetch server CONFIG"),
    ],
)
def test_nonsense_of_redis_is_refused(old: str, new: str) -> None:
    with pytest.raises(WorkloadFault):
        redis.parse(changed(REDIS, old, new))


def test_pgbench_gives_transactions_and_how_long_one_takes() -> None:
    values = dict(postgresql.parse(output(recorded(PGBENCH))))
    assert values == {
        "transactions_per_second": 1130.464027,
        "transaction_mean_ns": 3_538_000,
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("400/400", "399/400"),
        ("0 (0.000%)", "1 (0.250%)"),
        ("tps = 1130.464027", "tps = 11304.64027"),
        ("3.538 ms", "0.000 ms"),
        ("3.538 ms", "3.538 s"),
        ("(without initial connection time)", ""),
        ("number of failed transactions", "number of other transactions"),
    ],
)
def test_nonsense_of_pgbench_is_refused(old: str, new: str) -> None:
    with pytest.raises(WorkloadFault):
        postgresql.parse(changed(PGBENCH, old, new))


def test_sqlite_gives_durable_transactions_and_look_ups() -> None:
    values = dict(sqlite.parse(output(recorded(JOB))))
    assert values["transactions_per_second"] == pytest.approx(300 / 0.791220560)
    assert values["lookups_per_second"] == pytest.approx(6000 / 0.044026978)
    assert values["transaction_p99_ns"] == 11426327


def test_a_percentile_of_too_few_transactions_is_left_out() -> None:
    few = changed(JOB, "transactions 300", "transactions 298")
    assert "transaction_p99_ns" not in dict(sqlite.parse(few))
    assert "transaction_p50_ns" in dict(sqlite.parse(few))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("transaction_p50 2671301", "transaction_p50 12671301"),
        ("transactions_total 791220560", "transactions_total 79122"),
        ("lookups_total 44026978", "lookups_total 0"),
        ("transactions 300", "transactions 300.5"),
        ("tarebench-sqlite 1", "tarebench-sqlite 2"),
        ("lookups 6000 1\n", ""),
    ],
)
def test_nonsense_of_sqlite_is_refused(old: str, new: str) -> None:
    with pytest.raises(WorkloadFault):
        sqlite.parse(changed(JOB, old, new))


def test_xz_is_timed_by_the_box_and_says_what_it_made() -> None:
    values = dict(compression.parse(xz(recorded(XZ))))
    assert values["bytes_per_second"] == (8 << 20) / 2
    assert values["compressed_ratio"] == pytest.approx(2835.5 / 8192)


@pytest.mark.parametrize(
    "line",
    [
        b"/volume/corpus: 2835.5 KiB / 8191.0 KiB = 0.346",  # not the text that it was given
        b"/volume/corpus: 8192.0 KiB / 8192.0 KiB = 1.000",
        b"/volume/corpus: 2835.5 KB / 8192.0 KiB = 0.346",
        b"/volume/corpus: 0 B / 8192.0 KiB = 0.000",
        b"/volume/corpus: nan KiB / 8192.0 KiB = 0.346",
        b"xz: /volume/corpus.xz: No space left on device",
        b"",
    ],
)
def test_nonsense_of_xz_is_refused(line: bytes) -> None:
    with pytest.raises(WorkloadFault):
        compression.parse(xz(line))


def test_larger_texts_are_printed_in_larger_units() -> None:
    whole = b"/volume/corpus: 8506.5 KiB / 24.0 MiB = 0.346, 12 MiB/s, 0:02"
    assert dict(compression.parse(xz(whole)))["bytes_per_second"] == (24 << 20) / 2


def test_xz_has_a_thread_for_each_cpu_of_the_box() -> None:
    work = compression.COMPRESSION.work(Size(1, 1))
    assert isinstance(work, CommandWork)
    assert "--threads={cpus}" in work.command.argv


def test_nothing_is_durable_in_redis_and_everything_in_postgresql() -> None:
    assert {"--save", "--appendonly"} <= set(redis.SERVER.argv)
    settings = postgresql.POSTGRESQL.files["/opt/tarebench/postgresql.conf"]
    assert {"fsync = on", "synchronous_commit = on"} <= set(settings.splitlines())
