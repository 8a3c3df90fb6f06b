"""Which of our workloads has which published row beside it, and how the two differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FELTER = "Felter et al."


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """A row of published.csv, by how its cells begin."""

    workload: str
    metric: str
    form: Literal["higher", "lower", "change"]
    """Which way its figures are better; ``change``: per cent more or less than native."""
    source: str = FELTER

    def names(self, cells: Mapping[str, str]) -> bool:
        """Whether ``cells`` are this row's."""
        return (
            cells["source"].startswith(self.source)
            and cells["workload"].startswith(self.workload)
            and cells["metric"].startswith(self.metric)
        )


@dataclass(frozen=True, slots=True)
class Counterpart:
    """One of our workloads and the rows that stand beside it."""

    workload: str
    metrics: tuple[str, ...]
    """The first of them that a run has."""
    rows: tuple[PublishedRow, ...]
    """For each arm the first that has its figure counts."""
    differs: str
    over_the_network: bool = False
    """Whether Docker's two networks are two measurements."""


_ANOTHER_DISK = "theirs 16 GiB of their device, ours 64 MiB of this host’s disk"


def _redis(workload: str, connections: int) -> Counterpart:
    return Counterpart(
        workload,
        ("get_requests_per_second",),
        (
            PublishedRow(
                f"redis-benchmark GET 50 B values, {connections} connections", "requests", "higher"
            ),
        ),
        f"theirs {connections} connections, values of 50 bytes; ours of 64 bytes, without a wire",
        over_the_network=True,
    )


COUNTERPARTS = (
    Counterpart(
        "cpu.linpack",
        ("operations_per_second", "gflops"),
        (PublishedRow("Linpack N=45000", "throughput mean (published", "higher"),),
        "theirs 45 000 unknowns over two sockets, ours 2 048 on the CPUs of the box",
    ),
    Counterpart(
        "memory.stream",
        ("triad_bytes_per_second",),
        (PublishedRow("STREAM Triad one socket", "bandwidth", "higher"),),
        "theirs a whole socket, ours one thread",
    ),
    Counterpart(
        "memory.random-access",
        ("updates_per_second",),
        (PublishedRow("RandomAccess one socket", "throughput mean", "higher"),),
        "theirs a whole socket and its memory, ours a table of 256 MiB",
    ),
    Counterpart(
        "network.throughput",
        ("received_bytes_per_second",),
        (PublishedRow("nuttcp TCP client->server", "throughput", "higher"),),
        "their wire, 10 Gbit/s, is full in every arm and hides what the path costs; ours has none",
        over_the_network=True,
    ),
    Counterpart(
        "network.throughput-back",
        ("received_bytes_per_second",),
        (PublishedRow("nuttcp TCP server->client", "throughput", "higher"),),
        "as the other direction",
        over_the_network=True,
    ),
    Counterpart(
        "network.latency",
        ("latency_p50_ns",),
        (
            PublishedRow("netperf TCP_RR", "round-trip latency", "lower"),
            PublishedRow("netperf RR, Docker NAT", "latency factor", "lower"),
        ),
        "theirs the mean over a wire, ours the median without one: the same microseconds are a "
        "larger share",
        over_the_network=True,
    ),
    Counterpart(
        "network.latency-udp",
        ("latency_p50_ns",),
        (
            PublishedRow("netperf UDP_RR", "round-trip latency", "lower"),
            PublishedRow("netperf RR, Docker NAT", "latency factor", "lower"),
        ),
        "as with TCP",
        over_the_network=True,
    ),
    Counterpart(
        "storage.sequential-read",
        ("operations_per_second",),
        (PublishedRow("fio seq read 1MiB", "bandwidth", "higher"),),
        f"{_ANOTHER_DISK}, one request at a time",
    ),
    Counterpart(
        "storage.sequential-write",
        ("operations_per_second",),
        (PublishedRow("fio seq write 1MiB", "bandwidth", "higher"),),
        f"{_ANOTHER_DISK}, one request at a time, flushed every 16",
    ),
    Counterpart(
        "storage.deep-read",
        ("operations_per_second",),
        (PublishedRow("fio random read 4KiB", "IOPS", "higher"),),
        f"as many requests at once; {_ANOTHER_DISK}",
    ),
    Counterpart(
        "storage.deep-write",
        ("operations_per_second",),
        (PublishedRow("fio random write 4KiB", "IOPS", "higher"),),
        f"as many requests at once; {_ANOTHER_DISK}",
    ),
    Counterpart(
        "storage.deep-mix",
        ("operations_per_second",),
        (PublishedRow("fio random 70/30 mix 4KiB", "IOPS", "higher"),),
        f"as many requests at once; {_ANOTHER_DISK}",
    ),
    Counterpart(
        "application.compression",
        ("bytes_per_second",),
        (PublishedRow("PXZ", "change vs native", "change"),),
        "theirs PXZ over two sockets, ours xz on the CPUs of the box",
    ),
    _redis("application.redis-one", 1),
    _redis("application.redis", 10),
    _redis("application.redis-many", 100),
    Counterpart(
        "application.postgresql",
        ("transactions_per_second",),
        (
            PublishedRow(
                "MySQL 5.5.37 sysbench OLTP read-only, 10 threads", "transactions", "higher"
            ),
        ),
        "another database and other work: theirs MySQL, reading for 10 threads; ours PostgreSQL, "
        "writing for 4 clients, each commit flushed",
        over_the_network=True,
    ),
)
