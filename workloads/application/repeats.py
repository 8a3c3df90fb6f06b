"""How an application's trial is cut into iterations.

An application warms up: caches fill, a heap grows, a journal reaches its size.  So its trial has
many short iterations instead of a few long ones, the first of them are not counted, and the rest
are enough for the trial engine to tell whether they have settled.
"""

from __future__ import annotations

from workloads.base import Command, CommandWork, Service, Size

WARM_UPS = 2
"""Iterations that nobody counts: the first one pays for connections and first touches."""
FEWEST = 16
"""Iterations in a trial, whatever the suite asks for: 13 are the fewest in which a change in the
last quarter can be told from a spike (a level needs three of them)."""


def repeated(command: Command, size: Size, services: tuple[Service, ...]) -> CommandWork:
    """``command`` as often as it takes to see a steady state, or as the suite asks, if more."""
    return CommandWork(command, max(size.iterations, FEWEST), services, warm_ups=WARM_UPS)
