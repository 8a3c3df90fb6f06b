"""What fuzzing ever found stays mended: each target's corpus, and a moment of new cases."""

from __future__ import annotations

import random

import pytest

from tests.support.fuzz import CORPUS, TARGETS, target
from tests.support.fuzz.mutate import mutated


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_nothing_of_the_corpus_is_found_again(name: str) -> None:
    report = target(name)(random.Random(1), 0.0, CORPUS / name)
    if report.skipped:
        pytest.skip(report.skipped)
    assert report.findings == ()


def test_every_directory_of_the_corpus_has_its_target() -> None:
    if CORPUS.is_dir():
        assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS)


def test_the_same_seed_makes_the_same_cases() -> None:
    first, second = (random.Random(7) for _ in range(2))
    data = bytes(range(256))
    made = [mutated(first, data) for _ in range(100)]
    assert made == [mutated(second, data) for _ in range(100)]
    assert len(set(made)) > 50
