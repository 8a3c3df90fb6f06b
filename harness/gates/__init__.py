"""Gates: typed checks that say what must not be believed, with reason and remedy.

Each gate looks at what is known of one trial and returns a finding or nothing.  ``invalid``
keeps the trial's samples out of every verdict; ``caution`` stands beside them.  A finding that
is ``transient`` may go away when the trial is repeated.  What shows only beside the others of a
block (drift, steal, other load) is judged by ``results.gating``, for the run as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.gates import bits, clocks, heat, memory, settled
from harness.gates.backend import CONDITIONS, Condition, conditions, never_valid
from harness.gates.evidence import Evidence, Gate
from harness.gates.limits import limits_enforced, quota_held_back, shared_cpus
from results.records.records import GateFinding

__all__ = ["CONDITIONS", "GATES", "Condition", "Evidence", "Gate", "judge", "never_valid"]

GATES: Sequence[Gate] = (
    limits_enforced,
    quota_held_back,
    shared_cpus,
    bits.same_bits,
    memory.swap,
    memory.pressure,
    memory.page_merging,
    memory.huge_pages,
    heat.throttled,
    heat.hot,
    clocks.slow_source,
    clocks.changed_source,
    clocks.box_clock,
    settled.steady_state,
    settled.slowdown,
    bits.mitigations,
)


def judge(evidence: Evidence) -> tuple[GateFinding, ...]:
    """Findings of every gate, the worst first."""
    found = conditions(evidence)
    found += [finding for gate in GATES if (finding := gate(evidence)) is not None]
    return tuple(sorted(found, key=lambda finding: finding.severity != "invalid"))
