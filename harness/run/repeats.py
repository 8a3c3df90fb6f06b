"""Which trials are run again because something outside disturbed them, and when that ends.

Whether a trial was disturbed shows beside the others of its block, so the journal's trials are
judged together (``results.gating``), as whoever loads the run will judge them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from harness.plan.schedule import Arm, Slot
from harness.progress.progress import Estimate
from results.gating import judged
from results.records.records import Trial

REPEATS = 2
"""A third disturbance in a row says that the host is not fit, not that there was bad luck."""
SHARE = 0.10
"""Of a run's time that repeats may take: the rest is for blocks, which help in every case."""
ENOUGH = 12
"""Trials before which a gate that marks many is not yet called wrong for this host."""
RECENT = 600
"""Trials by which the host is known: judging them takes some hundredths of a second."""


def took_s(trial: Trial) -> float:
    """What a recorded trial took, with the harness's own time beside it.

    Of a block in slices its share: the trials of such a block took place at once.
    """
    spent_ns = max(trial.phases_ns.values(), default=0) / (1 + max(0, trial.beside))
    return (spent_ns + trial.bookkeeping_ns) / 1e9


@dataclass(slots=True)
class Repeats:
    """Which trials are to be repeated, from what the journal says of them."""

    online: int
    """CPUs of the host."""
    told: Callable[[str], None] = lambda _: None
    """Told once of each gate that turns out to be wrong for this host."""
    sure: Sequence[Slot] = ()
    """Trials that the run will make in any case: their time counts before it has passed."""
    _tries: Counter[str] = field(default_factory=Counter)
    _trials: list[Trial] = field(default_factory=list)
    _estimate: Estimate = field(default_factory=Estimate)
    _made_s: float = 0.0
    _repeats_s: float = 0.0
    _disturbed: set[str] | None = None
    _said: set[str] = field(default_factory=set)

    def learn(self, trial: Trial) -> None:
        """One more recorded trial."""
        slot = Slot(trial.block, trial.position, Arm(trial.backend, trial.profile), trial.workload)
        self._estimate.learn(slot, took_s(trial))
        self._made_s += took_s(trial)
        if self._tries[trial.trial_id]:
            self._repeats_s += took_s(trial)
        self._tries[trial.trial_id] += 1
        self._trials.append(trial)
        self._disturbed = None

    def done(self, slot: Slot) -> bool:
        """Whether the slot has a recorded trial."""
        return slot.trial_id in self._tries

    def wanted(self, slot: Slot) -> bool:
        """Whether the slot's last trial was disturbed and may be repeated."""
        if not self.done(slot) or self._tries[slot.trial_id] > REPEATS:
            return False
        if self._disturbed is None:
            self._disturbed = self._judge()
        return slot.trial_id in self._disturbed and self._affords(slot)

    def judged(self) -> Iterable[Trial]:
        """Every trial, as the run stands now."""
        return judged(self._trials, self.online).trials

    def _judge(self) -> set[str]:
        """Ids of the trials whose last attempt was disturbed."""
        found = judged(self._trials[-RECENT:], self.online, enough=ENOUGH)
        for caution in found.cautions:
            if caution.code.startswith("overruled:") and caution.code not in self._said:
                self._said.add(caution.code)
                self.told(caution.text)
        last = {trial.trial_id: trial for trial in found.trials}
        # One in slices is not repeated: alone it would be paired with slices of another time.
        return {name for name, trial in last.items() if trial.disturbed and not trial.beside}

    def _affords(self, slot: Slot) -> bool:
        """Whether one more repeat leaves them at most their share of the run's time."""
        next_s = self._estimate.remaining_s([slot]) or 0.0
        ahead = [each for each in self.sure if not self.done(each)]
        whole_s = self._made_s + next_s + (self._estimate.remaining_s(ahead) or 0.0)
        return self._repeats_s + next_s <= SHARE * whole_s
