"""From two selections on disk to what changed between them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from results.comparison.changes import compare_sides
from results.comparison.differences import differences
from results.comparison.model import MARGIN, Comparisons, Side
from results.comparison.pairs import names
from results.frame import load
from results.ledger.judge.evidence import gather
from results.records.records import arm_name
from results.store.selection import Selection, SelectionFault, select

NAMES_SHOWN = 20


def compare_runs(
    a: str, b: str, root: Path, *, margin: float = MARGIN, only: str = ""
) -> tuple[Side, Side, Comparisons]:
    """Compare what ``b`` selects with what ``a`` selects.

    Raises:
        SelectionFault: they are not there, are the same, or have nothing in common.
        StoreError: a run's files are damaged.
    """
    if not 0.0 < margin < 1.0:
        raise SelectionFault(f"--margin {margin:g} is outside (0, 1)", "a share: 0.02 is 2 %")
    chosen = [select(each, root) for each in (a, b)]
    same = chosen[0].directory.run().run_id == chosen[1].directory.run().run_id
    if same and (chosen[0].arm or chosen[1].arm) == (chosen[1].arm or chosen[0].arm):
        arms = [arm_name(arm.backend, arm.profile) for arm in chosen[0].directory.run().arms]
        raise SelectionFault(
            "A and B are the same", f"name two runs, or two arms: RUN:ARM with {', '.join(arms)}"
        )
    _check_arms(chosen[0], chosen[1])
    first = _side(chosen[0])
    second = replace(first, arm=chosen[1].arm) if same else _side(chosen[1])
    _check_only(first, second, only)
    found = compare_sides(first, second, margin=margin, only=only)
    if not found.changes:
        raise SelectionFault(
            "A and B have nothing in common that can be compared",
            "; ".join(found.left_out[:NAMES_SHOWN]),
        )
    sides = {side.run.run_id: side for side in (first, second)}
    unchecked = [f"{name}: {side.caution}" for name, side in sides.items() if side.caution]
    said = (*differences(first.run, second.run), *unchecked, *found.cautions)
    return first, second, replace(found, cautions=said)


def _side(selection: Selection) -> Side:
    run = selection.directory.run()
    evidence = gather(load(selection.directory), run)
    there = selection.directory.contents()
    return Side(run, evidence, selection.arm, there.told(), there.caution)


def _check_arms(a: Selection, b: Selection) -> None:
    """An arm that only one side names is the other's too."""
    for mine, other in ((a, b), (b, a)):
        arms = [arm_name(arm.backend, arm.profile) for arm in other.directory.run().arms]
        if mine.arm and not other.arm and mine.arm not in arms:
            raise SelectionFault(
                f"run {other.directory.path.name} has no arm {mine.arm!r:.60}",
                f"its arms: {', '.join(arms)}; another one: RUN:ARM",
            )


def _check_only(a: Side, b: Side, only: str) -> None:
    known = dict.fromkeys([*names(a), *names(b)])
    resources = {workload.resource for side in (a, b) for workload in side.run.workloads}
    valid = {part for name in known for part in (name, *name.split("/", 1))} | resources
    unknown = [each.strip() for each in only.split(",") if each.strip() not in {"", *valid}]
    if unknown:
        raise SelectionFault(
            f"--only: nothing is called {unknown[0]!r:.80}",
            f"valid: {', '.join(list(known)[:NAMES_SHOWN])}, a workload, a metric or a resource",
        )
