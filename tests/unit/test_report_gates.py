"""How a report sums up what the gates said."""

from __future__ import annotations

from dataclasses import replace

from support import synthetic

from reports.view.gates import _arm_gates, _findings, _trial_gates
from results.records.records import ArmRecord, GateFinding, Status, Trial

STEAL = GateFinding("steal", "invalid", "half of it was stolen", "another host", transient=True)
MILD = GateFinding("steal", "caution", "a little was stolen")
EMULATED = GateFinding("emulated", "invalid", "TCG")


def trial(backend: str, *findings: GateFinding, status: Status = "ok", attempt: int = 1) -> Trial:
    return Trial(
        run_id="r",
        trial_id=f"cpu-b001-{backend}",
        attempt=attempt,
        block=1,
        position=0,
        backend=backend,
        profile="default",
        workload="cpu",
        status=status,
        findings=findings,
        error="",
        tail="",
        started_utc="",
        phases_ns={},
        limits_outside={},
        limits_inside={},
        program_digest="",
        pressure=None,
        bookkeeping_ns=0,
    )


def test_what_left_trials_out_is_told_apart_from_mere_cautions_and_first() -> None:
    told = list(
        _findings([trial("ns", MILD), trial("docker", MILD), trial("ns", STEAL, status="invalid")])
    )
    assert [each.title for each in told] == ["steal in 1 trial, left out", "steal in 2 trials"]
    assert told[0].detail.endswith("Half of it was stolen. In ns.")
    assert told[0].remedy == "another host"
    assert told[1].detail.startswith("For example: ")
    assert told[1].detail.endswith("In docker, ns.")


def test_a_condition_of_a_whole_arm_is_told_elsewhere() -> None:
    assert list(_findings([trial("kvm", EMULATED, status="invalid")])) == []


def test_repeats_are_counted_where_people_see_it() -> None:
    trials = [trial("ns", STEAL, status="invalid"), trial("ns", attempt=2)]
    (told,) = _trial_gates(synthetic.make_run(), trials, frozenset())
    assert told.title == "1 of 2 trials count"
    assert "1 repeats a disturbed one" in told.detail


def test_an_emulated_arm_says_why_it_was_not_virtualised() -> None:
    why = "/dev/kvm cannot be opened: Permission denied (run as root)"
    arm = ArmRecord("kvm", "micro", ("emulated",), {"acceleration": f"tcg: {why}"}, {})
    told = next(iter(_arm_gates(replace(synthetic.make_run(), arms=(arm,)), [])))
    assert told.level == "stop"
    assert told.detail.endswith(f"Why it was not virtualised: {why}.")
