"""CPU time that went to others while one trial ran, and not while its block's others did."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from results.gating.observations import Group, Observation, plain_name
from results.records.records import GateFinding

STEAL_CAUTION = 0.02
"""As large as the smallest margin of the ledger: more could make a verdict by itself."""
STEAL_INVALID = 0.10
"""No claim of the ledger could be told from it."""
OTHERS_CAUTION = 0.05
"""Of all CPUs: what a desktop or a monitoring agent does; the scheduler can keep it apart."""
OTHERS_INVALID = 0.25
"""Of all CPUs: on two of them, half a CPU beside box and harness, which have one each."""

Found = Iterator[tuple[int, GateFinding]]
Share = Callable[[Observation], float | None]


def steal(observations: Sequence[Observation]) -> Found:
    """CPU time that a hypervisor below took away from this trial more than from its block."""
    for place, each, more in _excess(observations, _stolen, STEAL_CAUTION):
        yield (
            place,
            GateFinding(
                "steal",
                "invalid" if more > STEAL_INVALID else "caution",
                f"{100 * each.steal:.1f} % of CPU time was stolen by the hypervisor, "
                f"{100 * more:.1f} % more than in the middle of its block",
                "use a dedicated or bare-metal host",
                transient=True,
            ),
        )


def other_load(observations: Sequence[Observation]) -> Found:
    """Foreign processes that used CPUs beside this trial more than beside its block."""
    for place, each, more in _excess(observations, _used, OTHERS_CAUTION):
        names = ", ".join(plain_name(name) for name in each.names)
        yield (
            place,
            GateFinding(
                "busy-host",
                "invalid" if more > OTHERS_INVALID else "caution",
                f"other processes used {100 * (each.others or 0):.0f} % of the CPUs, "
                f"{100 * more:.0f} % more than in the middle of its block"
                + (f": {names}" if names else ""),
                "stop other work on this host while it measures",
                transient=True,
            ),
        )


def unusual(observations: Sequence[Observation]) -> Mapping[str, frozenset[int]]:
    """Code → trials as far from the run's median as would make one invalid beside its block.

    Where a neighbour comes and goes half of the blocks have more victims than others, and each of
    these would hide the rest: how often it comes shows in the run.
    """
    found = {}
    for code, share, far in (
        ("steal", _stolen, STEAL_INVALID),
        ("busy-host", _used, OTHERS_INVALID),
    ):
        known = [
            (place, value)
            for place, each in enumerate(observations)
            if each.counts and (value := share(each)) is not None
        ]
        middle = statistics.median([value for _, value in known] or [0.0])
        found[code] = frozenset(place for place, value in known if abs(value - middle) > far)
    return found


def _stolen(each: Observation) -> float | None:
    return each.steal


def _used(each: Observation) -> float | None:
    return each.others


def _excess(
    observations: Sequence[Observation], share: Share, least: float
) -> Iterator[tuple[int, Observation, float]]:
    """Trials with more than ``least`` above their block's middle."""
    groups: dict[Group, dict[str, float]] = defaultdict(dict)
    for each in observations:
        value = share(each)
        if value is not None and each.counts:
            # Of an arm whose trial was repeated, the attempt that was least disturbed stands.
            groups[each.group][each.arm] = min(value, groups[each.group].get(each.arm, value))
    run = statistics.median([value for arms in groups.values() for value in arms.values()] or [0.0])
    # The low median: where half of the arms were disturbed, the other half says what is usual.
    middles = {group: statistics.median_low(arms.values()) for group, arms in groups.items()}
    for place, each in enumerate(observations):
        value = share(each)
        alone = len(groups.get(each.group, ())) < 2
        more = (value or 0.0) - (run if alone else middles[each.group])
        if more > least:
            yield place, each, more
