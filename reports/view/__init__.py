"""From a run's data to what its report shows: pure functions, frozen results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import pandas as pd

from reports import text
from reports.faults import Faults
from reports.view.answer import answer
from reports.view.arms import BASELINE, arm_views
from reports.view.beside import beside
from reports.view.damage import damage_gates, damage_tables
from reports.view.effects import CONFIDENCE
from reports.view.environment import command, environment, machine
from reports.view.gates import failures, gates
from reports.view.metrics import metric_views, shown_though_invalid, trial_values
from reports.view.model import ArmView, Table
from reports.view.page import ReportView
from reports.view.prices import price_table
from reports.view.published import published
from reports.view.startup import phase_bars
from reports.view.waterfall import stepping, waterfall_view
from results.records.records import Run, Trial, arm_name
from results.store.contents import Contents

NO_TABLE = Table("", (), ())

GLOSSARY: Mapping[str, str] = {
    "arm": "One side of the comparison: a kind of box and how it is set up.",
    "A/A": "Native measured against native in the same schedule. What differs there is noise.",
    "block": "Every arm once, in random order, so that drift of the machine hits all alike.",
    "trial": "One workload in one fresh box, from start to removal: the unit of statistics.",
    "interval": f"Where the true median ratio lies at {text.percent(CONFIDENCE)} confidence. "
    "Declined with too few trials, never guessed.",
    "ratio": "The arm against native, turned so that above 1 is better in every workload.",
    "gate": "A check that marks a trial invalid or adds a caution, with its reason.",
    "emulated": "The VM's CPU was simulated in software. Such figures say nothing of real VMs.",
    "PSS": "Memory of a process with shared pages divided among those who share them.",
}


def build(
    run: Run,
    samples: pd.DataFrame,
    trials: Sequence[Trial],
    contents: Contents | None = None,
    faults: Faults | None = None,
) -> ReportView:
    """What the report of ``run`` shows.

    Args:
        run: run.json.
        samples: as ``results.frame.load`` gives them.
        trials: every recorded trial.
        contents: what does not hold in the run's files; None: nothing is said of it.
        faults: collects the parts that cannot be made; None: their errors are raised.
    """
    make = (faults or Faults(strict=True)).make
    there = contents or Contents()
    everyone = make("controls", lambda: arm_views(run), {})
    whole, everything = run, samples
    run, samples, arms = make(
        "controls", lambda: _without_steps(whole, everything), (whole, everything, everyone)
    )
    also = make("failed", lambda: shown_though_invalid(trials), frozenset())
    metrics = make(
        "speed startup footprint figures beside answer",
        lambda: metric_views(run, trial_values(samples, also), arms),
        (),
    )
    head, prices = make(
        "answer", lambda: price_table(metrics, arms.values(), _tried(run, trials)), ((), ())
    )
    methods = {effect.method: None for metric in metrics for effect in metric.effects}
    told = make("believe", lambda: gates(whole, trials, metrics, arms, also), ())
    return ReportView(
        title="What does the box weigh?",
        subtitle=make("environment", lambda: _subtitle(run), ""),
        answer=make("answer", lambda: answer(run, metrics, list(arms.values())), ()),
        price_head=head,
        prices=prices,
        gates=(*make("believe", lambda: damage_gates(there), ()), *told),
        baseline=BASELINE if BASELINE in arms else "",
        arms=tuple(arms.values()),
        metrics=metrics,
        phases=make(
            "startup", lambda: phase_bars(run, _of_first_start(run, trials), arms, also), ()
        ),
        daemons=make("footprint", lambda: _daemons(run, arms), ()),
        failures=make("failed", lambda: failures(trials, everyone, also), ()),
        environment=(
            *make("environment", lambda: damage_tables(there), ()),
            *make("environment", lambda: environment(whole), ()),
        ),
        command=make("environment", lambda: command(run), ""),
        published=make("published", lambda: _published(run), NO_TABLE),
        glossary=GLOSSARY,
        confidence=CONFIDENCE,
        methods=tuple(method for method in methods if method),
        waterfall=make("waterfall", lambda: waterfall_view(whole, everything, arms), None),
        beside=make("beside", lambda: beside(metrics), None),
    )


def _published(run: Run) -> Table:
    return published({workload.resource for workload in run.workloads})


def _without_steps(
    run: Run, samples: pd.DataFrame
) -> tuple[Run, pd.DataFrame, Mapping[str, ArmView]]:
    """Run, samples and arms without the waterfall's steps: twenty of them would hide the rest."""
    steps = stepping(run)
    if steps:
        named = {arm_name(*step) for step in steps}
        kept = tuple(arm for arm in run.arms if (arm.backend, arm.profile) not in steps)
        run = dataclasses.replace(run, arms=kept)
        samples = samples[~samples["arm"].isin(named)]
    return run, samples, arm_views(run)


def _tried(run: Run, trials: Sequence[Trial]) -> frozenset[tuple[str, str]]:
    """(arm, resource) of every trial, whatever came of it."""
    resources = {workload.name: workload.resource for workload in run.workloads}
    return frozenset(
        (arm_name(trial.backend, trial.profile), resources.get(trial.workload, ""))
        for trial in trials
    )


def _of_first_start(run: Run, trials: Sequence[Trial]) -> list[Trial]:
    """Trials of the one start-up workload that is drawn: phases of several cannot be mixed."""
    starts = [workload.name for workload in run.workloads if workload.resource == "startup"]
    return [trial for trial in trials if trial.workload == starts[0]] if starts else []


def _subtitle(run: Run) -> str:
    day = run.created_utc[:16].replace("T", " ")
    return f"{machine(run)}. Run {text.name(run.run_id)} of {text.name(day)} UTC."


def _daemons(run: Run, arms: Mapping[str, ArmView]) -> tuple[tuple[ArmView, float], ...]:
    """Of each backend once: its arms are served by the same daemons."""
    found: dict[str, tuple[ArmView, float]] = {}
    for record in run.arms:
        if record.daemon_pss_bytes:
            arm = arms[arm_name(record.backend, record.profile)]
            found.setdefault(record.backend, (arm, float(record.daemon_pss_bytes)))
    return tuple(found.values())
