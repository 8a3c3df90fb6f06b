"""What was published elsewhere, a few rows per resource: context beside the user's own result."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reports import text
from reports.view.model import Table

PATH = Path(__file__).parent.parent / "published.csv"


@dataclass(frozen=True, slots=True)
class Pick:
    """A row worth a reader's time: resource, and how its workload and metric begin."""

    resource: str
    workload: str
    metric: str


PICKS = (
    Pick("cpu", "Linpack N=45000 two sockets", "throughput mean (published"),
    Pick("cpu", "Y-cruncher multi-core", "efficiency"),
    Pick("memory", "STREAM Triad two sockets", "bandwidth"),
    Pick("memory", "RandomAccess two sockets", "throughput mean"),
    Pick("network", "nuttcp TCP client->server", "throughput"),
    Pick("network", "netperf RR, Docker NAT", "latency factor"),
    Pick("network", "netperf TCP_RR", "loss vs native"),
    Pick("startup", "Start-up (300 runs)", "time"),
    Pick("startup", "docker run warm start alpine", "mean"),
    Pick("startup", "VM boot", "time"),
    Pick("startup", "Boot serial 500x, 1 vCPU 256 MB, kernel", "median"),
    Pick("footprint", "memory per container: empty", "usage"),
    Pick("footprint", "VMM memory overhead, 256 MB guest", "overhead"),
    Pick("footprint", "Default overhead with 512Mi pod VM", "memory"),
)

COLUMNS = ("native", "container", "container_net_nat", "vm_default", "vm_tuned", "other")
HEAD = (
    *("Resource", "Workload and metric", "Unit", "Native", "Container", "Container, NAT"),
    *("VM", "VM, tuned", "Others", "Source"),
)


def published(resources: Iterable[str], path: Path = PATH) -> Table:
    """Verified rows for ``resources``; an empty table where the file is not there."""
    wanted = set(resources)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("verified") == "yes"]
    except OSError:
        rows = []
    picked = (
        _row(pick, row)
        for pick in PICKS
        if pick.resource in wanted
        for row in rows
        if row["workload"].startswith(pick.workload) and row["metric"].startswith(pick.metric)
    )
    return Table("Published elsewhere, on other machines", HEAD, tuple(picked))


def _row(pick: Pick, row: Mapping[str, str]) -> tuple[str, ...]:
    figures = (text.clean(row[column] or "", 120) or text.NOTHING for column in COLUMNS)
    what = f"{text.clean(row['workload'], 120)}: {text.clean(row['metric'], 60)}"
    source = text.clean(row["source"], 120)
    dated = source if row["year"] in source else f"{source}, {text.name(row['year'])}"
    return (pick.resource, what, text.name(row["unit"]), *figures, dated)
