"""SQLite: a database in a file, used by the program itself; programs/sqlite_job.py runs in the box.

Every transaction is durable (write-ahead log, ``synchronous = FULL``): it waits for the volume's
disk.  Look-ups are answered from memory.  The calls are Python's: their cost is in every figure,
alike in every box.
"""

from __future__ import annotations

from pathlib import Path

from workloads import own_program
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
from workloads.reading import Reader, fewest_observations

_PYTHON = "/usr/bin/python3"
_JOB = "/opt/tarebench/sqlite_job.py"
_SOURCE = Path(__file__).parents[1] / "programs" / "sqlite_job.py"
_DATABASE = "/volume/tarebench.sqlite"
_TRANSACTIONS_PER_SECOND_OF_SIZE = 600
_MOST_PER_S = 1e9
_MOST_NS = 1e12

_UNITS = {
    "transactions": "1",
    "transactions_total": "ns",
    "transaction_p50": "ns",
    "transaction_p99": "ns",
    "lookups": "1",
    "lookups_total": "ns",
}


def _work(size: Size) -> CommandWork:
    limit_s = 180.0 + 60.0 * size.seconds
    # -I: neither the environment nor the directory of the script decides what is imported.
    program = (_PYTHON, "-I", _JOB)
    count = str(_TRANSACTIONS_PER_SECOND_OF_SIZE * size.seconds)
    maker = Service((*program, "prepare", _DATABASE), Side.BOX, timeout_s=limit_s)
    return repeated(Command((*program, "run", _DATABASE, count), limit_s), size, (maker,))


def parse(output: Output) -> tuple[Measurement, ...]:
    """Read the job's output: rates, and the latency of a durable transaction.

    Raises:
        WorkloadFault: on anything but the program's exact output.
    """
    values = own_program.values("sqlite", output, _UNITS)
    reader = Reader.of("sqlite", output)
    count, lookups = values["transactions"], values["lookups"]
    half, most = (values[f"transaction_{name}"] for name in ("p50", "p99"))
    if half > most or most > values["transactions_total"] or count != round(count):
        raise reader.fault("its counts and times contradict each other")
    writes, reads = (
        reader.bounded(number / values[f"{what}_total"] * 1e9, what, at_most=_MOST_PER_S)
        for what, number in (("transactions", count), ("lookups", lookups))
    )
    latencies = (("p50", 50, half), ("p99", 99, most))
    return (
        ("transactions_per_second", writes),
        *(
            (f"transaction_{name}_ns", reader.bounded(value, name, at_most=_MOST_NS))
            for name, percentile, value in latencies
            if count >= fewest_observations(percentile)
        ),
        ("lookups_per_second", reads),
    )


SQLITE = Workload(
    name="application.sqlite",
    resource="application",
    title="Durable transactions in a file (SQLite)",
    metrics=(
        Metric("transactions_per_second", "1/s", "higher", primary=True),
        Metric("transaction_p50_ns", "ns", "lower"),
        Metric("transaction_p99_ns", "ns", "lower"),
        Metric("lookups_per_second", "1/s", "higher"),
    ),
    work=_work,
    parse=parse,
    program=_PYTHON,
    packages=("python3",),
    files={_JOB: _SOURCE.read_text("utf-8")},
    needs_volume=True,
)
