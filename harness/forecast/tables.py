"""``bench --plan`` for the terminal: by workload, by arm, and what the times rest on.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from harness.forecast.forecast import Forecast, Kind
from harness.plan.limits import Allotment
from harness.plan.plan import Plan
from harness.plan.schedule import Arm
from harness.progress.progress import duration
from runtimes.linux.cpu_list import format_cpus
from runtimes.resources import Limits
from runtimes.variations import is_cold


def shown(forecast: Forecast) -> list[RenderableType]:
    """Everything there is to say, in order."""
    return [
        escape(_headline(forecast)),
        _by_workload(forecast),
        _by_arm(forecast),
        *(escape(line) for line in _lines(forecast)),
    ]


def _headline(forecast: Forecast) -> str:
    plan = forecast.plan
    most = "at most " if plan.budget_s is not None else ""
    asked = (
        f"{_count(len(plan.arms), 'arm')}, {_count(len(plan.workloads), 'workload')}, "
        f"{most}{_count(plan.blocks, 'block')}"
    )
    return f"Suite {plan.suite}: {asked}. {_limits(plan.allotment)} Nothing is started."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _limits(allotment: Allotment) -> str:
    box = allotment.box
    return (
        f"Each box: CPU {format_cpus(box.cpus)}, {box.cpu_quota:g} CPU of time, "
        f"{box.memory_bytes >> 20} MiB, {box.pids_max} processes, {_disk(box)}."
    )


def _disk(box: Limits) -> str:
    return f"{box.disk_bytes >> 20} MiB of disk" if box.disk_bytes else "no limit of disk"


def _by_workload(forecast: Forecast) -> Table:
    plan = forecast.plan
    table = _table("workload", "blocks", "arms", "trials", "about")
    for workload in plan.workloads:
        its = [kind for kind in forecast.kinds if kind.workload == workload]
        blocks = plan.blocks * plan.rounds.get(workload, 1)
        table.add_row(workload, str(blocks), escape(_arms(its, plan)), *_sums(its))
    table.add_section()
    table.add_row("together", "", "", *_sums(forecast.kinds))
    return table


def _by_arm(forecast: Forecast) -> Table:
    table = _table("arm", "takes part in", "trials", "about")
    for arm in sorted(forecast.plan.arms, key=lambda arm: arm.name):
        its = [kind for kind in forecast.kinds if kind.arm == arm]
        table.add_row(escape(arm.name), escape(_part(arm, forecast)), *_sums(its))
    return table


def _table(*headings: str) -> Table:
    table = Table()
    for heading in headings:
        right = heading in {"blocks", "trials", "about"}
        table.add_column(heading, overflow="fold", justify="right" if right else "left")
    return table


def _sums(kinds: Sequence[Kind]) -> tuple[str, str]:
    seconds = [kind.seconds for kind in kinds if kind.seconds is not None]
    known = seconds and len(seconds) == len(kinds)
    return str(sum(kind.trials for kind in kinds)), duration(sum(seconds)) if known else "–"


def _arms(kinds: Sequence[Kind], plan: Plan) -> str:
    """``all 7``, or whichever list is shorter: those that take part, or those that do not."""
    having = {kind.arm for kind in kinds}
    lacking = [arm for arm in plan.arms if arm not in having]
    if not lacking:
        return f"all {len(having)}" if len(having) > 1 else _named(having)
    if len(lacking) < len(having):
        return f"{len(having)}: all but {_named(lacking)}"
    return f"{len(having)}: {_named(sorted(having))}" if having else "none"


def _named(arms: Iterable[Arm]) -> str:
    return ", ".join(arm.name for arm in arms)


def _part(arm: Arm, forecast: Forecast) -> str:
    plan = forecast.plan
    reasons = Counter(why for (_, other), why in forecast.misfits.items() if other == arm)
    missing = sum(reasons.values())
    part = "all workloads"
    if missing:
        part = f"{len(plan.workloads) - missing} of {len(plan.workloads)} workloads: "
        part += "; ".join(reasons)
    if arm in forecast.never_valid:
        part += f"; {_first_blocks(plan)}: no sample of it can count on this host"
    return part


def _first_blocks(plan: Plan) -> str:
    one = plan.emulated_blocks == 1
    return "the first block only" if one else f"the first {plan.emulated_blocks} blocks only"


def _lines(forecast: Forecast) -> list[str]:
    plan = forecast.plan
    lines = [
        f"left out: {each.backend}: {each.reason}" + (f" → {each.fix}" if each.fix else "")
        for each in plan.skipped
    ]
    if forecast.unknown and plan.emulated_blocks < plan.blocks:
        lines.append(
            f"Not met on this host before: {_named(sorted(forecast.unknown))}. An arm that turns "
            f"out to be emulated takes part in {_first_blocks(plan)}."
        )
    if plan.sliced:
        lines.append(
            "In slices, all boxes of a block up at once, as far as their memory suffices: "
            f"{', '.join(sorted(plan.sliced))}."
        )
    if forecast.done:
        lines.append(f"Recorded already, and not repeated: {_count(forecast.done, 'trial')}.")
    return [*lines, *_time(forecast)]


def _time(forecast: Forecast) -> list[str]:
    plan = forecast.plan
    if plan.budget_s is not None:
        return [
            (
                f"Ends when every claim is settled, at the latest after {duration(plan.budget_s)} "
                "of trials and looks; preparing and the report come on top."
            )
        ]
    if not forecast.runs:
        return [
            (
                "How long it takes is not known: no run of this size on this host is among the "
                "results. bench says so as soon as its first trials have ended."
            )
        ]
    count = len(forecast.runs)
    rest = (
        f"The times are estimates, from the trials of {_count(count, 'earlier run')} on this host, "
        f"the latest {forecast.runs[0]}. "
        "Preparing (minutes, where images are not made yet), repeats of disturbed trials and the "
        "report come on top."
    )
    lines = [rest]
    if any(is_cold(arm.profile) for arm in plan.arms):
        lines.append(
            "Beside arms with cold caches the others run once more for nothing first: it may take "
            "up to twice as long."
        )
    guessed = sum(kind.trials for kind in forecast.kinds if not kind.timed)
    if guessed:
        lines.append(
            f"Kinds of trial that were never timed here ({guessed} of them) are guessed from other "
            "work in the same arm, else from the same work in other arms."
        )
    return lines
