"""Whether a trial's iterations settled: no mean of what kept changing means anything."""

from __future__ import annotations

from collections.abc import Sequence

from harness.gates.evidence import Evidence
from results.records.records import GateFinding


def steady_state(evidence: Evidence) -> GateFinding | None:
    """The iterations still changed in the last quarter."""
    found = evidence.steadiness
    if found is None or found.shape != "none":
        return None
    return GateFinding(
        "unsteady",
        "invalid",
        f"no steady state: the level still changed in the last quarter ({_levels(found.means)})",
        "stop other work on this host; where it stays, the work itself never settles",
        transient=True,
    )


def slowdown(evidence: Evidence) -> GateFinding | None:
    """They settled at a level that is worse than an earlier one."""
    found = evidence.steadiness
    if found is None or found.shape != "slowdown":
        return None
    return GateFinding(
        "slowdown",
        "caution",
        f"it was better before it settled ({_levels(found.means)}); the last level counts",
        "look for what fills up or throttles: a cache, a journal, a CPU quota",
    )


def _levels(means: Sequence[float]) -> str:
    """``levels of 102, 98.1, 100 % of the last one``: of the primary metric, in any unit."""
    shown = [f"{100 * mean / means[-1]:.3g}" for mean in means[-5:]]
    return f"levels of {', '.join(shown)} % of the last one, in turn"
