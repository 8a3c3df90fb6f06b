"""Unpacking makes exactly what the archive says, and nothing outside the directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtimes.faults import RuntimeFault
from runtimes.images.canonical import EPOCH_S, Entry, arrange
from runtimes.images.unpack import remove_tree, resolve, unpack

ME, MINE = os.getuid(), os.getgid()


def file(name: str, content: bytes = b"", mode: int = 0o644) -> Entry:
    return Entry(name, "file", mode, ME, MINE, content=content)


def directory(name: str, mode: int = 0o755) -> Entry:
    return Entry(name, "directory", mode, ME, MINE)


def link(name: str, target: str) -> Entry:
    return Entry(name, "symlink", 0o777, ME, MINE, link=target)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small merged-usr tree."""
    made = tmp_path / "root"
    tree = [
        directory("usr"),
        directory("usr/bin"),
        file("usr/bin/dash", b"#!", 0o755),
        link("usr/bin/sh", "dash"),
        link("bin", "usr/bin"),
        link("up", "/usr/../bin/./sh"),
        link("round", "about"),
        link("about", "round"),
        directory("tmp", 0o1777),
    ]
    unpack(arrange(tree), made)
    return made


def test_modes_times_and_contents_are_as_in_the_archive(root: Path) -> None:
    dash = (root / "usr/bin/dash").stat()
    assert (dash.st_mode & 0o7777, dash.st_mtime) == (0o755, EPOCH_S)
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert all(path.lstat().st_mtime == EPOCH_S for path in (root, *root.rglob("*")))


def test_the_callers_umask_changes_nothing(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        unpack([directory("d", 0o775), file("d/f", mode=0o666)], tmp_path / "r")
    finally:
        os.umask(before)
    modes = [(tmp_path / "r" / name).stat().st_mode & 0o777 for name in ("", "d", "d/f")]
    assert modes == [0o755, 0o775, 0o666]


def test_hard_links_share_one_file(tmp_path: Path) -> None:
    unpack([file("a", b"x"), Entry("b", "hardlink", link="a")], tmp_path / "r")
    assert (tmp_path / "r/a").samefile(tmp_path / "r/b")


def test_an_existing_directory_is_never_unpacked_into(root: Path) -> None:
    with pytest.raises(FileExistsError):
        unpack([], root)


@pytest.mark.parametrize("path", ["/bin/sh", "/usr/bin/sh", "/up", "bin/../bin/sh", "/../bin/sh"])
def test_a_path_is_followed_as_a_process_in_the_root_would(root: Path, path: str) -> None:
    assert resolve(root, path) == "/usr/bin/dash"


def test_a_path_that_leads_nowhere_is_not_found(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        resolve(root, "/etc/passwd")


def test_links_that_go_round_are_a_fault(root: Path) -> None:
    with pytest.raises(RuntimeFault, match="too many symbolic links"):
        resolve(root, "/round")


def test_removing_a_tree_leaves_what_its_links_point_to(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/keep").touch()
    (root / "out").symlink_to(tmp_path / "mine")
    remove_tree(root)
    assert not root.exists()
    assert (tmp_path / "mine/keep").exists()


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    remove_tree(tmp_path / "nothing")
