"""The launcher: a typed plan, executed by a small static C program."""

from runtimes.launcher.child import ChildProcess
from runtimes.launcher.faults import LaunchFault
from runtimes.launcher.plan import Plan, Segment, Side, Step, fixed, segment
from runtimes.launcher.program import Launcher, compiled

__all__ = [
    "ChildProcess",
    "LaunchFault",
    "Launcher",
    "Plan",
    "Segment",
    "Side",
    "Step",
    "compiled",
    "fixed",
    "segment",
]
