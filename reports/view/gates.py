"""The banner “What may be believed”: every gate that spoke, and the A/A floor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reports import text
from reports.view.arms import AGAIN, BASELINE, UNJUDGED
from reports.view.effects import CONFIDENCE
from reports.view.metrics import Key
from reports.view.model import ArmView, Failure, Gate, MetricView
from reports.view.prices import SPEEDS
from reports.view.stopping import stopping_gates
from results.gating.price import told
from results.records.records import GateFinding, Run, Trial, arm_name
from results.stats.intervals import MINIMUM_TRIALS

TAIL_CHARACTERS = 8192
"""Of a failed trial's last words: those of its box, then those of what failed in it."""


def gates(
    run: Run,
    trials: Sequence[Trial],
    metrics: Sequence[MetricView],
    arms: Mapping[str, ArmView],
    also: frozenset[Key],
) -> tuple[Gate, ...]:
    """Worst first: what stops a claim, then cautions, then what is good to know."""
    found = [
        *_run_gates(run, arms),
        *_host_gates(run),
        *_arm_gates(run, trials),
        *_trial_gates(run, trials, also),
        *_findings(trials),
        _floor(run, metrics, arms),
    ]
    order = {"stop": 0, "caution": 1, "info": 2, "good": 3}
    return tuple(sorted(found, key=lambda gate: order[gate.level]))


def failures(
    trials: Iterable[Trial], arms: Mapping[str, ArmView], also: frozenset[Key]
) -> tuple[Failure, ...]:
    """Trials that do not count; those of hollow arms are told once, above."""
    return tuple(
        Failure(
            trial=text.name(trial.trial_id),
            arm=arms[arm_name(trial.backend, trial.profile)],
            workload=text.name(trial.workload),
            status=trial.status,
            reason=text.clean(trial.error or "; ".join(_invalid(trial)), 600),
            remedy=text.clean("; ".join(f.remedy for f in trial.findings if f.remedy), 600),
            tail=text.clean(trial.tail[-TAIL_CHARACTERS:]),
        )
        for trial in trials
        if trial.status != "ok" and (trial.trial_id, trial.attempt) not in also
        if arm_name(trial.backend, trial.profile) in arms
    )


def _invalid(trial: Trial) -> list[str]:
    return [finding.reason for finding in trial.findings if finding.severity == "invalid"]


def _measured_here(run: Run) -> bool:
    """Whether it is of ours, and not imported."""
    return run.source == "bench"


def _run_gates(run: Run, arms: Mapping[str, ArmView]) -> Iterable[Gate]:
    if BASELINE not in arms:
        yield Gate(
            "stop",
            "Nothing to compare with",
            "The run has no native arm, so there are figures but no ratios.",
            "add --backend native" if _measured_here(run) else "import it with --baseline ARM",
        )
    if not run.finished_utc:
        yield Gate(
            "caution",
            "The run is not finished",
            "The figures are those of the trials recorded so far.",
            f"invoke bench --resume {run.run_id}",
        )
    for skipped in run.skipped:
        yield Gate(
            "info",
            f"{text.name(skipped.backend, 32)} was left out",
            text.sentence(f"Reason: {skipped.reason}"),
            text.clean(skipped.fix, 300),
        )
    yield from stopping_gates(run)
    for note in run.notes:
        yield Gate("info", "Note", text.sentence(note, 600))


def _host_gates(run: Run) -> Iterable[Gate]:
    """What the host does to every arm alike: once, with its price."""
    if run.cautions:
        yield Gate(
            "caution",
            "This host hits every arm alike",
            text.sentence(told(run.cautions), 900),
            text.clean("; ".join(dict.fromkeys(each.remedy for each in run.cautions)), 600),
        )


def _arm_gates(run: Run, trials: Iterable[Trial]) -> Iterable[Gate]:
    said = {finding.code: finding for trial in trials for finding in trial.findings}
    for arm in run.arms:
        label = text.name(arm_name(arm.backend, arm.profile), 32)
        for code in arm.conditions:
            if code in UNJUDGED:
                yield _unjudged(label, code, said.get(code), _why_emulated(arm.versions))
            elif code not in said:
                yield Gate("caution", f"{label}: {text.name(code)}", "Holds for the whole arm.")


def _why_emulated(versions: Mapping[str, str]) -> str:
    """What the backend found out about KVM here; empty where it says nothing of it."""
    _, emulated, why = versions.get("acceleration", "").partition("tcg: ")
    return f" Why it was not virtualised: {text.sentence(why)}" if emulated else ""


BOUNDS = "Only its guest’s own memory counts, as the least that a real one takes."


def _unjudged(label: str, code: str, finding: GateFinding | None, why: str) -> Gate:
    remedy = text.clean(finding.remedy, 300) if finding else ""
    drawn = "It shows that everything works. Its figures are drawn hollow and judged by nobody"
    if code == "emulated":
        vms = f"{drawn}: nothing in this report says how fast a VM is. {BOUNDS}{why}"
        return Gate("stop", f"{label} ran on an emulated CPU", vms, remedy)
    reason = text.sentence(finding.reason) if finding else "Nothing of it is real."
    return Gate("stop", f"{label} was {code}", f"{reason} {drawn}.", remedy)


def _trial_gates(run: Run, trials: Sequence[Trial], also: frozenset[Key]) -> Iterable[Gate]:
    judged = [trial for trial in trials if (trial.trial_id, trial.attempt) not in also]
    failed = sum(trial.status == "failed" for trial in judged)
    invalid = sum(trial.status == "invalid" for trial in judged)
    hollow = len(trials) - len(judged)
    beside = f" {hollow} more are of arms that are judged by nobody." if hollow else ""
    if not failed and not invalid:
        title = f"All {len(judged)} trials count" if judged else "No trial counts"
        passed = "Every one passed its gates." if _measured_here(run) else "No gate saw them."
        detail = passed if judged else "There is nothing to judge by."
        yield Gate("good" if judged else "stop", title, f"{detail}{beside}")
        return
    again = sum(trial.attempt > 1 for trial in judged)
    verb = "repeats a disturbed one" if again == 1 else "repeat disturbed ones"
    repeated = f" {again} {verb}." if again else ""
    count = len(judged) - failed - invalid
    yield Gate(
        "caution" if count else "stop",
        f"{count} of {len(judged)} trials count",
        f"{failed} failed and {invalid} did not pass a gate; they stay in the data and are left "
        f"out of every figure.{repeated}{beside} Each is listed below.",
    )


def _findings(trials: Sequence[Trial]) -> Iterable[Gate]:
    """A line for each code and severity: in how many trials, of which arms, and an example."""
    found: dict[tuple[str, str], list[tuple[GateFinding, str]]] = {}
    for trial in trials:
        arm = text.name(arm_name(trial.backend, trial.profile), 32)
        for finding in trial.findings:
            if finding.code not in UNJUDGED:
                key = (finding.severity, finding.code)
                found.setdefault(key, []).append((finding, arm))
    for (severity, code), cases in sorted(
        found.items(), key=lambda item: (item[0][0] != "invalid", -len(item[1]))
    ):
        finding, count = cases[0][0], len(cases)
        where = f"{count} trial" + ("s" if count > 1 else "")
        title = f"{text.name(code)} in {where}"
        example = text.sentence(f"{'For example: ' if count > 1 else ''}{finding.reason}")
        arms = ", ".join(sorted({arm for _, arm in cases}))
        yield Gate(
            "caution",
            f"{title}, left out" if severity == "invalid" else title,
            f"{example} In {arms}.",
            text.clean(finding.remedy, 300),
        )


def _floor(run: Run, metrics: Sequence[MetricView], arms: Mapping[str, ArmView]) -> Gate:
    primary = [metric for metric in metrics if metric.primary and metric.floor]
    speeds = [metric for metric in primary if metric.resource in SPEEDS] or primary
    floors = [metric.floor for metric in speeds if metric.floor]
    if not floors or AGAIN not in arms:
        return Gate(
            "caution",
            "The smallest effect this machine can show is not known",
            "Native was not measured against native, so small differences may be noise.",
            "run with --backend all: the A/A arm is then part of every block"
            if _measured_here(run)
            else "import figures of native measured again, as the arm native:aa",
            floor=True,
        )
    low, high = (text.percent(f([floor.effect for floor in floors]), 1) for f in (min, max))
    span = f"{low} to {high}, depending on the workload" if low != high else low
    if all(floor.proven for floor in floors):
        return Gate(
            "info",
            f"Smallest effect this machine can show: {span}",
            "Native measured against native differed by that much. Smaller differences are not "
            "called differences; the grey bands in the chart show them.",
            floor=True,
        )
    short = [floor.n for floor in floors if not floor.proven]
    return Gate(
        "caution",
        f"Too few trials for an interval in {len(short)} of {len(floors)} workloads",
        f"An interval at {text.percent(CONFIDENCE)} needs {MINIMUM_TRIALS} blocks with both native "
        f"arms, and {min(short)} count. Until then points are shown and no difference is claimed. "
        f"Native against native differed by {span}.",
        "invoke bench --suite standard",
        floor=True,
    )
