"""The environment: host facts, limits, versions and digests, as plain tables."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from reports import text
from reports.view.model import Table
from reports.view.stopping import design, stopping_tables
from results.records.records import Run, arm_name

MAX_ROWS = 400
MAX_DEPTH = 5
CELL_LIMIT = 300


def environment(run: Run) -> tuple[Table, ...]:
    """Run, host, limits, arms and packages."""
    head = ("Fact", "Value")
    return (
        Table("Run", head, _run_rows(run)),
        *stopping_tables(run),
        Table("Host", head, _rows(run.host)),
        Table("Limits, the same in every arm", head, _rows(run.limits)),
        Table("Arms", ("Arm", "Fact", "Value"), _arm_rows(run)),
        Table("Debian packages in the root filesystem", ("Package", "Version"), _packages(run)),
    )


def command(run: Run) -> str:
    """The command line that reproduces the run, ready to paste."""
    return text.clean(shlex.join(run.command), 2000)


def machine(run: Run) -> str:
    """The machine in a few words: CPU model, CPUs, memory, kernel, as far as they are known."""
    cpu = run.host.get("cpu")
    facts = (
        {**run.host, **{f"cpu_{k}": v for k, v in cpu.items()}}
        if isinstance(cpu, dict)
        else {**run.host, "cpu_model": cpu}
    )
    model = _first(facts, "cpu_model")
    count = _first(facts, "cpu_online", "cpu_threads", "cpu_count")
    memory = _first(facts, "memory_bytes")
    kernel = _first(facts, "kernel")
    parts = [
        text.name(str(model), 60) if isinstance(model, str) and model else "",
        f"{count} CPUs" if isinstance(count, int) else "",
        text.quantity(memory, "B") if isinstance(memory, int) else "",
        f"Linux {text.name(kernel, 40)}" if isinstance(kernel, str) and kernel else "",
        "itself virtual" if run.host.get("virtualisation") not in {None, "", "none"} else "",
    ]
    return ", ".join(part for part in parts if part) or "an unnamed machine"


def _first(facts: Mapping[str, object], *names: str) -> object:
    return next((facts[name] for name in names if facts.get(name) is not None), None)


def _run_rows(run: Run) -> tuple[tuple[str, str], ...]:
    facts = {
        "run": run.run_id,
        "begun": run.created_utc,
        "finished": run.finished_utc or "not finished",
        "tarebench": run.tarebench,
        "suite": run.suite,
        **dict(design(run)),
        **_in_slices(run),
        "seed": str(run.seed),
        "root filesystem": run.rootfs_digest,
        "source": run.source,
    }
    return tuple((name, text.clean(value, CELL_LIMIT)) for name, value in facts.items())


def _in_slices(run: Run) -> dict[str, str]:
    """Which workloads took turns, where any did."""
    names = [each.name for each in run.workloads if each.design == "slices"]
    return {"in slices, boxes of a block in turns": ", ".join(names)} if names else {}


def _rows(facts: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    rows = [
        (text.clean(name, 100), text.clean(value, CELL_LIMIT)) for name, value in _flat("", facts)
    ]
    return tuple(rows[:MAX_ROWS])


def _flat(prefix: str, value: object, depth: int = 0) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping) and value and depth < MAX_DEPTH:
        for name, inner in value.items():
            yield from _flat(f"{prefix}: {name}" if prefix else str(name), inner, depth + 1)
        return
    yield prefix, _fact(prefix, value)


def _fact(name: str, value: object) -> str:
    if value is None or value == "":
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        sized = name.endswith("_bytes") and value >= 1024
        return f"{value} ({text.quantity(value, 'B')})" if sized else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(str(item)[:CELL_LIMIT] for item in value[:64]) or "none"
    return str(value)


def _arm_rows(run: Run) -> tuple[tuple[str, str, str], ...]:
    rows: list[tuple[str, str, str]] = []
    for arm in run.arms:
        label = text.name(arm_name(arm.backend, arm.profile))
        facts = {
            "conditions": ", ".join(arm.conditions) or "none",
            **{f"version: {name}": value for name, value in arm.versions.items()},
            **{f"made from: {name}": value for name, value in arm.bits.items()},
        }
        if arm.daemon_pss_bytes is not None:
            facts["daemons (PSS)"] = text.quantity(arm.daemon_pss_bytes, "B")
        rows += [(label, text.clean(k, 100), text.clean(v, CELL_LIMIT)) for k, v in facts.items()]
    return tuple(rows[:MAX_ROWS])


def _packages(run: Run) -> tuple[tuple[str, str], ...]:
    return tuple(
        (text.clean(name, 100), text.clean(version, 100))
        for name, version in sorted(run.packages.items())[:2000]
    )
