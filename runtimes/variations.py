"""Variations of a runtime's boxes, beyond the names of its profiles.

Two optional attributes of a runtime, each a protocol of its own:

``lacking``  what boxes of a profile cannot do, though the runtime's other boxes can;
``steps``    a waterfall: profiles each of which is the one before it and one mechanism more.

And one that every profile of every runtime has without knowing of it: ``cold``.  ``docker:cold``
is ``docker``, ``kvm:micro:cold`` is ``kvm:micro``, each box begun with cold caches; as an arm it is
one of its own, since cold and warm must not be mixed in a figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from runtimes.base import DEFAULT_PROFILE, Capability, Runtime

COLD = "cold"
_SUFFIX = f":{COLD}"


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


def is_cold(profile: str) -> bool:
    """Whether an arm of this profile begins with cold caches."""
    return profile == COLD or profile.endswith(_SUFFIX)


def chilled(profile: str) -> str:
    """The cold variation of ``profile``: ``cold``, ``micro:cold``."""
    return COLD if profile == DEFAULT_PROFILE else f"{profile}{_SUFFIX}"


def boxed(profile: str) -> str:
    """The profile that the runtime knows: ``micro:cold`` is made as ``micro`` is."""
    return DEFAULT_PROFILE if profile == COLD else profile.removesuffix(_SUFFIX)


def profiles(runtime: Runtime) -> Mapping[str, str]:
    """Every profile of ``runtime`` and its cold variation, with a line on each."""
    cold = {
        chilled(name): f"{summary}; caches dropped on host and guest before it starts and works"
        for name, summary in runtime.profiles.items()
    }
    return {**cold, **runtime.profiles}  # a runtime's own word for a name comes first


def capabilities(runtime: Runtime, profile: str) -> frozenset[Capability]:
    """What boxes of ``profile`` can do."""
    lacks = runtime.lacking if isinstance(runtime, Varied) else {}
    lacking = lacks.get(boxed(profile), frozenset())
    return runtime.capabilities - lacking


def steps(runtime: Runtime) -> tuple[Step, ...]:
    """The runtime's waterfall; empty where it has none."""
    return runtime.steps if isinstance(runtime, Stepwise) else ()
