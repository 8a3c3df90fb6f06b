"""The commands that check the project itself."""

from __future__ import annotations

import pytest

from harness import development
from harness.errors import UsageFault


def test_a_soak_tells_its_test_how_many_lives() -> None:
    command = development.soak(10_000)
    assert command[:2] == ["env", "TAREBENCH_SOAK=10000"]
    assert command[-1] == "tests/integration/test_ns_soak.py"


@pytest.mark.parametrize("cycles", [0, -1])
def test_a_soak_without_a_life_is_refused(cycles: int) -> None:
    with pytest.raises(UsageFault, match="cycles"):
        development.soak(cycles)


def test_fuzzing_is_told_how_long_with_which_seed_and_what() -> None:
    assert development.fuzz(9, 3, "importers")[-3:] == [
        "--seconds=9",
        "--seed=3",
        "--target=importers",
    ]


def test_fuzzing_for_no_time_is_refused() -> None:
    with pytest.raises(UsageFault, match="seconds"):
        development.fuzz(0, None, None)
