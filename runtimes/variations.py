"""What a runtime may tell of its profiles beyond their names.  It need not tell anything.

Two optional attributes of a runtime, each a protocol of its own:

``lacking``  what boxes of a profile cannot do, though the runtime's other boxes can;
``steps``    a waterfall: profiles each of which is the one before it and one mechanism more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from runtimes.base import Capability, Runtime


@dataclass(frozen=True, slots=True)
class Step:
    """One profile of a waterfall."""

    profile: str
    mechanism: str
    """What it has and the one before has not, in a few words for a chart's axis."""
    adds: str
    """What a start does more than in the step before, in a sentence."""


@runtime_checkable
class Varied(Protocol):
    """A runtime whose profiles can do different things."""

    lacking: Mapping[str, frozenset[Capability]]
    """Profile → what its boxes cannot do; profiles that lack nothing may be left out."""


@runtime_checkable
class Stepwise(Protocol):
    """A runtime that can be taken apart."""

    steps: tuple[Step, ...]
    """In order, the plainest box first."""


def capabilities(runtime: Runtime, profile: str) -> frozenset[Capability]:
    """What boxes of ``profile`` can do."""
    lacking = runtime.lacking.get(profile, frozenset()) if isinstance(runtime, Varied) else None
    return runtime.capabilities - (lacking or frozenset())


def steps(runtime: Runtime) -> tuple[Step, ...]:
    """The runtime's waterfall; empty where it has none."""
    return runtime.steps if isinstance(runtime, Stepwise) else ()
