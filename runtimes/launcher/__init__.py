"""The launcher: a typed plan, executed by a small static C program."""

from runtimes.launcher.faults import LaunchFault
from runtimes.launcher.plan import Plan, Side, Step
from runtimes.launcher.program import Launcher, compiled
from runtimes.launcher.started import Started

__all__ = ["LaunchFault", "Launcher", "Plan", "Side", "Started", "Step", "compiled"]
