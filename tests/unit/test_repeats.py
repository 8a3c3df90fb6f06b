"""Disturbed trials are repeated, within bounds, also across a kill."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.host.pressure import NOTHING, Ended, Watch
from harness.run.loop import Tally, run_all
from harness.run.repeats import ENOUGH, REPEATS, SHARE, Repeats, took_s
from results import frame
from runtimes.fake.runtime import FakeScript, Fault
from runtimes.faults import RuntimeFault
from tests.support.bench_on_paper import PaperBench, bench_on_paper

GOOD = FakeScript(conditions=frozenset())


def stolen(*ratios: float) -> Watch:
    """A host on which these shares of the CPUs are stolen in turn; none afterwards."""
    return watching(itertools.chain(ratios, itertools.repeat(0.0)))


def watching(ratios: Iterable[float]) -> Watch:
    turns = iter(ratios)

    def watch(*, during: bool = False) -> Ended:
        del during
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
        tally = run(paper, stolen(0.5), blocks=8)
        first = paper.slots(blocks=8)[0]
        order = attempts(paper)
        notes = paper.notes
    assert (tally.ok, tally.invalid, tally.repeats) == (16, 1, 1)
    assert order[0] == (first.trial_id, 1, "invalid")
    assert order[1][2] == "ok"
    assert order[2] == (first.trial_id, 2, "ok")
    assert notes == [f"{first.trial_id} was disturbed: repeating it"]


def test_of_two_attempts_only_the_valid_one_counts_in_the_frame(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD, "b": GOOD}) as paper:
        run(paper, stolen(0.5), blocks=8)
        name = paper.slots(blocks=8)[0].trial_id
        samples = frame.load(paper.directory)
        of_it = samples[samples["trial_id"] == name]
    assert set(zip(of_it["attempt"], of_it["valid"], of_it["reasons"], strict=True)) == {
        (1, False, "steal"),
        (2, True, ""),
    }


def test_what_hits_a_whole_block_alike_is_not_repeated(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD, "b": GOOD}) as paper:
        tally = run(paper, stolen(0.5, 0.5), blocks=8)
    assert tally == Tally(ok=16)


def test_a_slot_is_repeated_at_most_twice(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD, "b": GOOD}) as paper:
        run(paper, stolen(0.5, 0.0, *[0.5] * REPEATS), blocks=40)
        of_first = [each for each in attempts(paper) if each[0] == paper.slots()[0].trial_id]
    assert [status for _, _, status in of_first] == ["invalid"] * (1 + REPEATS)


@pytest.mark.parametrize("blocks", [4, 12, 40])
def test_repeats_take_at_most_a_tenth_of_a_runs_time(tmp_path: Path, blocks: int) -> None:
    """One of five is disturbed: too few for the host to be like that, too many to repeat."""
    with bench_on_paper(tmp_path, dict.fromkeys("abcde", GOOD)) as paper:
        tally = run(paper, watching(itertools.cycle([0.5, 0, 0, 0, 0])), blocks=blocks)
        trials = paper.directory.trials()
    again = sum(took_s(each) for each in trials if each.attempt > 1)
    whole = sum(map(took_s, trials))
    assert 0.05 * whole < again <= SHARE * whole
    assert tally.repeats == sum(each.attempt > 1 for each in trials)


def test_with_a_budget_only_time_that_has_passed_pays_for_repeats(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, dict.fromkeys("abcd", GOOD)) as paper:
        slots = paper.slots(blocks=4)
        run(paper, stolen(0.5), blocks=4)
        trials = paper.directory.recorded()
    sure, unsure = Repeats(online=1, sure=slots), Repeats(online=1)
    for trial in trials[:4]:
        sure.learn(trial)
        unsure.learn(trial)
    assert sure.wanted(slots[0])
    assert not unsure.wanted(slots[0])


def test_where_many_are_disturbed_the_host_is_like_that_and_the_run_goes_on(
    tmp_path: Path,
) -> None:
    """Half of the trials, of all arms alike: nothing is repeated, nothing is lost, it is said."""
    chance = random.Random(5)
    ratios = (chance.choice([0.0, 0.5]) for _ in itertools.count())
    with bench_on_paper(tmp_path, dict.fromkeys("abcde", GOOD)) as paper:
        tally = run(paper, watching(ratios), blocks=20)
        cautions = {each.code for each in paper.directory.judged().cautions}
        said = [note for note in paper.notes if "the gate steal would leave out" in note]
    assert tally.invalid == 0
    assert tally.ok == 100 + tally.repeats
    assert tally.repeats <= ENOUGH
    assert len(said) == 1
    assert {"steal", "overruled:steal"} <= cautions


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
    with bench_on_paper(tmp_path, {"a": script, "b": script}) as paper:
        tally = run(paper, stolen(0.5), blocks=8)
    assert (tally.invalid, tally.repeats) == (16, 0)


def test_a_mere_caution_is_not_repeated(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD, "b": GOOD}) as paper:
        tally = run(paper, stolen(0.05), blocks=8)
        (finding,) = paper.directory.trials()[0].findings
    assert (finding.code, finding.severity) == ("steal", "caution")
    assert (tally.ok, tally.repeats) == (16, 0)


@pytest.mark.slow
@pytest.mark.parametrize("at", range(12))
def test_a_killed_run_goes_on_to_the_same_trials_as_one_that_was_not(
    tmp_path: Path, at: int
) -> None:
    """The first of two blocks is disturbed twice; the kill comes in any trial of the first six."""
    disturbed = [0.5, 0.0, 0.5, 0.0] * 2
    whole = tmp_path / "whole"
    with bench_on_paper(whole, {"a": GOOD, "b": GOOD}) as paper:
        run(paper, stolen(*disturbed), blocks=20)
        expected = attempts(paper)
    killed = Fault("run", KeyboardInterrupt(), instance=f"*-{at}", call=1)
    script = FakeScript(conditions=frozenset(), faults=(killed,))
    halves = tmp_path / "halves"
    with bench_on_paper(halves, {"a": script, "b": script}) as paper:
        with contextlib.suppress(KeyboardInterrupt):
            run(paper, stolen(*disturbed), blocks=20)
        made = len(attempts(paper))
    with bench_on_paper(halves, {"a": GOOD, "b": GOOD}) as paper:
        run(paper, stolen(*disturbed[made:]), blocks=20)
        assert attempts(paper) == expected


def test_a_finished_plan_has_nothing_left_to_run(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD, "b": GOOD}) as paper:
        run(paper, stolen(0.5), blocks=8)
    with bench_on_paper(tmp_path, {"a": GOOD, "b": GOOD}) as paper:
        assert run(paper, stolen(), blocks=8) == Tally()
