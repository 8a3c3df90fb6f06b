"""Disturbed trials are repeated, within bounds, also across a kill."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.loop import EXTRA, REPEATS, Tally, run_all
from harness.pressure import NOTHING, Ended, Watch
from runtimes.base import RuntimeFault
from runtimes.fake import FakeScript, Fault
from tests.support.bench_on_paper import PaperBench, bench_on_paper

GOOD = FakeScript(conditions=frozenset())


def stolen(*ratios: float) -> Watch:
    """A host on which these shares of the CPUs are stolen in turn; none afterwards."""
    return watching(itertools.chain(ratios, itertools.repeat(0.0)))


def watching(ratios: Iterable[float]) -> Watch:
    turns = iter(ratios)

    def watch() -> Ended:
        ratio = next(turns)
        return lambda: dataclasses.replace(NOTHING, seconds=1.0, steal_ratio=ratio)

    return watch


def run(paper: PaperBench, watch: Watch, blocks: int) -> Tally:
    paper.context.watch = watch
    return run_all(paper.context, paper.slots(blocks=blocks), paper.directory, paper)


def attempts(paper: PaperBench) -> list[tuple[str, int, str]]:
    return [(each.trial_id, each.attempt, each.status) for each in paper.directory.trials()]


def test_a_disturbed_trial_is_repeated_at_the_end_of_its_block(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD, "b": GOOD}) as paper:
        tally = run(paper, stolen(0.5), blocks=2)
        first = paper.slots(blocks=2)[0]
        order = attempts(paper)
        notes = paper.notes
    assert (tally.ok, tally.invalid, tally.repeats) == (4, 1, 1)
    assert order[0] == (first.trial_id, 1, "invalid")
    assert order[1][2] == "ok"
    assert order[2] == (first.trial_id, 2, "ok")
    assert notes == [f"{first.trial_id} was disturbed: repeating it"]


def test_of_two_attempts_only_the_valid_one_counts_in_the_frame(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD}) as paper:
        run(paper, stolen(0.5), blocks=4)
        samples = [each for each in paper.directory.samples() if each.block == 1]
    assert {(each.attempt, each.valid) for each in samples} == {(1, False), (2, True)}


def test_a_slot_is_repeated_at_most_twice(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD}) as paper:
        run(paper, stolen(*[0.5] * (1 + REPEATS)), blocks=40)
        of_first = [each for each in attempts(paper) if each[0] == paper.slots()[0].trial_id]
    assert [status for _, _, status in of_first] == ["invalid"] * (1 + REPEATS)


def test_repeats_are_at_most_a_quarter_of_what_was_planned(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD, "b": GOOD}) as paper:
        tally = run(paper, watching(itertools.repeat(0.5)), blocks=8)
    assert tally.repeats == EXTRA * 16
    assert tally.invalid == 16 + tally.repeats


def test_a_failed_trial_is_not_repeated(tmp_path: Path) -> None:
    fault = Fault("run", RuntimeFault("it broke", hint="mend it"), instance="*-0", call=1)
    script = FakeScript(conditions=frozenset(), faults=(fault,))
    with bench_on_paper(tmp_path, {"a": script}) as paper:
        tally = run(paper, stolen(0.5), blocks=8)
    assert (tally.failed, tally.repeats, tally.ok) == (1, 0, 7)


@pytest.mark.parametrize(
    "lasting", [{"conditions": frozenset({"emulated"})}, {"program_digest": "ee" * 32}]
)
def test_what_will_not_go_away_is_not_repeated(tmp_path: Path, lasting: dict[str, object]) -> None:
    script = dataclasses.replace(GOOD, **lasting)  # type: ignore[arg-type]
    with bench_on_paper(tmp_path, {"a": script}) as paper:
        tally = run(paper, stolen(0.5), blocks=8)
    assert (tally.invalid, tally.repeats) == (8, 0)


def test_a_mere_caution_is_not_repeated(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD}) as paper:
        tally = run(paper, stolen(0.05), blocks=8)
    assert (tally.ok, tally.repeats) == (8, 0)


@pytest.mark.parametrize("at", range(12))
def test_a_killed_run_goes_on_to_the_same_trials_as_one_that_was_not(
    tmp_path: Path, at: int
) -> None:
    """The first of each block is disturbed twice; the kill comes in any trial of the run."""
    disturbed = [0.5, 0.0, 0.5, 0.0] * 2
    whole = tmp_path / "whole"
    with bench_on_paper(whole, {"a": GOOD, "b": GOOD}) as paper:
        run(paper, stolen(*disturbed), blocks=4)
        expected = attempts(paper)
    killed = Fault("run", KeyboardInterrupt(), instance=f"*-{at}", call=1)
    script = FakeScript(conditions=frozenset(), faults=(killed,))
    halves = tmp_path / "halves"
    with bench_on_paper(halves, {"a": script, "b": script}) as paper:
        with contextlib.suppress(KeyboardInterrupt):
            run(paper, stolen(*disturbed), blocks=4)
        made = len(attempts(paper))
    with bench_on_paper(halves, {"a": GOOD, "b": GOOD}) as paper:
        run(paper, stolen(*disturbed[made:]), blocks=4)
        assert attempts(paper) == expected


def test_a_finished_plan_has_nothing_left_to_run(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD}) as paper:
        run(paper, stolen(0.5), blocks=4)
    with bench_on_paper(tmp_path, {"a": GOOD}) as paper:
        assert run(paper, stolen(), blocks=4) == Tally()
