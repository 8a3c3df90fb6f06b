"""What is held against a trial, and what against the host."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import pytest
from support import traces_host
from support.synthetic import make_run, make_trials

from results.gating import Observation, cpu_taken, drift, judge, judged, observed
from results.gating.quarter import MOST
from results.records.records import GateFinding, Pressure, Trial

ARMS = ("native", "native:aa", "ns", "docker")
SWAP = GateFinding("swap", "invalid", "swapped", transient=True)
DIGEST = GateFinding("rootfs-digest", "invalid", "other bits")


def run(blocks: int = 8, **fields: object) -> list[Observation]:
    """Trials in a row on a quiet host."""
    pace = ((0, 100_000), (1, 100_000))
    plain = Observation("", "cpu", 0, pace, 0.0, 0.0)
    return [
        dataclasses.replace(plain, arm=arm, block=block, **fields)  # type: ignore[arg-type]
        for block in range(1, blocks + 1)
        for arm in ARMS
    ]


def but(
    observations: Sequence[Observation], places: Sequence[int], **fields: object
) -> list[Observation]:
    """The same, with these fields in some places."""
    return [
        dataclasses.replace(each, **fields) if at in places else each  # type: ignore[arg-type]
        for at, each in enumerate(observations)
    ]


def said(observations: Sequence[Observation]) -> dict[int, set[tuple[str, str]]]:
    findings, _ = judge(observations)
    return {
        at: {(each.code, each.severity) for each in its} for at, its in enumerate(findings) if its
    }


def cautions(observations: Sequence[Observation]) -> dict[str, str]:
    return {each.code: each.text for each in judge(observations)[1]}


def slow(factor: float) -> tuple[tuple[int, int], ...]:
    return ((0, round(100_000 * factor)), (1, round(100_000 * factor)))


def test_a_quiet_run_has_no_findings_and_no_cautions() -> None:
    assert said(run()) == {}
    assert cautions(run()) == {}
    assert judge([]) == ([], ())


@pytest.mark.parametrize(
    ("code", "field", "caution", "invalid"),
    [
        ("steal", "steal", cpu_taken.STEAL_CAUTION, cpu_taken.STEAL_INVALID),
        ("busy-host", "others", cpu_taken.OTHERS_CAUTION, cpu_taken.OTHERS_INVALID),
    ],
)
def test_time_taken_from_one_trial_alone_is_held_against_it(
    code: str, field: str, caution: float, invalid: float
) -> None:
    def at(share: float) -> dict[int, set[tuple[str, str]]]:
        return said(but(run(), [5], **{field: share}))

    assert at(caution) == {}
    assert at(caution * 1.01) == {5: {(code, "caution")}}
    assert at(invalid) == {5: {(code, "caution")}}
    assert at(invalid * 1.01) == {5: {(code, "invalid")}}


@pytest.mark.parametrize("field", ["steal", "others"])
def test_time_taken_from_a_whole_block_alike_is_held_against_no_trial(field: str) -> None:
    block = [4, 5, 6, 7]
    assert said(but(run(), block, **{field: 0.6})) == {}
    assert said(but(run(), block[:2], **{field: 0.6})).keys() == {4, 5}  # half of it is alike


@pytest.mark.parametrize(("field", "code"), [("steal", "steal"), ("others", "busy-host")])
def test_time_taken_all_the_time_is_a_caution_of_the_host(field: str, code: str) -> None:
    always = run(**{field: 0.12})
    assert said(always) == {}
    assert cautions(always).keys() == {code}
    assert "12 %" in cautions(always)[code]
    worse = but(always, [5], **{field: 0.5})
    assert said(worse) == {5: {(code, "invalid")}}  # on such a host too


def test_foreign_processes_are_named_without_control_characters() -> None:
    (finding,) = judge(but(run(), [5], others=0.5, names=("cc1", "evil\x1b[31m")))[0][5]
    assert "50 % of the CPUs" in finding.reason
    assert finding.reason.endswith(": cc1, evil?[31m")


def test_a_clock_that_was_another_for_one_trial_is_held_against_it() -> None:
    def at(factor: float) -> dict[int, set[tuple[str, str]]]:
        return said(but(run(), [5], pace=slow(factor)))

    assert at(1 + drift.CAUTION - 0.001) == {}
    assert at(1 + drift.CAUTION + 0.001) == {5: {("frequency-drift", "caution")}}
    assert at(1 + drift.INVALID - 0.001) == {5: {("frequency-drift", "caution")}}
    assert at(1 + drift.INVALID + 0.001) == {5: {("frequency-drift", "invalid")}}
    assert at(1 / 1.3) == {5: {("frequency-drift", "invalid")}}  # its block was at a loss


def test_a_clock_that_was_another_for_a_whole_block_is_held_against_no_trial() -> None:
    assert said(but(run(), [4, 5, 6, 7], pace=slow(1.3))) == {}


def test_one_slow_reading_of_many_is_no_disturbance() -> None:
    pace = tuple((at, 200_000 if at == 2 else 100_000) for at in range(5))
    assert said(but(run(), [5], pace=pace)) == {}


def test_a_trial_at_either_of_two_speeds_is_as_it_should_be() -> None:
    trace = traces_host.two_speeds(3)
    assert not any(
        each.severity == "invalid" for its in judge(trace.observations)[0] for each in its
    )
    assert "two speeds 20 % apart" in cautions(trace.observations)["two-speed-clock"]


def test_an_arm_beside_which_the_clock_is_always_slower_is_found_and_no_other() -> None:
    places = [at for at, each in enumerate(run(12)) if each.arm == "ns"]
    found = said(but(run(12), places, pace=slow(1.1)))
    assert found.keys() == set(places)
    assert all(("arm-drift", "invalid") in each for each in found.values())


def test_an_arm_is_not_blamed_from_a_few_blocks() -> None:
    places = [at for at, each in enumerate(run(3)) if each.arm == "ns"]
    assert not any(
        code == "arm-drift"
        for each in said(but(run(3), places, pace=slow(1.1))).values()
        for code, _ in each
    )


def test_an_arm_that_can_never_count_is_held_against_nobody() -> None:
    places = [at for at, each in enumerate(run()) if each.arm == "docker"]
    others = [at for at in range(len(run())) if at not in places]
    odd = but(run(), places, counts=False, steal=0.9, pace=slow(9))
    assert not said(odd).keys() & set(others)


def own(count: int, finding: GateFinding, of: int = 80, seed: int = 1) -> list[list[GateFinding]]:
    """``count`` trials with a finding of their own, whichever they are."""
    chance = random.Random(seed)
    hit = set(chance.sample(range(of), count))
    return [[finding] if at in hit else [] for at in range(of)]


@pytest.mark.parametrize(("marked", "overruled"), [(20, False), (21, True), (80, True)])
def test_a_gate_that_would_drop_more_than_a_quarter_is_overruled(
    marked: int, overruled: bool
) -> None:
    assert MOST == 20 / 80
    findings, said_of_host = judge(run(20), own(marked, SWAP))
    severities = {each.severity for its in findings for each in its}
    assert severities == ({"caution"} if overruled else {"invalid"})
    assert [each.code for each in said_of_host] == (["overruled:swap"] if overruled else [])
    assert sum(map(len, findings)) == marked


def test_what_is_not_as_planned_is_never_overruled() -> None:
    findings, said_of_host = judge(run(20), own(80, DIGEST))
    assert {each.severity for its in findings for each in its} == {"invalid"}
    assert said_of_host == ()


def test_an_arm_that_is_singled_out_keeps_its_marks_however_many_they_are() -> None:
    of_docker = [[SWAP] if each.arm == "docker" else [] for each in run(20)]
    findings, said_of_host = judge(run(20)[:], of_docker)
    assert {each.severity for its in findings for each in its} == {"invalid"}
    assert said_of_host == ()
    two_arms = [each for each in run(20) if each.arm in {"native", "docker"}]
    half, _ = judge(two_arms, [[SWAP] if each.arm == "docker" else [] for each in two_arms])
    assert {each.severity for its in half for each in its} == {"invalid"}


def test_before_there_are_enough_trials_nothing_is_overruled() -> None:
    few = run(2)
    findings = [[SWAP]] * len(few)
    assert judge(few, findings)[0][0][0].severity == "caution"
    assert judge(few, findings, enough=12)[0][0][0].severity == "invalid"


def trial(**changes: object) -> Trial:
    return dataclasses.replace(next(make_trials(make_run()))[0], **changes)  # type: ignore[arg-type]


def test_a_tick_of_steal_in_a_short_trial_is_nothing() -> None:
    """One tick in 30 ms of two CPUs would be a sixth of them."""
    short = Pressure(0.03, 1 / 6, 0.0, None, None, None, 0)
    seen = observed(trial(pressure=short), 2)
    assert seen is not None
    assert seen.steal == 0
    long = observed(trial(pressure=dataclasses.replace(short, seconds=3.0)), 2)
    assert long is not None
    assert long.steal == pytest.approx(1 / 6, abs=0.01)


def test_readings_of_every_age_are_read() -> None:
    around = Pressure(2.0, 0.0, 0.0, None, None, None, 0)
    ages = {
        "pace": ((0, 5), (7, 6)),
        "spin_ns": (5, 6),
        "frequency_khz": (2_000_000, 3_000_000),
    }
    for name, value in ages.items():
        seen = observed(trial(pressure=dataclasses.replace(around, **{name: value})), 2)
        assert seen is not None
        assert len(seen.pace) == 2
    assert seen.pace[0][1] > seen.pace[1][1]  # a quicker clock takes less time
    nothing = observed(trial(pressure=dataclasses.replace(around, frequency_khz=(0, 9))), 2)
    assert nothing is not None
    assert nothing.pace == ()


def test_a_trial_at_which_nobody_looked_keeps_what_was_said_of_it() -> None:
    old = trial(
        pressure=None,
        status="invalid",
        findings=(GateFinding("frequency-drift", "invalid", "slow", transient=True),),
    )
    found = judged([old], 2)
    assert found.trials == (old,)
    assert found.anew == 0


def test_what_an_earlier_rule_said_is_judged_anew_from_the_readings() -> None:
    drifted = GateFinding("frequency-drift", "invalid", "slow", transient=True)
    calm = Pressure(1.0, 0.0, 0.0, None, None, None, 0, spin_ns=(100, 120))
    old = trial(pressure=calm, status="invalid", findings=(drifted,))
    found = judged([old], 2)
    assert (found.trials[0].status, found.trials[0].findings) == ("ok", ())
    assert found.recorded == (old,)
    assert found.anew == 1
    assert "1 trial that the gates of an earlier version left out count now" in found.notes[0]
    lasting = dataclasses.replace(old, findings=(DIGEST, drifted))
    kept = judged([lasting], 2)
    assert (kept.trials[0].status, kept.trials[0].findings, kept.notes) == (
        "invalid",
        (DIGEST,),
        (),
    )


def test_judging_twice_says_the_same() -> None:
    trials = [each for each, _ in make_trials(make_run())]
    once = judged(trials, 2)
    assert judged(once.trials, 2).trials == once.trials


HUGE = 1.7e308


@pytest.mark.parametrize(
    "odd",
    [
        {"seconds": HUGE},
        {"seconds": -HUGE},
        {"seconds": 5e-324},
        {"steal_ratio": HUGE},
        {"steal_ratio": -HUGE},
        {"other_cpus": HUGE, "others": ("\x1b[31m" * 99,)},
        {"pace": ((0, 1), (0, 2**52))},
        {"spin_ns": (0, 0)},
        {"frequency_khz": (1, 2**52)},
    ],
)
def test_values_that_cannot_be_are_judged_without_a_fault(odd: dict[str, object]) -> None:
    around = Pressure(2.0, 0.0, 0.0, None, None, None, 0, spin_ns=(100, 100))
    trials = [
        dataclasses.replace(
            each, pressure=dataclasses.replace(around, **(odd if at % 7 == 0 else {}))
        )  # type: ignore[arg-type]
        for at, (each, _) in enumerate(make_trials(make_run()))
    ]
    found = judged(trials, 2)
    assert len(found.trials) == len(trials)
    for caution in found.cautions:
        assert caution.text.isprintable()
