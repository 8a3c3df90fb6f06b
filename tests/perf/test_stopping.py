"""What looking repeatedly saves, and that it fools nobody: simulations, not timings."""

from __future__ import annotations

import statistics

import numpy as np

from results.ledger.claims.rules import Rule
from results.ledger.findings import Verdict
from results.ledger.judge.decide import decide
from results.ledger.judge.floors import AaFloor
from results.stats.sequential import SequentialPlan, plan
from tests.perf.conftest import Recorder
from tests.support.coverage import FAMILIES as DRAWS
from tests.support.coverage import MARGIN
from tests.support.stopping import MAXIMUM, SCENARIOS, look_errors, looks, stopping_table

REPLICATIONS = 300
ERROR_REPLICATIONS = 1000
FAMILIES = "normal", "lognormal", "bimodal", "heavy-tailed"
UNEQUAL = "unequal spread"
SIZES = 10, 20, MAXIMUM
SETTLED: tuple[Verdict, ...] = ("supported", "refuted")


def test_stopping_trials(entry: Recorder) -> None:
    """A set of claims from "the same" to "ten times", each judged both ways on the same data."""
    rows = stopping_table(REPLICATIONS)
    right = [(row.right_sequential, row.right_fixed) for row in rows]
    assert all(ours >= theirs - 0.05 for ours, theirs in right), "not the same verdicts"
    entry.figure(
        statistics.fmean(row.cost for row in rows),
        "of fixed-n",
        at_most=0.60,
        target="at most 60 % of the trials of a fixed-n design for the same verdicts",
        beside={
            **{f"ratio {ratio:g}": row.cost for ratio, row in zip(SCENARIOS, rows, strict=True)},
            "right": statistics.fmean(ours for ours, _ in right),
            "right, fixed": statistics.fmean(theirs for _, theirs in right),
        },
    )


def test_stopping_false_positives(entry: Recorder) -> None:
    """Over all looks together: the worst of four families, each pooled over three maxima.

    A pooled rate has a standard error of 0.4 points, a single one of 0.7: of a dozen such the
    worst shows a point more than is true.  Beside it stands a pair whose true ratio is not quite
    1 as ranks see it (docs/statistics.md).
    """
    errors = {
        family: [look_errors(family, ERROR_REPLICATIONS, maximum=size) for size in SIZES]
        for family in (*FAMILIES, UNEQUAL)
    }
    different = {
        family: statistics.fmean(each.false_different for each in found)
        for family, found in errors.items()
    }
    equivalent = {
        family: statistics.fmean(each.false_equivalent for each in found)
        for family, found in errors.items()
    }
    single = [each.false_different for family in FAMILIES for each in errors[family]]
    entry.figure(
        max(*(different[family] for family in FAMILIES), *equivalent.values()),
        "of runs",
        at_most=0.05,
        target=f"at most 5 % false verdicts over all looks, at 1 and at 1 − {MARGIN:g}",
        beside={
            **{f"{family}, different": rate for family, rate in different.items()},
            **{f"{family}, equivalent": rate for family, rate in equivalent.items()},
            "worst single, different": max(single),
        },
    )


def test_stopping_claim_errors(entry: Recorder) -> None:
    """The ledger's own rule at the worst place there is: the truth sits on the claim's limit.

    There "supported" and "refuted" are both wrong, and each may come with 5 % over all looks.
    """
    found: dict[str, list[Verdict]] = {
        family: _claims_at_the_limit(family, ERROR_REPLICATIONS, plan(MAXIMUM))
        for family in ("normal", "bimodal", "heavy-tailed")
    }
    rates = {
        f"{family}, {verdict}": verdicts.count(verdict) / len(verdicts)
        for family, verdicts in found.items()
        for verdict in SETTLED
    }
    pooled = [
        statistics.fmean(rate for name, rate in rates.items() if name.endswith(verdict))
        for verdict in SETTLED
    ]
    entry.figure(
        max(pooled),
        "of runs",
        at_most=0.05,
        target="at most 5 % of claims settled wrongly on either side, over all looks",
        beside=rates,
    )


def _claims_at_the_limit(family: str, replications: int, schedule: SequentialPlan) -> list[Verdict]:
    rule, quiet = Rule("loss-at-most", MARGIN), AaFloor(1e-4, schedule.maximum, "")
    rng = np.random.default_rng(MAXIMUM)
    first, second = DRAWS[family]
    verdicts: list[Verdict] = []
    for _ in range(replications):
        x, y = first(rng, schedule.maximum), (1.0 - MARGIN) * second(rng, schedule.maximum)
        verdict: Verdict = "inconclusive"
        for _, compared in looks(x, y, schedule):
            verdict = decide(compared, rule, "higher", quiet, needs_floor=True).verdict
            if verdict in SETTLED:
                break
        verdicts.append(verdict)
    return verdicts
