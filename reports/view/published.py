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

HEAD = ("Resource", "What was measured", "Native", "Container", "VM", "Others", "Source")


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
    metric = row["metric"].split(" (")[0]
    source = text.clean(row["source"], 120)
    return (
        pick.resource,
        f"{text.clean(row['workload'], 120)}: {text.clean(metric, 60)}, {text.name(row['unit'])}",
        _figure(row["native"]),
        _joined(("", row["container"]), ("with NAT ", row["container_net_nat"])),
        _joined(("", row["vm_default"]), ("tuned ", row["vm_tuned"])),
        _figure(row["other"].replace("=", " ").replace("_", " ")),
        source if row["year"] in source else f"{source}, {text.name(row['year'])}",
    )


def _joined(*parts: tuple[str, str]) -> str:
    return "; ".join(f"{word}{_figure(value)}" for word, value in parts if value) or text.NOTHING


def _figure(value: str) -> str:
    return text.clean(value.strip(), 120) or text.NOTHING
