"""``invoke compare``: what changed, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from reports import text
from results.comparison.model import Change, Comparisons, Side, Verdict
from results.comparison.runs import compare_runs

LOOKS: Mapping[Verdict, tuple[str, str]] = {
    "better": ("▲", "green"),
    "worse": ("▼", "red"),
    "no change": ("=", "dim"),
    "inconclusive": ("?", "yellow"),
}
LEFT_OUT_SHOWN = 12
WHERE_SHOWN = 3
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Shown:
    """What the command shows, for people and for programs."""

    lines: tuple[RenderableType, ...]
    document: dict[str, Any]
    regressions: tuple[str, ...]
    """A line for each."""
    damage: tuple[str, ...] = ()
    """What is damaged in the runs' files and was left out."""


def look(root: Path, selections: tuple[str, str], margin: float, only: str) -> Shown:
    """Compare two selections of runs below ``root``.

    Raises:
        StoreError, SelectionFault: as ``results.comparison.runs``.
    """
    a, b, found = compare_runs(*selections, root, margin=margin, only=only)
    worse = tuple(regression(change) for change in found.regressions)
    damage = _damage(a, b)
    plain = {**document(a, b, found), "damage": list(damage)}
    return Shown(tuple(view(a, b, found)), plain, worse, damage)


def _damage(*sides: Side) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(f"{side.run.run_id}: {line}" for side in sides for line in side.damage)
    )


def view(a: Side, b: Side, found: Comparisons) -> list[RenderableType]:
    """The comparison as a table, with what to bear in mind below it."""
    title = Text(f"B {_named(b)} against A {_named(a)}")
    table = Table(title=title, title_justify="left")
    two_arms = any(change.arm_a != change.arm_b for change in found.changes)
    table.add_column("what", overflow="fold", ratio=1)
    if not two_arms:
        table.add_column("arm", overflow="fold")
    table.add_column("A → B", justify="right", no_wrap=True)
    table.add_column("change, 95 % interval", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for change in found.changes:
        table.add_row(*_cells(change, two_arms=two_arms))
    return [table, *_below(found)]


def _named(side: Side) -> str:
    return text.name(f"{side.run.run_id}{':' if side.arm else ''}{side.arm}", 100)


def _cells(change: Change, *, two_arms: bool) -> list[Text]:
    what = text.name(change.workload, 40)
    metric = text.name(change.metric, 40)
    compared = change.comparison
    size = Text(_change(compared.ratio))
    if compared.low is not None and compared.high is not None:
        size.append(f"\n{_change(compared.low)} … {_change(compared.high)}", style="dim")
    icon, style = LOOKS[change.verdict]
    verdict = Text(f"{icon} {change.verdict}", style=style)
    if change.verdict == "no change":
        verdict.append(f"\nwithin ±{100 * compared.margin:.2g} %", style="dim")
    arm = [] if two_arms else [Text(text.name(change.arm_b, 32))]
    before, after = (text.quantity(v, change.unit) for v in (change.median_a, change.median_b))
    return [
        Text.assemble(what, "\n", (metric, "dim")),
        *arm,
        Text(f"{before}\n→ {after}"),
        size,
        verdict,
    ]


def _change(ratio: float) -> str:
    """``+3.2 %``, or ``2.4×`` where a percentage would mislead."""
    if not 0.5 < ratio < 2:
        return text.times(ratio)
    return f"{100 * (ratio - 1):+z.2f} %".replace("-", "\N{MINUS SIGN}")


def _below(found: Comparisons) -> list[RenderableType]:
    count, worse = len(found.changes), len(found.regressions)
    better = sum(change.verdict == "better" for change in found.changes)
    pairing = "paired by block" if found.paired else "not paired"
    lines: list[RenderableType] = [
        Text(
            f"{count} comparison{'s' if count != 1 else ''}, {pairing}: {worse} worse, "
            f"{better} better. The chance of even one false “worse” or “better” among them is at "
            "most 5 % (Holm)."
        ),
        Text(
            f"“no change”: within ±{100 * found.margin:g} %, or within what native shows against "
            "itself where that is more."
        ),
    ]
    lines += [
        Text(f"? inconclusive: {text.clean(why, 200)}: {', '.join(where)}", style="yellow")
        for why, where in _undecided(found).items()
    ]
    lines += [
        Text(f"! {text.sentence(caution, 400)}", style="yellow") for caution in found.cautions
    ]
    lines += [
        Text(f"– left out: {text.clean(each, 300)}", style="dim")
        for each in found.left_out[:LEFT_OUT_SHOWN]
    ]
    if len(found.left_out) > LEFT_OUT_SHOWN:
        lines.append(Text(f"– and {len(found.left_out) - LEFT_OUT_SHOWN} more", style="dim"))
    return lines


def _undecided(found: Comparisons) -> dict[str, list[str]]:
    """Why → where, at most a few of each."""
    grouped: dict[str, list[str]] = {}
    for change in found.changes:
        if change.why:
            where = f"{change.workload} {change.metric} in {change.arm_b}"
            grouped.setdefault(change.why, []).append(text.name(where, 100))
    return {
        why: where[:WHERE_SHOWN] + [f"{len(where) - WHERE_SHOWN} more"] * (len(where) > WHERE_SHOWN)
        for why, where in grouped.items()
    }


def document(a: Side, b: Side, found: Comparisons) -> dict[str, Any]:
    """The same for programs: plain JSON, no NaN in it."""
    return {
        "schema": SCHEMA,
        "a": {"run_id": a.run.run_id, "arm": a.arm or None},
        "b": {"run_id": b.run.run_id, "arm": b.arm or None},
        "paired": found.paired,
        "margin": found.margin,
        "comparisons": len(found.changes),
        "control": "Holm, 5 % for all comparisons together",
        "changes": [_plain(change) for change in found.changes],
        "regressions": [regression(change) for change in found.regressions],
        "cautions": list(found.cautions),
        "left_out": list(found.left_out),
    }


def _plain(change: Change) -> dict[str, Any]:
    compared = change.comparison
    return {
        "workload": change.workload,
        "metric": change.metric,
        "unit": change.unit,
        "direction": change.direction,
        "arm_a": change.arm_a,
        "arm_b": change.arm_b,
        "median_a": change.median_a,
        "median_b": change.median_b,
        "ratio": compared.ratio,
        "low": compared.low,
        "high": compared.high,
        "n_a": compared.n_baseline,
        "n_b": compared.n_candidate,
        "margin": compared.margin,
        "floor": change.floor,
        "verdict": change.verdict,
        "why": change.why or None,
        "method": compared.method,
        "warnings": list(compared.warnings),
    }


def regression(change: Change) -> str:
    """A regression in a line: what, where, by how much."""
    name = text.clean(f"{change.workload} {change.metric} in {change.arm_b}", 200)
    return f"{name}: {_change(change.comparison.ratio)}"
