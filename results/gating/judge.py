"""Judge the trials of a run together, from what each was recorded with."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from results.gating import cpu_taken, drift
from results.gating.cautions import host_cautions
from results.gating.clock import clock_of
from results.gating.observations import Observation, observed
from results.gating.quarter import Findings, overruled, softened
from results.records.records import GateFinding, HostCaution, Status, Trial

TOGETHER = frozenset({"frequency-drift", "arm-drift", "steal", "busy-host"})
"""Codes of the gates that need the run as a whole.  A trial's own record may hold some, by a rule
of an earlier version that knew nothing but that trial: they are judged anew."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A run's trials with what its gates say of them."""

    trials: tuple[Trial, ...]
    """In the order given; unchanged where nothing is to be said that is not recorded."""
    recorded: tuple[Trial, ...]
    """The same as they were recorded."""
    cautions: tuple[HostCaution, ...]
    """Of the host, each told once."""
    anew: int
    """Trials that were recorded as invalid by an earlier rule alone, and count now."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader who knows the run as it was recorded should be told."""
        if not self.anew:
            return ()
        many = f"{self.anew} trials" if self.anew > 1 else "1 trial"
        said = f"{many} that the gates of an earlier version left out count now"
        return (f"The run was judged anew from its recorded readings: {said}.",)


def judged(trials: Sequence[Trial], online: int, *, enough: int = 0) -> Judged:
    """What the gates say of ``trials`` together.  Pure, and the same for the same records.

    Args:
        trials: as they were recorded.
        online: CPUs of the host.
        enough: trials before which no gate is overruled by how the host is: while it measures,
            nobody knows that yet.
    """
    places, observations = [], []
    for place, trial in enumerate(trials):
        seen = observed(trial, online)
        if seen is not None:
            places.append(place)
            observations.append(seen)
    own = [_own(trials[place].findings) for place in places]
    findings, cautions = judge(observations, own, enough=enough)
    result = list(trials)
    for place, said in zip(places, findings, strict=True):
        result[place] = _with(trials[place], said)
    anew = sum(
        before.status == "invalid" and after.status == "ok" and _by_an_earlier_rule(before)
        for before, after in zip(trials, result, strict=True)
    )
    return Judged(tuple(result), tuple(trials), cautions, anew)


def judge(
    observations: Sequence[Observation],
    own: Sequence[Sequence[GateFinding]] | None = None,
    *,
    enough: int = 0,
) -> tuple[list[Findings], tuple[HostCaution, ...]]:
    """Findings of each of these, the worst first, and what the host does to all of them.

    Args:
        observations: trials, or instances that were up together.
        own: what each one's own gates said; nothing by default.
        enough: as in ``judged``.
    """
    biased = drift.biased_arms(observations)
    # An arm that is disturbed as such says nothing of the clock that the others had.
    unbiased = [
        dataclasses.replace(each, counts=each.counts and each.arm not in biased)
        for each in observations
    ]
    clock = clock_of(unbiased)
    found = [list(each) for each in own or [()] * len(observations)]
    for gate in (
        drift.drifts(unbiased, clock),
        drift.arm_drifts(observations, biased),
        cpu_taken.steal(observations),
        cpu_taken.other_load(observations),
    ):
        for at, finding in gate:
            found[at].append(finding)
    findings = [tuple(each) for each in found]
    wrong = overruled(observations, findings, cpu_taken.unusual(observations), enough)
    softer = [
        _sorted(softened(said, each.arm, wrong))
        for said, each in zip(findings, observations, strict=True)
    ]
    return softer, tuple(host_cautions(observations, clock, wrong))


def _own(findings: Sequence[GateFinding]) -> list[GateFinding]:
    """What the trial's own gates said."""
    return [each for each in findings if each.code not in TOGETHER]


def _by_an_earlier_rule(trial: Trial) -> bool:
    return any(each.code in TOGETHER and each.severity == "invalid" for each in trial.findings)


def _sorted(findings: Sequence[GateFinding]) -> tuple[GateFinding, ...]:
    return tuple(sorted(findings, key=lambda finding: finding.severity != "invalid"))


def _with(trial: Trial, findings: tuple[GateFinding, ...]) -> Trial:
    if findings == trial.findings:
        return trial
    status: Status = trial.status
    if status != "failed":
        status = "invalid" if any(each.severity == "invalid" for each in findings) else "ok"
    return dataclasses.replace(trial, findings=findings, status=status)
