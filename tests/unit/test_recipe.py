"""A recipe's key changes with everything that decides the content, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runtimes.faults import RuntimeFault
from runtimes.images.rootfs import recipe as recipes
from runtimes.images.rootfs.recipe import (
    FALLBACK,
    Distribution,
    ProgramSource,
    Recipe,
    host_distribution,
    key,
)

SOURCES = ("deb http://deb.debian.org/debian bookworm main",)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A C file with a header beside it; the agent's stands in for itself."""
    made = tmp_path / "memory.c"
    made.write_text("int main(void) { return 0; }")
    (tmp_path / "memory.h").write_text("")
    agent = tmp_path / "agent" / "agent.c"
    agent.parent.mkdir()
    agent.write_text("agent")
    monkeypatch.setattr(recipes, "AGENT", ProgramSource("/opt/tarebench/agent", agent))
    return made


@pytest.fixture
def recipe(source: Path) -> Recipe:
    return Recipe(
        "bookworm", ("wrk", "iperf3"), (ProgramSource("/opt/t/memory", source),), {"/etc/a": "x"}
    )


def key_of(recipe: Recipe) -> str:
    return key(recipe, SOURCES, "amd64", "-O2")


def test_the_order_of_packages_does_not_matter(recipe: Recipe) -> None:
    again = replace(recipe, packages=("iperf3", "wrk", "wrk"))
    assert key_of(again) == key_of(recipe)


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "trixie"},
        {"packages": ("wrk",)},
        {"programs": ()},
        {"files": {"/etc/a": "y"}},
        {"files": {"/etc/b": "x"}},
    ],
)
def test_each_part_of_the_recipe_changes_the_key(
    recipe: Recipe, change: dict[str, tuple[str, ...]]
) -> None:
    assert key_of(replace(recipe, **change)) != key_of(recipe)


@pytest.mark.parametrize("name", ["memory.c", "memory.h", "agent/agent.c"])
def test_a_changed_source_or_header_changes_the_key(
    recipe: Recipe, source: Path, name: str
) -> None:
    before = key_of(recipe)
    (source.parent / name).write_text("changed")
    assert key_of(recipe) != before


def test_sources_architecture_and_flags_are_part_of_the_key(recipe: Recipe) -> None:
    keys = {
        key(recipe, SOURCES, "amd64", "-O2"),
        key(recipe, (), "amd64", "-O2"),
        key(recipe, SOURCES, "arm64", "-O2"),
        key(recipe, SOURCES, "amd64", "-O3"),
    }
    assert len(keys) == 4


def test_a_missing_source_is_a_fault_that_names_it(recipe: Recipe, source: Path) -> None:
    source.unlink()
    with pytest.raises(RuntimeFault, match=r"memory\.c"):
        key_of(recipe)


@pytest.mark.parametrize("package", ["", "--hook", "a b", "?essential", "a/stable", "a,b", "A\n"])
def test_a_package_name_cannot_be_an_option_or_a_pattern(package: str) -> None:
    with pytest.raises(RuntimeFault, match="not the name of a Debian package"):
        Recipe("bookworm", (package,))


@pytest.mark.parametrize("path", ["etc/x", "/etc/../x", "/etc//x", "/", "/x/", "/./x"])
def test_a_files_path_must_be_plain_and_absolute(path: str) -> None:
    with pytest.raises(RuntimeFault, match="plain absolute path"):
        Recipe("bookworm", (), files={path: ""})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID=debian\nVERSION_CODENAME=bookworm\n", Distribution("debian", "bookworm")),
        ('ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME="noble"', Distribution("ubuntu", "noble")),
        (
            'ID=mint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=x\nUBUNTU_CODENAME=jammy\n',
            Distribution("ubuntu", "jammy"),
        ),
        ("ID=fedora\nVERSION_CODENAME=\n", FALLBACK),
        ("ID=debian\n", FALLBACK),
        ("garbage \x00 = \n=x", FALLBACK),
    ],
)
def test_the_hosts_distribution_or_its_base_is_used(
    tmp_path: Path, text: str, expected: Distribution
) -> None:
    (tmp_path / "os-release").write_text(text)
    assert host_distribution(tmp_path / "os-release") == expected


def test_a_host_without_os_release_gets_the_fall_back(tmp_path: Path) -> None:
    assert host_distribution(tmp_path / "none") == FALLBACK
