"""What this host does to every arm alike: told once for a run, never held against a trial."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from results.gating.cpu_taken import OTHERS_CAUTION, STEAL_CAUTION
from results.gating.observations import Observation, plain_name
from results.gating.quarter import Overruled
from results.gating.speeds import Speeds
from results.records.records import HostCaution

OFTEN = 0.05
"""Of the trials: what is rarer is told where it happened, and not of the host."""
UNEVEN = 0.05
"""Between the tenth and the ninetieth of a hundred readings, where there are not two speeds."""
SHOWN = 3


def host_cautions(
    observations: Sequence[Observation],
    clock: Speeds | None,
    wrong: Mapping[str, Overruled],
) -> Iterator[HostCaution]:
    """How this host is, as far as it bears on every figure of the run."""
    counted = [each for each in observations if each.counts]
    yield from _clock(counted, clock)
    yield from _steal(counted)
    yield from _others(counted)
    for code, found in wrong.items():
        yield HostCaution(
            f"overruled:{code}",
            f"the gate {code} would leave out {percent(found.share)} of what ran: this is how "
            "this host is, so these trials count, with a caution",
            "use a quieter host for a smaller effect; more blocks help, too",
        )


def _clock(counted: Sequence[Observation], clock: Speeds | None) -> Iterator[HostCaution]:
    if clock is None:
        return
    if clock.two:
        yield HostCaution(
            "two-speed-clock",
            f"the clock here has two speeds {percent(clock.apart)} apart, the slower one in "
            f"{percent(clock.slow_share)} of the readings",
            "a bare-metal or dedicated host, whose cores' other threads work for nobody else",
        )
        return
    uneven = spread([float(ns) for each in counted for _, ns in each.pace])
    if uneven > UNEVEN:
        yield HostCaution(
            "uneven-clock",
            "the clock here is uneven: from the quickest tenth of the readings to the slowest the "
            f"same work takes {percent(uneven)} longer",
            "fix the frequency: invoke doctor --tune; use a dedicated host",
        )


def spread(took_ns: Sequence[float]) -> float:
    """How much longer the work takes in the slowest tenth of the readings than in the quickest."""
    if len(took_ns) < 2:
        return 0.0
    tenths = statistics.quantiles(took_ns, n=10, method="inclusive")
    return tenths[-1] / tenths[0] - 1


def _steal(counted: Sequence[Observation]) -> Iterator[HostCaution]:
    above = [each.steal for each in counted if each.steal > STEAL_CAUTION]
    if above and len(above) >= OFTEN * len(counted):
        yield HostCaution(
            "steal",
            f"the hypervisor stole {percent(statistics.median(above))} of CPU time in "
            f"{len(above)} of {len(counted)} trials",
            "use a dedicated or bare-metal host",
        )


def _others(counted: Sequence[Observation]) -> Iterator[HostCaution]:
    above = [each for each in counted if (each.others or 0.0) > OTHERS_CAUTION]
    if not above or len(above) < OFTEN * len(counted):
        return
    names = Counter(name for each in above for name in each.names)
    shown = ", ".join(plain_name(name) for name, _ in names.most_common(SHOWN))
    middle = statistics.median(each.others or 0.0 for each in above)
    yield HostCaution(
        "busy-host",
        f"other processes used {percent(middle)} of the CPUs beside {len(above)} of "
        f"{len(counted)} trials" + (f" ({shown})" if shown else ""),
        "stop other work on this host while it measures",
    )


def percent(share: float) -> str:
    """``0.4 %``, ``20 %``: as exact as such a share is."""
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"
