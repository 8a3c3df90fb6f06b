"""Every way to a verdict, on frames written by hand."""

from __future__ import annotations

import random
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import synthetic
from support.frames import AGAIN, NATIVE, claim, frame, ledger, part, rows, times

from results.ledger.claims.schema import Claim
from results.ledger.findings import ClaimVerdict
from results.ledger.judge.judge import judge
from results.records.records import ArmRecord, Skipped

BASE = (rows("native", NATIVE), rows("native:aa", AGAIN))


def verdict_of(one: Claim, samples: pd.DataFrame) -> ClaimVerdict:
    """What a frame says of a claim."""
    return judge(ledger(one), samples).verdicts[0]


@pytest.mark.parametrize(
    ("kind", "value", "factor", "expected"),
    [
        ("equivalence", 0.02, 1.0, "supported"),
        ("equivalence", 0.02, 0.9, "refuted"),
        ("equivalence", 0.02, 1.1, "refuted"),
        ("equivalence", 0.02, 0.98, "inconclusive"),
        ("loss-at-most", 0.05, 0.97, "supported"),
        ("loss-at-most", 0.05, 1.5, "supported"),
        ("loss-at-most", 0.05, 0.9, "refuted"),
        ("loss-at-most", 0.05, 0.95, "inconclusive"),
        ("superiority", 0.02, 0.9, "supported"),
        ("superiority", 0.02, 1.0, "refuted"),
        ("superiority", 0.02, 1.3, "refuted"),
        ("superiority", 0.02, 0.98, "inconclusive"),
        ("ratio-at-least", 10.0, 20.0, "supported"),
        ("ratio-at-least", 10.0, 5.0, "refuted"),
        ("ratio-at-least", 10.0, 10.0, "inconclusive"),
        ("ratio-at-most", 3.0, 1.5, "supported"),
        ("ratio-at-most", 3.0, 4.0, "refuted"),
    ],
)
def test_each_rule_decides_on_either_side_of_its_limit_and_nothing_on_it(
    kind: str, value: float, factor: float, expected: str
) -> None:
    one = claim(part(kind, value))  # type: ignore[arg-type]  # from the table above
    found = verdict_of(one, frame(*BASE, rows("ns", times(factor))))
    assert found.verdict == expected
    assert found.sentence
    if expected == "inconclusive":
        assert found.findings[0].why


@pytest.mark.parametrize(("factor", "expected"), [(1.2, "refuted"), (0.8, "supported")])
def test_less_is_better_turns_a_loss_around(factor: float, expected: str) -> None:
    groups = [
        rows(arm, values, unit="ns", direction="lower")
        for arm, values in (("native", NATIVE), ("native:aa", AGAIN), ("ns", times(factor)))
    ]
    found = verdict_of(claim(part("loss-at-most", 0.05)), frame(*groups))
    assert found.verdict == expected
    if expected == "refuted":
        assert "took 20\N{NO-BREAK SPACE}% more than the bare host" in found.sentence


def test_too_few_trials_are_inconclusive_with_how_many_more_at_least() -> None:
    samples = frame(
        rows("native", NATIVE[:3]), rows("native:aa", AGAIN[:3]), rows("ns", times(0.5)[:3])
    )
    found = verdict_of(claim(part()), samples)
    assert (found.verdict, found.more) == ("inconclusive", 2)
    assert "Too few trials" in found.sentence
    assert "50\N{NO-BREAK SPACE}% less" in found.sentence


def test_a_single_trial_is_inconclusive() -> None:
    samples = frame(rows("native", [1.0]), rows("native:aa", [1.0]), rows("ns", [1.0]))
    assert verdict_of(claim(part()), samples).verdict == "inconclusive"


def test_an_open_question_says_how_many_more_blocks_would_settle_it() -> None:
    noisy = [value * (1.0 + 0.03 * (-1) ** place) for place, value in enumerate(NATIVE)]
    found = verdict_of(claim(part("loss-at-most", 0.05)), frame(*BASE, rows("ns", noisy)))
    wide = verdict_of(claim(part("loss-at-most", 0.015)), frame(*BASE, rows("ns", noisy)))
    assert found.verdict == "supported"
    assert wide.verdict == "inconclusive"
    assert wide.more is not None
    assert wide.more > 0
    assert "would settle it" in wide.sentence


def test_constant_data_are_judged_and_warned_of() -> None:
    same = [5.0] * 8
    samples = frame(rows("native", same), rows("native:aa", same), rows("ns", same))
    found = verdict_of(claim(part()), samples)
    assert found.verdict == "supported"
    assert any("identical" in warning for warning in found.findings[0].warnings)


def test_a_margin_finer_than_the_floor_is_inconclusive() -> None:
    swaying = [value * (1.0 + 0.02 * (-1) ** place) for place, value in enumerate(NATIVE)]
    samples = frame(rows("native", NATIVE), rows("native:aa", swaying), rows("ns", times(1.0)))
    found = verdict_of(claim(part("equivalence", 0.01)), samples)
    assert found.verdict == "inconclusive"
    assert "finer than the smallest effect this machine can show" in found.sentence
    assert found.more is not None


def test_a_difference_within_the_floor_is_inconclusive() -> None:
    off = times(1.10)
    samples = frame(rows("native", NATIVE), rows("native:aa", off), rows("ns", times(0.95)))
    found = verdict_of(claim(part("superiority", 0.02)), samples)
    assert found.verdict == "inconclusive"
    assert "is within the smallest effect this machine can show" in found.sentence


def test_no_floor_no_verdict_in_a_run_of_ours() -> None:
    found = verdict_of(claim(part()), frame(rows("native", NATIVE), rows("ns", times(0.5))))
    assert found.verdict == "inconclusive"
    assert "there is no native:aa" in found.sentence


def test_an_imported_run_has_no_floor_and_is_judged_with_a_warning() -> None:
    run = replace(synthetic.make_run(), source="csv", arms=(), workloads=(), skipped=())
    samples = frame(rows("native", NATIVE), rows("ns", times(0.5)))
    found = judge(ledger(claim(part())), samples, run).verdicts[0]
    assert found.verdict == "refuted"
    assert any("not known" in warning for warning in found.findings[0].warnings)


def test_invalid_trials_are_left_out_and_counted() -> None:
    wild = [*times(1.0)[:-2], 1.0, 1.0]
    samples = frame(*BASE, rows("ns", wild, invalid={10: "steal", 11: "steal; swap"}))
    found = verdict_of(claim(part()), samples)
    assert found.verdict == "supported"
    assert found.findings[0].candidate.invalid == {"steal": 1, "steal; swap": 1}
    assert len(found.findings[0].candidate.trials) == 10


def test_a_caution_on_trials_that_count_goes_with_the_verdict() -> None:
    found = verdict_of(claim(part()), frame(*BASE, rows("ns", times(1.0), reasons="nested")))
    assert found.verdict == "supported"
    assert "trials of ns that count carry a caution: nested" in found.findings[0].warnings


def test_of_two_valid_attempts_the_later_counts() -> None:
    again = rows("ns", times(1.0))
    first = [{**row, "value": 1.0} for row in again]
    later = [{**row, "attempt": 2} for row in again]
    found = verdict_of(claim(part()), frame(*BASE, first, later))
    assert found.verdict == "supported"
    assert len(found.findings[0].candidate.trials) == 12


def test_iterations_are_nested_in_trials_and_never_pooled() -> None:
    nested = [[value * 0.99, value * 1.01] for value in times(1.0)]
    found = verdict_of(claim(part()), frame(*BASE, rows("ns", nested)))
    compared = found.findings[0].comparison
    assert compared is not None
    assert compared.n_units == 12
    assert found.findings[0].iterations == 2
    assert found.findings[0].candidate.means[0] == pytest.approx(times(1.0)[0])


@pytest.mark.parametrize("valid", [True, False])
def test_an_emulated_arm_is_never_judged_whatever_its_samples_say(valid: bool) -> None:
    out = {} if valid else dict.fromkeys(range(12), "emulated")
    one = rows("kvm", times(0.1), reasons="caution; emulated", invalid=out)
    found = verdict_of(claim(part("superiority", candidates=("vms",))), frame(*BASE, one))
    assert found.verdict == "not evaluable"
    assert "emulated" in found.sentence


def test_one_emulated_sample_is_enough_and_so_is_the_arms_condition() -> None:
    clean = rows("kvm", times(0.1))
    marked = [{**row, "reasons": "emulated"} if row["block"] == 3 else row for row in clean]
    one = claim(part("superiority", candidates=("kvm",)))
    assert verdict_of(one, frame(*BASE, clean)).verdict == "supported"
    assert verdict_of(one, frame(*BASE, marked)).verdict == "not evaluable"
    arm = ArmRecord("kvm", "default", ("emulated",), {}, {})
    run = replace(synthetic.make_run(), arms=(arm,))
    assert judge(ledger(one), frame(*BASE, clean), run).verdicts[0].verdict == "not evaluable"


def test_an_emulated_baseline_is_no_better() -> None:
    one = claim(part("ratio-at-most", 3.0, baseline="vms", candidates=("ns",)))
    samples = frame(*BASE, rows("kvm", NATIVE, reasons="emulated"), rows("ns", times(1.0)))
    assert verdict_of(one, samples).verdict == "not evaluable"


def test_simulated_figures_are_never_judged() -> None:
    samples = frame(*BASE, rows("fake", times(1.0), reasons="simulated"))
    found = verdict_of(claim(part(candidates=("fake",))), samples)
    assert (found.verdict, "made up" in found.sentence) == ("not evaluable", True)


def test_an_arm_that_is_not_there_is_named_with_why() -> None:
    run = replace(
        synthetic.make_run(), arms=(), skipped=(Skipped("kvm", "no /dev/kvm", "enable it"),)
    )
    one = claim(part("superiority", candidates=("vms",)))
    found = judge(ledger(one), frame(*BASE), run).verdicts[0]
    assert found.verdict == "not evaluable"
    assert "there is no VM in this run (kvm: no /dev/kvm)" in found.sentence


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (part(workload="cpu.other"), "cpu.other was not part of this run"),
        (part(metric="other"), "cpu.work has no other in this run"),
    ],
)
def test_what_did_not_run_is_not_evaluable(wanted: object, words: str) -> None:
    samples = frame(*BASE, rows("ns", times(1.0)))
    found = verdict_of(claim(wanted), samples)  # type: ignore[arg-type]  # a Part
    assert found.verdict == "not evaluable"
    assert words in found.sentence


def test_an_arm_without_a_valid_trial_is_not_evaluable() -> None:
    out = dict.fromkeys(range(12), "limits")
    found = verdict_of(claim(part()), frame(*BASE, rows("ns", NATIVE, invalid=out)))
    assert found.verdict == "not evaluable"
    assert "ns has no valid trial of cpu.work" in found.sentence
    assert found.findings[0].candidate.invalid == {"limits": 12}


def test_what_waits_for_later_is_not_yet_measured() -> None:
    found = verdict_of(claim(awaits="a workload"), frame(*BASE))
    assert found.verdict == "not evaluable"
    assert found.sentence == "Not yet measured: it waits for a workload."


def test_mixed_units_are_refused_not_mixed() -> None:
    samples = frame(*BASE, rows("ns", times(1.0), unit="1/min"))
    found = verdict_of(claim(part()), samples)
    assert (found.verdict, "mixed units" in found.sentence) == ("not evaluable", True)


@pytest.mark.parametrize("odd", [0.0, -1.0, float("inf"), float("nan")])
def test_values_that_allow_no_ratio_give_no_verdict(odd: float) -> None:
    found = verdict_of(claim(part()), frame(*BASE, rows("ns", [odd, *times(1.0)[1:]])))
    assert found.verdict == "not evaluable"
    assert "allow no ratio" in found.sentence


def test_an_empty_frame_judges_nothing() -> None:
    found = verdict_of(claim(part()), frame())
    assert found.verdict == "not evaluable"


def test_parts_that_differ_make_the_claim_mixed() -> None:
    two = (part(name="one"), part(name="two", workload="cpu.two"))
    second = [
        rows(arm, values, workload="cpu.two")
        for arm, values in (("native", NATIVE), ("native:aa", AGAIN), ("ns", times(0.8)))
    ]
    samples = frame(*BASE, rows("ns", times(1.0)), *second)
    found = verdict_of(claim(*two), samples)
    assert found.verdict == "mixed"
    assert found.decisive == 1
    assert found.headline == "mixed: it holds for one; not for two"
    assert [(each.name, each.verdict) for each in found.parts] == [
        ("one", "supported"),
        ("two", "refuted"),
    ]
    assert "Where it does not: in two, ns did 20" in found.sentence
    assert "1 of 2 comparisons" in found.warnings[0]
    assert verdict_of(claim(*two, combine="any"), samples).verdict == "supported"
    only_first = frame(*BASE, rows("ns", times(1.0)))
    found = verdict_of(claim(*two), only_first)
    assert found.verdict == "inconclusive"
    assert "two was not judged" in found.sentence


def test_parts_that_wait_are_set_aside_and_named() -> None:
    later = part(name="storage", awaits="workloads for storage")
    samples = frame(*BASE, rows("ns", times(1.0)))
    found = verdict_of(claim(part(), later), samples)
    assert found.verdict == "supported"
    assert found.sentence.endswith("Storage was not measured: it counts neither way.")


def test_arms_that_differ_make_their_part_mixed_and_are_named() -> None:
    one = claim(part(candidates=("ns", "docker")))
    samples = frame(*BASE, rows("ns", times(1.0)), rows("docker", times(0.7)))
    found = verdict_of(one, samples)
    assert found.verdict == "mixed"
    assert found.headline == "mixed: it holds for work (ns); not for work (docker)"
    assert (found.parts[0].holds, found.parts[0].fails) == (("ns",), ("docker",))


def test_a_mixed_claim_names_the_part_that_is_still_open() -> None:
    noisy = [value * (1.0 + 0.03 * (-1) ** place) for place, value in enumerate(NATIVE)]
    names = ("one", "two", "three")
    parts = [part(name=name, workload=f"cpu.{name}") for name in names]
    groups = [
        rows(arm, values, workload=f"cpu.{name}")
        for name, box in zip(names, (times(1.0), times(0.8), noisy), strict=True)
        for arm, values in (("native", NATIVE), ("native:aa", AGAIN), ("ns", box))
    ]
    found = judge(ledger(claim(*parts)), frame(*groups), costs={"cpu.three": 30.0}).verdicts[0]
    assert found.verdict == "mixed"
    assert "Three is still open: about" in found.sentence
    assert found.more is not None
    assert found.more_s == 30.0 * found.more
    assert found.parts[2].verdict == "inconclusive"


def test_refuted_takes_every_part_that_should_have_been_judged() -> None:
    two = (part(name="one"), part(name="two", workload="cpu.two"))
    samples = frame(*BASE, rows("ns", times(0.8)))
    found = verdict_of(claim(*two), samples)
    assert found.verdict == "inconclusive"
    assert "So far: not for one." in found.sentence
    optional = verdict_of(claim(two[0], replace(two[1], optional=True)), samples)
    assert optional.verdict == "refuted"
    assert "Two was not measured: it counts neither way." in optional.sentence


def test_what_more_would_cost_is_said_in_minutes() -> None:
    noisy = [value * (1.0 + 0.03 * (-1) ** place) for place, value in enumerate(NATIVE)]
    one, samples = claim(part("loss-at-most", 0.015)), frame(*BASE, rows("ns", noisy))
    found = judge(ledger(one), samples, costs={"cpu.work": 60.0}).verdicts[0]
    assert found.verdict == "inconclusive"
    assert f"{found.more}\N{NO-BREAK SPACE}minutes" in found.sentence.replace("hours", "")
    assert "between" in found.sentence
    assert found.more_s == 60.0 * (found.more or 0)
    assert "minutes" in found.headline


def test_groups_mean_their_default_profiles_and_each_pair_counts() -> None:
    one = claim(part("ratio-at-least", 3.0, baseline="containers", candidates=("vms",)))
    samples = frame(
        *BASE,
        rows("ns", times(1.0)),
        rows("docker", times(1.1)),
        rows("docker:host-net", times(100.0)),
        rows("kvm", times(9.0)),
    )
    found = verdict_of(one, samples)
    pairs = {(each.baseline.arm, each.candidate.arm) for each in found.findings}
    assert pairs == {("ns", "kvm"), ("docker", "kvm")}
    assert found.verdict == "supported"


@settings(deadline=None, max_examples=25)
@given(
    scale=st.floats(1e-6, 1e9),
    factor=st.sampled_from([0.5, 0.95, 0.999, 1.0, 1.3]),
    order=st.integers(0, 2**32),
)
def test_scale_order_and_labels_change_no_verdict(scale: float, factor: float, order: int) -> None:
    plain = [row for group in (*BASE, rows("ns", times(factor))) for row in group]
    scaled = [{**row, "value": float(row["value"]) * scale} for row in plain]  # type: ignore[arg-type]
    random.Random(order).shuffle(scaled)
    named = [
        {**row, "arm": "pod", "backend": "pod"} if row["arm"] == "ns" else row for row in scaled
    ]
    first = verdict_of(claim(part("loss-at-most", 0.05)), frame(plain))
    second = verdict_of(claim(part("loss-at-most", 0.05, candidates=("pod",))), frame(named))
    assert second.verdict == first.verdict
    assert second.sentence.replace("pod", "ns") == first.sentence


def test_the_floor_of_every_metric_is_told() -> None:
    found = judge(ledger(), frame(*BASE, rows("ns", [1.0], metric="other"))).floors
    known = found["cpu.work", "rate"]
    assert known.effect is not None
    assert 0.0 < known.effect < 0.01
    assert known.n == 12
    assert found["cpu.work", "other"].effect is None
    assert found["cpu.work", "other"].reason == "native has no valid trial"


def test_a_run_without_an_optional_part_is_judged_by_the_others_and_says_so() -> None:
    there = part("superiority", 0.02)
    absent = part("superiority", 0.02, name="storage", workload="storage.random-read")
    samples = frame(*BASE, rows("ns", times(0.8)))
    needed = verdict_of(claim(there, absent), samples)
    optional = verdict_of(claim(there, replace(absent, optional=True)), samples)
    assert needed.verdict == "inconclusive"
    assert optional.verdict == "supported"
    assert "storage" in optional.sentence.lower()


def test_an_arm_that_was_not_meant_to_do_a_workload_keeps_no_claim_open() -> None:
    one = claim(part("equivalence", 0.02, candidates=("ns", "oci")))
    samples = frame(*BASE, rows("ns", times(1.0)), rows("oci", times(1.0), workload="startup.http"))
    run = synthetic.make_run()
    arms = (*run.arms, ArmRecord("oci", "default", (), {}, {}))
    open_ = judge(ledger(one), samples, replace(run, arms=arms)).verdicts[0]
    planned = replace(run, arms=arms, partial={"oci": ("startup.http",)})
    settled = judge(ledger(one), samples, planned).verdicts[0]
    assert open_.verdict == "inconclusive"
    assert settled.verdict == "supported"
