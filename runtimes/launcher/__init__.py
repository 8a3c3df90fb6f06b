"""The launcher: a typed plan, executed by a small static C program."""

from runtimes.launcher.child import Started
from runtimes.launcher.faults import LaunchFault
from runtimes.launcher.plan import Plan, Segment, Side, Step, fixed, segment
from runtimes.launcher.program import Launcher, compiled

__all__ = [
    "LaunchFault",
    "Launcher",
    "Plan",
    "Segment",
    "Side",
    "Started",
    "Step",
    "compiled",
    "fixed",
    "segment",
]
