"""Every runtime in turn, where it can run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from runtimes.base import DEFAULT_PROFILE, Capability, Engine, Runtime, Site
from tests.support.registered import RUNTIMES, arm_of


@pytest.fixture(scope="module", params=sorted(RUNTIMES))
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """One of the registered runtimes."""
    return arm_of(request.param)[0]


@pytest.fixture(scope="module")
def engine(runtime: Runtime, site: Site) -> Iterator[Engine]:
    """It, prepared for boxes of its default profile."""
    state = site.state / runtime.name
    state.mkdir()
    with runtime.prepare(replace(site, state=state), frozenset({DEFAULT_PROFILE})) as prepared:
        yield prepared


@pytest.fixture(scope="module")
def real_engine(runtime: Runtime, engine: Engine) -> Engine:
    """It, where its boxes are more than imagined."""
    if Capability.IMAGINARY in runtime.capabilities:
        pytest.skip(f"{runtime.name} starts nothing")
    return engine
