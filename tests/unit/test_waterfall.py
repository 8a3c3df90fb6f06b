"""The waterfall: each profile is the one before it and one mechanism more."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise

from runtimes.ns.profile import DEFAULT, Profile
from runtimes.ns.profiles.catalogue import CATALOGUE
from runtimes.ns.profiles.waterfall import BARE, WATERFALL


def changed(first: Profile, second: Profile) -> set[str]:
    names = [field.name for field in fields(Profile) if field.name != "summary"]
    return {name for name in names if getattr(first, name) != getattr(second, name)}


def test_names_sort_into_the_order_of_the_steps() -> None:
    names = [step.name for step in WATERFALL]
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert all(CATALOGUE[step.name] is step.profile for step in WATERFALL)


def test_each_step_changes_one_mechanism() -> None:
    together = {"capabilities"}, {"no_new_privileges", "seccomp"}, {"network", "controllers"}
    for before, after in pairwise(step.profile for step in WATERFALL):
        difference = changed(before, after)
        assert len(difference) == 1 or difference in together, after.summary


def test_it_begins_with_nothing_and_ends_with_the_default() -> None:
    assert WATERFALL[0].profile.controllers == BARE.controllers
    assert not any(getattr(BARE, name) for name in ("mount", "user", "pid", "seccomp", "overlay"))
    assert changed(WATERFALL[-1].profile, DEFAULT) == set()


def test_no_mechanism_is_ever_taken_away() -> None:
    for before, after in pairwise(step.profile for step in WATERFALL):
        for field in fields(Profile):
            if isinstance(getattr(before, field.name), bool):
                assert getattr(after, field.name) >= getattr(before, field.name)


def test_each_step_says_what_it_adds() -> None:
    for step in WATERFALL:
        assert step.mechanism
        assert step.added.endswith(".")
