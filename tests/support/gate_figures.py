"""How often gates are wrong and how often they see: measured on traces, as docs/gates.md has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from support import traces_host as traces
from support.traces_host import DISTURBANCES, Disturb, Trace, slowed

from results.gating import judge

SEEDS = range(12)
HOSTS: Sequence[tuple[str, Callable[[int], Trace]]] = (
    ("quiet", traces.quiet),
    ("two speeds", traces.two_speeds),
    ("steady steal of 5 %", traces.steady_steal),
    ("a neighbour comes and goes", traces.neighbour),
)
TWO_SPEEDS = 0.2


def table() -> str:
    """The table, as Markdown."""
    head = [
        "gate",
        *(f"{name}" for name, _ in HOSTS),
        "found: a trial disturbed alone",
        "the same, two speeds",
        "found: an arm disturbed",
        "the same, two speeds",
    ]
    hosts = [[(trace, _invalid(trace)) for trace in map(make, SEEDS)] for _, make in HOSTS]
    rows = [[f"`{gate}`", *_false(gate, hosts), *_found(gate)] for gate in DISTURBANCES]
    lines = [head, ["--"] + ["-:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


class Make(Protocol):
    """Makes a trace with a disturbance in it."""

    def __call__(self, seed: int, disturb: Disturb, *, apart: float) -> Trace:
        """From a seed, on a clock whose speeds are so far apart."""
        ...


SLOWER = (1.1, 1.2, 1.3)
FEWER = range(8)


def sizes() -> str:
    """How small a slowing is found, as Markdown."""
    head = ["gate", "clock", *(f"{100 * (each - 1):.0f} % slower" for each in SLOWER)]
    rows = [
        [f"`{gate}`", clock, *(_percent(_hits(gate, make, slowed(by), apart)) for by in SLOWER)]
        for gate, make in (("frequency-drift", traces.alone), ("arm-drift", traces.one_arm))
        for clock, apart in (("quiet", 0.0), ("two speeds", TWO_SPEEDS))
    ]
    lines = [head, ["--", "--", *["-:"] * len(SLOWER)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _hits(gate: str, make: Make, disturb: Disturb, apart: float) -> list[bool]:
    """Of each disturbed trial: whether the gate leaves it out."""
    made = [make(seed, disturb, apart=apart) for seed in FEWER]
    return [
        gate in marks[at]
        for trace in made
        for marks in (_invalid(trace),)
        for at in sorted(trace.disturbed)
    ]


Marks = list[frozenset[str]]


def _invalid(trace: Trace) -> Marks:
    """Of each trial: the gates by which it is invalid."""
    findings, _ = judge(trace.observations)
    return [frozenset(each.code for each in its if each.severity == "invalid") for its in findings]


def _false(gate: str, hosts: Iterable[Sequence[tuple[Trace, Marks]]]) -> list[str]:
    """On each host: the share of all trials that the gate leaves out."""
    return [_percent([gate in each for _, marks in host for each in marks]) for host in hosts]


def _found(gate: str) -> list[str]:
    """Of the trials that were disturbed: the share that it leaves out."""
    disturb = DISTURBANCES[gate]
    cells = []
    for make in (traces.alone, traces.one_arm):
        for apart in (0.0, TWO_SPEEDS):
            if gate == "arm-drift" and make is traces.alone:
                cells.append("–")
                continue
            cells.append(_percent(_hits(gate, make, disturb, apart)))
    return cells


def _percent(hits: Sequence[bool]) -> str:
    share = 100 * sum(hits) / len(hits)
    return f"{share:.1f} %" if 0 < share < 10 else f"{share:.0f} %"
