"""Registered runtimes, one by one, for tests that take each in turn."""

from __future__ import annotations

import pytest

from runtimes.base import DEFAULT_PROFILE, Capability, Runtime
from runtimes.registry import load

RUNTIMES = load().runtimes
REAL = sorted(
    name for name, each in RUNTIMES.items() if Capability.IMAGINARY not in each.capabilities
)


def arm_of(name: str) -> tuple[Runtime, str]:
    """Runtime and profile of ``docker:host-net``; skips, with the reason, where it cannot run."""
    backend, _, profile = name.partition(":")
    chosen = RUNTIMES[backend]
    answer = chosen.availability({})
    if not answer.ok:
        pytest.skip(f"{backend} cannot run here: {answer.reason} ({answer.fix})")
    return chosen, profile or DEFAULT_PROFILE
