"""What a judged trial means for its samples."""

from __future__ import annotations

import dataclasses

import pytest
from support.synthetic import make_run, make_trials

from results.gating.validity import Marks
from results.records.records import WARM_UP, GateFinding, Trial

DRIFT = GateFinding("frequency-drift", "invalid", "slow", transient=True)
STEAL = GateFinding("steal", "invalid", "stolen", transient=True)
KSM = GateFinding("ksm", "caution", "shared")

TRIAL, (SAMPLE, *_) = next(
    (trial, samples) for trial, samples in make_trials(make_run()) if trial.status == "ok"
)


def as_(status: str, *findings: GateFinding) -> Trial:
    return dataclasses.replace(TRIAL, status=status, findings=findings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "valid", "reasons", "expected"),
    [
        (as_("invalid", DRIFT), as_("ok"), False, ("frequency-drift",), (True, ())),
        (
            as_("invalid", DRIFT, KSM),
            as_("ok", KSM),
            False,
            ("frequency-drift", "ksm"),
            (True, ("ksm",)),
        ),
        (
            as_("invalid", DRIFT),
            as_("ok"),
            False,
            ("frequency-drift", WARM_UP),
            (False, (WARM_UP,)),
        ),
        (as_("ok"), as_("invalid", STEAL), True, (), (False, ("steal",))),
        (as_("ok"), as_("ok", KSM), False, ("marked by hand",), (False, ("ksm", "marked by hand"))),
    ],
)
def test_a_sample_counts_as_its_trial_does_but_for_its_own_marks(
    before: Trial,
    after: Trial,
    valid: bool,
    reasons: tuple[str, ...],
    expected: tuple[bool, tuple[str, ...]],
) -> None:
    sample = dataclasses.replace(SAMPLE, valid=valid, reasons=reasons)
    assert Marks(before, after).of(sample) == expected


def test_of_a_trial_that_is_as_it_was_recorded_samples_are_too() -> None:
    trial = as_("ok")
    assert Marks(trial, trial).of(SAMPLE) == (SAMPLE.valid, SAMPLE.reasons)
    failed = as_("failed")
    assert Marks(failed, failed).of(SAMPLE)[0] is False
