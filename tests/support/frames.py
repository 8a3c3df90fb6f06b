"""Small frames with values written by hand, in the columns of ``results.frame``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from results.frame import COLUMNS
from results.ledger.claims.rules import Rule, RuleKind
from results.ledger.claims.schema import Claim, Combine, Ledger, Part

Trials = Sequence[float | Sequence[float]]
"""One value, or one list of iterations, per block."""

NATIVE = (100.0, 101.0, 99.5, 100.4, 99.8, 100.2, 100.9, 99.3, 100.1, 100.6, 99.9, 100.3)
AGAIN = (100.2, 100.8, 99.7, 100.1, 100.0, 100.3, 100.7, 99.4, 100.2, 100.4, 99.8, 100.5)


def times(factor: float, values: Sequence[float] = NATIVE) -> list[float]:
    """The same trials, each ``factor`` as large, with a little noise of their own."""
    return [value * factor * (1.0 + 0.0003 * (-1) ** place) for place, value in enumerate(values)]


def rows(
    arm: str,
    trials: Trials,
    *,
    workload: str = "cpu.work",
    metric: str = "rate",
    unit: str = "1/s",
    direction: str = "higher",
    invalid: Mapping[int, str] | None = None,
    reasons: str = "",
) -> list[dict[str, object]]:
    """Rows of one arm: a trial per block; ``invalid`` has blocks with their reason."""
    backend, _, profile = arm.partition(":")
    out = invalid or {}
    return [
        {
            "run_id": "20261124T000000Z-000000",
            "block": block,
            "trial_id": f"{workload}-b{block:03d}-{arm}",
            "attempt": 1,
            "backend": backend,
            "profile": profile or "default",
            "arm": arm,
            "workload": workload,
            "resource": workload.partition(".")[0],
            "metric": metric,
            "unit": unit,
            "direction": direction,
            "iteration": iteration,
            "value": float(value),
            "valid": block not in out,
            "reasons": out.get(block, reasons),
        }
        for block, trial in enumerate(trials)
        for iteration, value in enumerate(trial if isinstance(trial, Sequence) else [trial])
    ]


def frame(*groups: list[dict[str, object]]) -> pd.DataFrame:
    """All rows as the tidy frame."""
    made = pd.DataFrame([row for group in groups for row in group], columns=list(COLUMNS))
    texts = [name for name in COLUMNS if made[name].dtype == object or name in ("arm", "reasons")]
    typed = made.astype(dict.fromkeys(texts, "category"))
    return typed.astype({"valid": "bool", "value": "float64", "block": "int64"})


def part(
    kind: RuleKind = "equivalence",
    value: float = 0.02,
    *,
    name: str = "work",
    workload: str = "cpu.work",
    metric: str = "rate",
    baseline: str = "native",
    candidates: tuple[str, ...] = ("ns",),
    awaits: str = "",
) -> Part:
    """A part of a claim."""
    return Part(name, workload, metric, Rule(kind, value), baseline, candidates, awaits)


def claim(*parts: Part, combine: Combine = "every", awaits: str = "", name: str = "c") -> Claim:
    """A claim of these parts."""
    return Claim(
        id=name,
        claim="Boxes are free.",
        source="a test",
        refuted_by="a price",
        parts=parts,
        combine=combine,
        awaits=awaits,
        if_supported="Use boxes.",
        if_refuted="Pay for boxes.",
        origin="a test",
        line=1,
    )


def ledger(*claims: Claim) -> Ledger:
    """A ledger of these claims."""
    return Ledger(claims, "0" * 64)
