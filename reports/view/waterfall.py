"""Where the cost comes from: the waterfall's section, its charts' rows and its table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports import text
from reports.view.model import ArmView, Tone
from reports.view.waterfall_lead import floor, lead
from reports.view.waterfall_rows import READINGS, Fall, fall_of
from results.records.records import Run
from results.waterfall import CONFIDENCE, Finding, Waterfall, waterfalls

TONES: Mapping[Finding, Tone] = {
    "first": "plain",
    "costs": "cost",
    "saves": "gain",
    "unclear": "same",
    "few": "none",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the table."""

    figure: str
    remark: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class FallTableRow:
    """One rung of the table."""

    label: str
    adds: str
    arm: str
    tier: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class WaterfallView:
    """The whole section."""

    lead: str
    floor: str
    """What this machine can show, in a sentence."""
    starts: tuple[Fall, ...]
    """Time, the main one first."""
    ratios: tuple[Fall, ...]
    head: tuple[str, ...]
    table: tuple[FallTableRow, ...]
    confidence: float = CONFIDENCE


def waterfall_view(
    run: Run, samples: pd.DataFrame, arms: Mapping[str, ArmView]
) -> WaterfallView | None:
    """The section; None where the run has no waterfall.

    Args:
        run: run.json.
        samples: as ``results.frame.load`` gives them.
        arms: those that the rest of the report shows.
    """
    found = waterfalls(run, samples)
    if not found:
        return None
    starts = sorted(
        (one for one in found if one.kind == "difference"),
        key=lambda one: (one.workload != "startup.idle", not one.primary),
    )
    ratios = [one for one in found if one.kind == "ratio"]
    falls = tuple(fall_of(one, arms) for one in starts)
    others = tuple(fall_of(one, arms) for one in ratios)
    head, table = _table(starts, ratios, falls, others)
    return WaterfallView(
        lead=lead(falls[0]) if falls else "",
        floor=floor(falls[0]) if falls else "",
        starts=falls,
        ratios=others,
        head=head,
        table=table,
    )


def stepping(run: Run) -> frozenset[tuple[str, str]]:
    """(backend, profile) of the waterfall's own steps: shown in its section and nowhere else."""
    return frozenset((arm.backend, arm.profile) for arm in run.arms if arm.step is not None)


def _table(
    starts: Sequence[Waterfall],
    ratios: Sequence[Waterfall],
    falls: Sequence[Fall],
    others: Sequence[Fall],
) -> tuple[tuple[str, ...], tuple[FallTableRow, ...]]:
    """One row per rung, one column per metric; two for the main one."""
    head = [*_heads(falls), *(f"{fall.short}, step" for fall in others)]
    order: dict[str, tuple[str, str, bool]] = {}
    for one in (*starts, *ratios):
        for step in one.steps:
            rung = step.rung
            mechanism = text.name(rung.mechanism, 30)
            order.setdefault(rung.arm, (mechanism, text.sentence(rung.adds), rung.tier))
    ranked = [step.rung.arm for step in max((*starts, *ratios), key=lambda w: len(w.steps)).steps]
    ranked += [arm for arm in order if arm not in ranked]
    rows = tuple(
        FallTableRow(
            label=order[arm][0],
            adds=order[arm][1],
            arm=text.name(arm, 32),
            tier=order[arm][2],
            cells=tuple(_cells(arm, falls, others)),
        )
        for arm in ranked
    )
    return tuple(head), rows


def _heads(falls: Sequence[Fall]) -> Iterator[str]:
    for index, fall in enumerate(falls):
        if not index:
            yield "First byte, so far"
            yield "First byte, step"
        else:
            yield f"{fall.title}, step"


def _cells(arm: str, falls: Sequence[Fall], others: Sequence[Fall]) -> Iterator[Cell]:
    shown = text.name(arm, 32)
    for index, fall in enumerate((*falls, *others)):
        row = next((row for row in fall.rows if row.arm == shown), None)
        if not index:
            yield Cell(text.quantity(row.median, fall.unit) if row else text.NOTHING, "", "plain")
        if row is None or row.change is None:
            remark = READINGS[row.finding] if row else "not part of it"
            yield Cell(text.NOTHING, remark, "plain")
            continue
        remark = row.ends or READINGS[row.finding]
        unclear = f"{remark}: {READINGS['unclear']}" if row.finding == "unclear" else remark
        yield Cell(row.figure, unclear, TONES[row.finding])
