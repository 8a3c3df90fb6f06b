"""Escapes through a working directory: descriptors of directories that lead out of the root."""

from __future__ import annotations

import subprocess

import pytest

from runtimes import process
from tests.support.escapes import Arena, run_in

pytestmark = pytest.mark.root
BOXES = ("default", "no-userns")


@pytest.mark.parametrize("profile", BOXES)
def test_no_directory_outside_of_the_root_is_open_in_a_box(arena: Arena, profile: str) -> None:
    assert arena.in_box(profile, "leaked-directory").reason == "ENOTDIR"


def test_the_search_for_directories_finds_one_that_leaks(
    arena: Arena, leaky_descriptor: int
) -> None:
    with process.spawn(
        [str(arena.program), "leaked-directory"],
        stdout=subprocess.PIPE,
        pass_fds=(leaky_descriptor,),
    ) as child:
        assert child.stdout is not None
        assert child.stdout.read().decode().startswith(f"0 descriptor {leaky_descriptor} is /etc")


@pytest.mark.parametrize("profile", BOXES)
@pytest.mark.parametrize("number", range(3, 24))
def test_a_working_directory_through_a_descriptor_leads_nowhere(
    arena: Arena, profile: str, number: int
) -> None:
    """CVE-2024-21626: an image's working directory named a descriptor that runc had open."""
    text = run_in(arena, profile, "leaked-directory", directory=f"/proc/self/fd/{number}")
    assert text.split()[0] in {"failed", "20"}, text


def test_a_directory_that_the_launcher_was_given_is_refused(
    arena: Arena, leaky_descriptor: int
) -> None:
    """So that the test above does not pass only because nothing is open just now."""
    told = []
    for number in range(3, 24):
        directory, given = f"/proc/self/fd/{number}", (leaky_descriptor,)
        told.append(run_in(arena, "default", "leaked-directory", directory=directory, given=given))
        assert told[-1].split()[0] in {"failed", "20"}, told[-1]
    assert [text for text in told if "EXDEV" in text]


def test_a_working_directory_inside_is_taken(arena: Arena) -> None:
    text = run_in(arena, "default", "leaked-directory", directory="/tmp")
    assert text.split()[0] == "20", text
