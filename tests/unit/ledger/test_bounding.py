"""An emulated guest says nothing of speed, and bounds what it takes of memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import pytest
from support.frames import AGAIN, NATIVE, claim, frame, ledger, rows, times

from reports.charts import forest_charts
from reports.view.ledger import ledger_view
from results.gating.validity import bounding
from results.ledger.claims.rules import Rule, RuleKind
from results.ledger.claims.schema import Part
from results.ledger.findings import ClaimVerdict
from results.ledger.judge.judge import judge
from results.records.records import GateFinding
from tests.unit.ledger.test_looks import trial

MEMORY = {"workload": "footprint.idle", "unit": "B", "direction": "lower"}
MARK = "emulated; at-least"


def part(
    kind: RuleKind = "ratio-at-least",
    value: float = 10.0,
    *,
    baseline: str = "containers",
    candidates: tuple[str, ...] = ("vms",),
    bound_by: str = "guest",
) -> Part:
    rule = Rule(kind, value)
    return Part(
        "idle memory", "footprint.idle", "pss", rule, baseline, candidates, bound_by=bound_by
    )


def samples(
    guest: Sequence[float], *, marks: str = MARK, unit: str = "B", whole: Sequence[float] = NATIVE
) -> pd.DataFrame:
    """Docker measured as it is, a VM emulated: all its memory, and its guest's own."""
    out = dict.fromkeys(range(len(guest)), "emulated")
    own = dict.fromkeys(range(len(guest)), marks)
    groups = [
        rows(arm, values, metric="pss", **MEMORY)  # type: ignore[arg-type]  # words
        for arm, values in (("native", NATIVE), ("native:aa", AGAIN), ("docker", NATIVE))
    ]
    emulated = rows("kvm", whole[: len(guest)], metric="pss", invalid=out, **MEMORY)  # type: ignore[arg-type]
    bound = rows("kvm", guest, metric="guest", invalid=own, **(MEMORY | {"unit": unit}))  # type: ignore[arg-type]
    return frame(*groups, emulated, bound)


def verdict_of(one: Part, data: pd.DataFrame) -> ClaimVerdict:
    return judge(ledger(claim(one)), data).verdicts[0]


def test_a_lower_bound_beyond_the_factor_supports_and_is_marked() -> None:
    found = verdict_of(part(), samples(times(31.0)))
    assert found.verdict == "supported"
    assert found.headline == "supported, by a bound"
    assert found.parts[0].bounded
    assert found.findings[0].bound == "at-least"
    said = found.sentence.replace("\N{NO-BREAK SPACE}", " ")
    assert "3.03 KiB or more beside 100 B of docker: at least 31 times as much" in said
    assert "a bound, for kvm was emulated" in said
    assert any("nothing rests on its speed" in each for each in found.findings[0].warnings)


def test_a_lower_bound_short_of_the_factor_decides_nothing() -> None:
    """Not refuted: the real VM may take more.  Not open: more trials of it would not help."""
    found = verdict_of(part(), samples(times(4.0)))
    assert found.verdict == "not evaluable"
    assert "it does not reach the limit" in found.sentence
    assert found.more is None


@pytest.mark.parametrize(
    ("kind", "value", "factor", "expected"),
    [
        ("ratio-at-most", 3.0, 31.0, "refuted"),
        ("ratio-at-most", 3.0, 2.0, "not evaluable"),
        ("loss-at-most", 0.05, 1.5, "refuted"),
        ("loss-at-most", 0.05, 0.5, "not evaluable"),
        ("superiority", 0.02, 1.5, "supported"),
        ("superiority", 0.02, 1.0, "not evaluable"),
        ("equivalence", 0.02, 1.5, "refuted"),
        ("equivalence", 0.02, 1.0, "not evaluable"),
    ],
)
def test_a_bound_decides_on_its_safe_side_only(
    kind: RuleKind, value: float, factor: float, expected: str
) -> None:
    assert verdict_of(part(kind, value), samples(times(factor))).verdict == expected


def test_a_bound_of_the_baseline_bounds_the_ratio_from_above() -> None:
    data = samples(times(31.0))
    small = verdict_of(part("ratio-at-most", 0.1, baseline="vms", candidates=("docker",)), data)
    assert (small.verdict, small.findings[0].bound) == ("supported", "at-most")
    large = verdict_of(part("ratio-at-least", 0.5, baseline="vms", candidates=("docker",)), data)
    assert large.verdict == "refuted"


def test_two_bounds_say_nothing_of_their_ratio() -> None:
    data = samples(times(31.0))
    twin = data[data["arm"] == "kvm"].assign(arm="kvm:micro", profile="micro")
    both = pd.concat([data.astype({"arm": "object"}), twin.astype({"arm": "object"})])
    one = part(baseline="kvm", candidates=("kvm:micro",))
    assert verdict_of(one, both).verdict == "not evaluable"


@pytest.mark.parametrize("marks", ["emulated", "simulated; emulated; at-least", "at-least"])
def test_what_is_not_marked_or_worse_than_emulated_bounds_nothing(marks: str) -> None:
    assert verdict_of(part(), samples(times(31.0), marks=marks)).verdict == "not evaluable"


def test_a_bound_in_another_unit_bounds_nothing() -> None:
    assert verdict_of(part(), samples(times(31.0), unit="KiB")).verdict == "not evaluable"


def test_a_part_that_names_no_bound_is_not_judged_by_one() -> None:
    found = verdict_of(part(bound_by=""), samples(times(31.0)))
    assert found.verdict == "not evaluable"
    assert "says nothing of real VMs" in found.sentence


def test_one_emulated_trial_is_too_few_and_says_how_many_more() -> None:
    found = verdict_of(part(), samples(times(31.0)[:1]))
    assert (found.verdict, found.more) == ("inconclusive", 4)
    assert "at least 31" in found.sentence
    assert "so far" in found.sentence


def test_the_report_draws_a_bound_open_on_its_far_side() -> None:
    made = ledger(claim(part()))
    view = ledger_view(made, judge(made, samples(times(31.0))), {})
    (row,) = view.cards[0].forests[0].rows
    assert row.figure.startswith("≥ ")
    assert row.ends is not None
    assert row.ends[1] == math.inf
    assert "a bound, 95 % certain" in row.tip
    (chart,) = forest_charts(view.cards[0].forests)["c"]
    assert "inf" not in chart.wide.lower().replace("info", "")
    evidence = view.cards[0].evidence
    assert evidence is not None
    assert "at least" in evidence.comparisons.rows[0][4]


@pytest.mark.parametrize(
    ("codes", "kept"),
    [(("emulated",), True), (("emulated", "swap"), False), (("swap",), False)],
)
def test_a_bound_of_a_trial_that_something_else_made_invalid_is_none(
    codes: tuple[str, ...], kept: bool
) -> None:
    findings = tuple(GateFinding(code, "invalid", "so") for code in codes)
    cautioned = (*findings, GateFinding("nested", "caution", "so"))
    of = replace(trial("footprint.idle-b001-kvm"), status="invalid", findings=cautioned)
    reasons = (*codes, "nested", "at-least")
    kept_reasons = tuple(each for each in reasons if kept or each != "at-least")
    assert bounding(reasons, of) == kept_reasons
