"""What does not hold in a run's files: named by file and line, left out by every reader."""

from __future__ import annotations

from dataclasses import dataclass, field

NAMED = 1000
"""So many are named; beyond it they are counted."""
WORD_LIMIT = 400


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that does not hold."""

    place: str
    """``samples.jsonl:12``, or the file alone."""
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.why}"


@dataclass(slots=True)
class Damages:
    """All that was found so far."""

    named: list[Damage] = field(default_factory=list)
    total: int = 0

    def add(self, place: str, why: str) -> None:
        """One more."""
        self.total += 1
        if len(self.named) < NAMED:
            self.named.append(Damage(place, printable(why)))


def printable(words: str) -> str:
    """Words that quote a file, short and without what would steer a terminal."""
    cut = words if len(words) <= WORD_LIMIT else f"{words[:WORD_LIMIT]}…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in cut)
