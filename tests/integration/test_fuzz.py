"""A minute of seeded fuzzing, a share for each target; ``invoke fuzz`` does more of it."""

from __future__ import annotations

import pytest

from tests.support.fuzz import TARGETS
from tests.support.fuzz.__main__ import run

pytestmark = pytest.mark.parallel

SECONDS = 60.0
SEED = 20261124


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_nothing_is_found(name: str) -> None:
    report = run(name, SEED, SECONDS / len(TARGETS))
    if report.skipped:
        pytest.skip(report.skipped)
    assert report.findings == ()
    assert report.cases > 0
    assert report.reached / report.cases > DEEP.get(name, 0.0), "most cases are refused at the door"


DEEP = {
    "agent-frames": 0.9,
    "agent-program": 0.5,
    "image-blobs": 0.7,
    "image-documents": 0.9,
    "image-layers": 0.6,
    "importers": 0.1,
    "journals": 0.5,
    "launcher-plan": 0.9,
}
"""Share of cases that come as deep as what the target is about, at least."""
