"""What a trial that is judged together with its run means for its samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from results.records.records import AT_LEAST, EMULATED, WARM_UP, Sample, Trial


@dataclass(frozen=True, slots=True)
class Marks:
    """A trial before and after judging."""

    recorded: Trial
    judged: Trial

    def of(self, sample: Sample) -> tuple[bool, tuple[str, ...]]:
        """Whether a sample of it may be used in a verdict, and its gate codes.

        What marks the sample itself stays: a warm-up, or what an imported one came with.
        """
        if self.judged is self.recorded:
            ok = sample.valid and self.recorded.status == "ok"
            return ok, bounding(sample.reasons, self.recorded)
        before = {each.code for each in self.recorded.findings}
        own = tuple(reason for reason in sample.reasons if reason not in before)
        reasons = (*(each.code for each in self.judged.findings), *own)
        # A sample of a trial that did not count was written as invalid, whatever it was itself.
        own_mark = sample.valid or (self.recorded.status == "invalid" and WARM_UP not in own)
        return own_mark and self.judged.status == "ok", bounding(reasons, self.judged)


def bounding(reasons: Iterable[str], trial: Trial) -> tuple[str, ...]:
    """The reasons of a sample of ``trial``, without the mark that it bounds where it does not.

    A bound is one although its box was emulated; of what anything else made invalid it is none.
    """
    against = {each.code for each in trial.findings if each.severity == "invalid"}
    return tuple(each for each in reasons if each != AT_LEAST or against <= {EMULATED})
