"""Gates that need the run as a whole: what disturbed one arm alone, and how this host is.

Pure functions over the readings that trials were recorded with.  The harness asks them while it
measures, to repeat what was disturbed; whoever loads a run asks them again, so that every run,
old ones too, is judged by the rules of today.  Standard library only.
"""

from results.gating.judge import Judged, judge, judged
from results.gating.observations import Observation, observed, online_cpus
from results.gating.speeds import Speeds, speeds

__all__ = [
    "Judged",
    "Observation",
    "Speeds",
    "judge",
    "judged",
    "observed",
    "online_cpus",
    "speeds",
]
