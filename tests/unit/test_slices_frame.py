"""Slices in a run's frame: what verdicts and the report take for a trial's value."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from reports.terminal.explain import explain_view
from reports.view.environment import environment
from reports.view.metrics import trial_values
from results.frame import NO_SLICE
from results.ledger.judge.evidence import gather
from results.ledger.judge.judge import judge
from results.ledger.outcome import Outcome
from results.slices import settled, sliced
from tests.support import frames, synthetic
from tests.support.slice_hosts import orders

ROUNDS = 12
ARMS = ("native", "native:aa", "ns")


def sliced_frame(
    effects: Mapping[str, float],
    *,
    blocks: int = 1,
    drift: float = 0.03,
    invalid: str = "",
) -> pd.DataFrame:
    """Slices of each arm, ``drift`` slower in each round than in the one before."""
    rows = []
    for block in range(1, blocks + 1):
        turns = [arm for row in orders(len(effects), ROUNDS)[block] for arm in row]
        for place, turn in enumerate(turns):
            arm, number = tuple(effects)[turn], place // len(effects)
            (row,) = frames.rows(arm, [100.0 * effects[arm] * (1.0 - drift) ** number])
            rows.append(
                row
                | {
                    "block": block,
                    "trial_id": f"cpu.work-b{block:03d}-{arm}",
                    "iteration": number,
                    "valid": number > 0 and arm != invalid,
                    "reasons": "warm-up" if number == 0 else "steal" if arm == invalid else "",
                    "place": place,
                }
            )
    return frames.frame(rows)


def values(frame: pd.DataFrame, arm: str) -> list[float]:
    return gather(frame).of("cpu.work", "rate", arm).means.tolist()


def test_a_trials_value_is_its_level_without_the_blocks_drift() -> None:
    made = sliced_frame({"native": 1.0, "native:aa": 1.0, "ns": 0.97}, blocks=3)
    for native, again, ns in zip(*(values(made, arm) for arm in ARMS), strict=True):
        assert again / native == pytest.approx(1.0, abs=1e-4)
        assert ns / native == pytest.approx(0.97, abs=1e-4)
        assert 60.0 < native < 100.0


def test_the_report_and_the_ledger_have_the_same_values() -> None:
    made = sliced_frame({"native": 1.0, "native:aa": 1.0, "ns": 0.97}, blocks=2)
    shown = trial_values(made, frozenset()).set_index(["arm", "block"])["value"]
    for arm in ARMS:
        assert shown.loc[arm].tolist() == pytest.approx(values(made, arm))


def test_slices_of_one_trial_count_as_one_observation() -> None:
    made = sliced_frame({"native": 1.0, "native:aa": 1.0, "ns": 0.97}, blocks=4)
    found = gather(made).of("cpu.work", "rate", "ns")
    assert len(found.means) == 4
    assert found.iterations == ROUNDS - 1


def test_the_round_that_warms_and_an_arm_that_is_invalid_take_no_part() -> None:
    effects = {"native": 1.0, "native:aa": 1.0, "ns": 0.5, "docker": 0.97}
    made = sliced_frame(effects, invalid="ns")
    (block,) = sliced(made)
    assert block.arms == ("docker", "native", "native:aa")
    assert block.slices.logs.size == 3 * (ROUNDS - 1)
    (native,), (docker,) = values(made, "native"), values(made, "docker")
    assert docker / native == pytest.approx(0.97, abs=1e-4)
    assert values(made, "ns") == []


def test_of_two_attempts_at_a_block_the_last_one_counts() -> None:
    first = sliced_frame({"native": 1.0, "native:aa": 1.0, "ns": 0.5})
    again = sliced_frame({"native": 1.0, "native:aa": 1.0, "ns": 0.97}).assign(attempt=2)
    both = pd.concat([first.astype({"arm": "str"}), again.astype({"arm": "str"})])
    made = both.astype({"arm": "category"}).reset_index(drop=True)
    assert values(made, "ns")[0] / values(made, "native")[0] == pytest.approx(0.97, abs=1e-4)


def test_values_that_are_no_slices_stay_as_they_are() -> None:
    plain = frames.frame(frames.rows("native", [1.0, 2.0])).assign(place=NO_SLICE)
    assert settled(plain) is plain
    assert settled(plain.drop(columns="place")) is not None


def test_values_that_have_no_logarithm_are_left_alone() -> None:
    made = sliced_frame({"native": 1.0, "native:aa": 1.0, "ns": 0.97})
    made.loc[made["arm"] == "ns", "value"] = 0.0
    found = settled(made)
    assert (found.loc[found["arm"] == "ns", "value"] == 0.0).all()
    assert np.isfinite(found["value"]).all()


def test_explain_tells_the_slices_and_what_they_leave() -> None:
    effects = {"native": 1.0, "native:aa": 1.0, "ns": 0.97}
    made = sliced_frame(effects, blocks=5)
    ledger = frames.ledger(frames.claim(frames.part("loss-at-most", 0.05)))
    outcome = Outcome(synthetic.make_run(), ledger, judge(ledger, made))
    (verdict,) = outcome.judgement.verdicts
    (finding,) = verdict.findings
    assert finding.carried is not None
    assert finding.carried.blocks == 5
    console = Console(width=200, file=io.StringIO(), color_system=None)
    console.print(*explain_view(ledger.claims[0], verdict, outcome, ()))
    said = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO above
    assert "each the level of up to 11 slices in turns" in said
    assert "a slice just after one of ns differs by" in said


def test_the_page_says_which_workloads_ran_in_slices() -> None:
    run = synthetic.make_run()
    assert not any("in slices" in name for name, _ in environment(run)[0].rows)
    first = replace(run.workloads[0], design="slices")
    rows = dict(environment(replace(run, workloads=(first, *run.workloads[1:])))[0].rows)
    assert rows["in slices, boxes of a block in turns"] == first.name
