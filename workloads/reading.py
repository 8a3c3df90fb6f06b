"""Reading a tool's output as the claim of a stranger.

Every parser goes through ``Reader``: the text must be UTF-8 and of a sane length, a label must
stand on exactly one line, and what follows it must be a plain decimal number within bounds.
Anything else is a ``WorkloadFault`` that shows the end of the output.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from workloads.base import Output, WorkloadFault

LONGEST_BYTES = 1 << 20
"""No tool of ours writes nearly that much in one iteration."""

NUMBER = r"([0-9]{1,18}(?:\.[0-9]{1,12})?)"
"""A plain decimal number: no sign, no exponent, no ``nan``, ASCII digits only."""

_TAIL_CHARACTERS = 2000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def tail_of(output: Output) -> str:
    """End of both streams, decoded leniently: they may be anything."""
    joined = b"\n".join(part.strip() for part in (output.stdout, output.stderr) if part)
    return joined[-_TAIL_CHARACTERS:].decode("utf-8", "replace").strip()


def fewest_observations(percentile: float) -> int:
    """Smallest sample for which the largest value bounds ``percentile`` with 95 % confidence.

    ``1 - (p/100)**n >= 0.95``: 5 for p50, 29 for p90, 59 for p95, 299 for p99, 2995 for p99.9
    (Hahn & Meeker, Statistical Intervals, distribution-free bounds).
    """
    return math.ceil(math.log(0.05) / math.log(percentile / 100))


@dataclass(frozen=True, slots=True)
class Reader:
    """One iteration's standard output, line by line."""

    tool: str
    lines: tuple[str, ...]
    tail: str

    @classmethod
    def of(cls, tool: str, output: Output) -> Reader:
        """Take ``output`` apart; colours and surrounding blanks are dropped.

        Raises:
            WorkloadFault: empty, too long or not UTF-8.
        """
        tail = tail_of(output)
        if len(output.stdout) > LONGEST_BYTES:
            raise WorkloadFault(f"{tool} wrote {len(output.stdout)} bytes", tail=tail)
        try:
            text = output.stdout.decode("utf-8")
        except UnicodeDecodeError as error:
            raise WorkloadFault(f"{tool} wrote what is not UTF-8: {error}", tail=tail) from None
        if not text.strip():
            raise WorkloadFault(f"{tool} wrote nothing", tail=tail)
        lines = tuple(line.strip() for line in _COLOUR.sub("", text).split("\n"))
        return cls(tool, lines, tail)

    def fault(self, why: str) -> WorkloadFault:
        """An error about this output, ready to raise."""
        return WorkloadFault(
            f"{self.tool}: {why}",
            hint=f"compare the output below with what this version of {self.tool} should print",
            tail=self.tail,
        )

    def rest(self, label: str) -> str:
        """What follows ``label`` on the one line that begins with it.

        Raises:
            WorkloadFault: no such line, or more than one.
        """
        found = [line for line in self.lines if line.startswith(label)]
        if len(found) != 1:
            count = "no line begins" if not found else f"{len(found)} lines begin"
            raise self.fault(f"{count} with {label!r}, expected one")
        return found[0][len(label) :].strip()

    def match(self, label: str, pattern: str) -> re.Match[str]:
        """``pattern`` matched against all that follows ``label``.

        Raises:
            WorkloadFault: as ``rest``, or it does not match.
        """
        rest = self.rest(label)
        found = re.fullmatch(pattern, rest)
        if found is None:
            raise self.fault(f"{label!r} is followed by {rest[:80]!r}, which is not its format")
        return found

    def number(self, label: str, *, at_most: float, suffix: str = "") -> float:
        """The positive number that follows ``label``, before the literal ``suffix``.

        Raises:
            WorkloadFault: as ``match``, or it is zero or above ``at_most``.
        """
        found = self.match(label, NUMBER + re.escape(suffix))
        return self.bounded(float(found[1]), label, at_most=at_most)

    def bounded(self, value: float, what: str, *, at_most: float) -> float:
        """``value`` if it is finite, above zero and at most ``at_most``.

        Raises:
            WorkloadFault: it is not.
        """
        if not (math.isfinite(value) and 0 < value <= at_most):
            raise self.fault(f"{what!r} is {value:g}, not above 0 and at most {at_most:g}")
        return value
