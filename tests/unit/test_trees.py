"""Trees are removed whatever their depth, without descriptors or stack for it, and no further."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from harness.clean import clean
from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.images.unpack import remove_tree
from runtimes.linux import trees
from runtimes.linux.cgroups import base as cgroups
from runtimes.ns import engine

LEVELS = 5000


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Gone afterwards also where a test fails: pytest cannot remove what is that deep."""
    made = Path(tempfile.mkdtemp(prefix="trees-"))
    try:
        yield made
    finally:
        process.run(["rm", "-rf", "--one-file-system", "--", str(made)], timeout_s=60)


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def deep(top: Path, levels: int, *, link: bool = True) -> None:
    """Directories in each other, deeper than any path is long; files and links beside them."""
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        if link:
            os.symlink("..", "link", dir_fd=here)
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


@pytest.mark.slow
@pytest.mark.parametrize("remove", [trees.remove, remove_tree, engine.remove_tree])
@pytest.mark.usefixtures("few_descriptors")
def test_a_tree_of_any_depth_is_removed(tmp_path: Path, remove: object) -> None:
    assert callable(remove)
    deep(tmp_path / "top", LEVELS)
    remove(tmp_path / "top")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_state_of_a_dead_run_goes_whatever_its_boxes_left(tmp_path: Path) -> None:
    (tmp_path / "abc123").mkdir()
    deep(tmp_path / "abc123/box", LEVELS)
    assert clean.clean_run("abc123", tmp_path, {})[-1] == "state of run abc123"


def opened(top: Path, levels: int) -> int:
    deep(top, levels)
    with mock.patch.object(trees, "openat2", side_effect=trees.openat2) as calls:
        trees.remove(top)
    return calls.call_count


def test_each_further_level_takes_the_same_work(tmp_path: Path) -> None:
    few, more, most = (opened(tmp_path / "top", levels) for levels in (10, 20, 30))
    assert most - more == more - few == 20


def test_a_tree_that_branches_is_removed_and_what_links_lead_to_is_not(tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    keep.mkdir()
    (keep / "file").touch()
    for name in ("top/a/b/c", "top/a/d", "top/e/f"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "link").symlink_to(keep)
        (tmp_path / name / "file").touch()
    trees.remove(tmp_path / "top")
    assert list(tmp_path.iterdir()) == [keep]
    assert (keep / "file").exists()


def test_a_link_is_no_tree(tmp_path: Path) -> None:
    (tmp_path / "keep").mkdir()
    (tmp_path / "link").symlink_to("keep")
    with pytest.raises(OSError, match="link"):
        trees.remove(tmp_path / "link")
    trees.remove(tmp_path / "link", ignore_errors=True)
    assert (tmp_path / "keep").is_dir()


def test_what_is_not_there_is_an_error_only_where_errors_are_wanted(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        trees.remove(tmp_path / "nothing")
    trees.remove(tmp_path / "nothing", ignore_errors=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_what_is_mounted_is_not_emptied_and_the_rest_goes(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    for name in ("top/a", "top/mounted/x", "top/z/y"):
        (tmp_path / name).mkdir(parents=True)
    process.run(
        ["mount", "--bind", str(tmp_path / "kept"), str(tmp_path / "top/mounted/x")], timeout_s=30
    )
    try:
        with pytest.raises(OSError, match="something is mounted there: 'top/mounted/x'"):
            trees.remove(tmp_path / "top")
        assert (tmp_path / "kept/file").exists()
        assert [path.name for path in (tmp_path / "top").iterdir()] == ["mounted"]
    finally:
        process.run(["umount", str(tmp_path / "top/mounted/x")], timeout_s=30)
    remove_tree(tmp_path / "top")


@pytest.mark.slow
def test_cgroups_are_found_deepest_first_at_any_depth(tmp_path: Path) -> None:
    path = tmp_path / "top"
    deep(path, 1500, link=False)
    found = cgroups.tree(path)
    assert (found[0], found[-1], len(found)) == (path.joinpath(*["d"] * 1500), path, 1501)


def test_what_cannot_be_removed_is_told(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    with (
        mock.patch.object(trees.os, "rmdir", side_effect=OSError(16, "busy")),
        pytest.raises(RuntimeFault, match=r"cannot remove .*top.*busy"),
    ):
        remove_tree(tmp_path / "top")
