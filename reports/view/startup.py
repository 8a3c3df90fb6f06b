"""Where the time of a start goes: phases between the request and the removal."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping

from reports.view.metrics import Key
from reports.view.model import ArmView, PhaseBar, Segment
from results.records.records import Run, Trial, arm_name

PHASES = (
    ("process", "first process", ("request",)),
    ("running", "first instruction", ("process", "request")),
    ("user_space", "guest's kernel", ("running", "process", "request")),
    ("engine", "engine in the guest", ("user_space",)),
    ("contained", "container in the guest", ("engine", "user_space")),
    ("created", "box created", ("request",)),
    (
        "first_byte",
        "first byte",
        ("contained", "engine", "user_space", "running", "created", "request"),
    ),
    ("http_200", "first HTTP 200", ("first_byte", "created", "request")),
    ("stopped", "stopped", ("stop_request", "http_200")),
    ("removed", "removed", ("stopped",)),
)
"""Instant at the phase's end, its label, and the instants it may have begun at, nearest first.
Waiting between the answer and the request to stop belongs to nobody.  ``created`` stands where
a runtime tells no finer ones (see PHASES in runtimes.base)."""

ALIASES = {"process": ("cloned",), "running": ("executed",)}
"""What the launcher of ``native`` and ``ns`` calls these instants."""


def phase_bars(
    run: Run, trials: Iterable[Trial], arms: Mapping[str, ArmView], also: frozenset[Key]
) -> tuple[PhaseBar, ...]:
    """One bar per arm from its start-up trials; arms without any are left out."""
    starting = {workload.name for workload in run.workloads if workload.resource == "startup"}
    by_arm: dict[str, list[Mapping[str, float]]] = {}
    for trial in trials:
        usable = trial.status == "ok" or (trial.trial_id, trial.attempt) in also
        durations = _durations(trial.phases_ns)
        if trial.workload in starting and usable and durations:
            by_arm.setdefault(arm_name(trial.backend, trial.profile), []).append(durations)
    return tuple(_bar(arms[name], by_arm[name]) for name in arms if name in by_arm)


def _durations(instants: Mapping[str, int]) -> Mapping[str, float]:
    known = {"request": 0, **instants}
    for phase, others in ALIASES.items():
        at = next((known[name] for name in others if name in known), None)
        if phase not in known and at is not None:
            known[phase] = at
    for phase in ("running", "contained"):  # reports that may come after the box's first byte has
        if phase in known:
            known[phase] = min(known[phase], known.get("first_byte", known[phase]))
    if "running" in known:
        known.pop("created", None)
    elif "started" in known:  # the engine's call returned: what the metric created_ns counts, too
        known["created"] = known["started"]
    durations: dict[str, float] = {}
    for phase, _, begins in PHASES:
        begin = next((known[mark] for mark in begins if mark in known), None)
        if phase in known and begin is not None:
            durations[phase] = float(known[phase] - begin)
    # An instant before its own cause is a fault of the record: such a trial tells nothing.
    return durations if all(value >= 0 for value in durations.values()) else {}


def _bar(arm: ArmView, trials: list[Mapping[str, float]]) -> PhaseBar:
    segments = []
    for phase, label, _ in PHASES:
        seen = [durations[phase] for durations in trials if phase in durations]
        if seen:
            segments.append(Segment(phase, label, statistics.median(seen)))
    return PhaseBar(arm, tuple(segments), len(trials))
