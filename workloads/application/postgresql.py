"""PostgreSQL: a database server in the box, pgbench's TPC-B-like transactions from the peer.

The cluster is made on the box's volume, on the host's disk in every arm: the root of a box is
an overlay, a disk image or read-only, and a commit there would measure that.  A commit is durable
(``fsync``, ``synchronous_commit``); a quarter of the box's memory is the server's own cache.
"""

from __future__ import annotations

from pathlib import Path

from workloads.application.repeats import repeated
from workloads.base import (
    Command,
    CommandWork,
    Measurement,
    Metric,
    Output,
    Service,
    Side,
    Size,
    Workload,
)
from workloads.reading import NUMBER, Reader

_PROGRAMS = Path(__file__).parents[1] / "programs"
_PLACE = "/opt/tarebench"
_FILES = ("postgresql.sh", "postgresql.conf", "pg_hba.conf")
_SCRIPT = ("/bin/sh", f"{_PLACE}/postgresql.sh")
_SCALE = 5
_CLIENTS = 4
"""Fewer than the scale: else clients queue for the same branch's row, and that is all one sees."""
_TRANSACTIONS_PER_SECOND_OF_SIZE = 100
"""Of each client."""
_SLOW_S = 300.0
"""For each step before the measurement; a guest under emulation takes minutes to make a cluster."""
_MOST_PER_S = 1e7
_MOST_MS = 1e6
_NS_PER_MS = 1e6
_COUNT = r"([0-9]{1,15})"

SERVICES = (
    Service((*_SCRIPT, "create"), Side.BOX, _SLOW_S),
    Service(
        (*_SCRIPT, "serve", "{memory_mib}"),
        Side.BOX,
        _SLOW_S,
        ready=b"database system is ready to accept connections",
    ),
    Service((*_SCRIPT, "fill", str(_SCALE)), Side.BOX, _SLOW_S),
)


def _work(size: Size) -> CommandWork:
    count = str(_TRANSACTIONS_PER_SECOND_OF_SIZE * size.seconds)
    argv = (*_SCRIPT, "bench", "{box}", "{port}", str(_CLIENTS), count)
    command = Command(argv, timeout_s=180.0 + 60.0 * size.seconds, side=Side.PEER)
    return repeated(command, size, SERVICES)


def parse(output: Output) -> tuple[Measurement, ...]:
    """Read pgbench 15 and later: transactions per second, and how long one takes on average.

    The rate is without the time to connect.  pgbench prints no percentiles.

    Raises:
        WorkloadFault: on anything else, a failed or missing transaction, or figures that
            contradict each other.
    """
    reader = Reader.of("pgbench", output)
    done = reader.match("number of transactions actually processed:", rf"{_COUNT}/{_COUNT}")
    if done[1] != done[2]:
        raise reader.fault(f"{done[1]} of {done[2]} transactions were processed")
    failed = reader.match("number of failed transactions:", rf"{_COUNT} \({NUMBER}%\)")
    if int(failed[1]):
        raise reader.fault(f"{failed[1]} transactions failed")
    mean_ms = reader.number("latency average =", at_most=_MOST_MS, suffix=" ms")
    rate = reader.match("tps =", rf"{NUMBER} \(without initial connection time\)")
    per_s = reader.bounded(float(rate[1]), "tps", at_most=_MOST_PER_S)
    if not 0.8 < per_s * mean_ms / 1e3 / _CLIENTS < 1.25:
        raise reader.fault(f"{_CLIENTS} clients do not do {per_s:g} per second of {mean_ms:g} ms")
    return (
        ("transactions_per_second", per_s),
        ("transaction_mean_ns", round(mean_ms * _NS_PER_MS) * 1.0),
    )


POSTGRESQL = Workload(
    name="application.postgresql",
    resource="application",
    title="Durable transactions (PostgreSQL)",
    metrics=(
        Metric("transactions_per_second", "1/s", "higher", primary=True),
        Metric("transaction_mean_ns", "ns", "lower"),
    ),
    work=_work,
    parse=parse,
    program="/usr/lib/postgresql/*/bin/postgres",
    packages=("postgresql",),
    files={f"{_PLACE}/{name}": (_PROGRAMS / name).read_text("utf-8") for name in _FILES},
    needs_network=True,
    needs_volume=True,
)
