import os
import pwd
import stat
from pathlib import Path

import pytest

from runtimes import directories
from runtimes.faults import RuntimeFault
from runtimes.linux.ids.rights import is_host_root
from runtimes.linux.ids.subordinate import boxes_of_root

NOBODY = pwd.getpwnam("nobody").pw_uid
root_only = pytest.mark.skipif(not is_host_root(), reason="only root can give a file away")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def opened(path: Path, bits: int = 0o755) -> Path:
    path.mkdir()
    path.chmod(bits)
    return path


def test_what_is_made_is_closed_and_so_is_what_was_missing_above_it(tmp_path: Path) -> None:
    directories.closed(tmp_path / "a/b/c")
    assert {mode(tmp_path / each) for each in ("a", "a/b", "a/b/c")} == {0o700}


@pytest.mark.parametrize("bits", [0o755, 0o711, 0o777, 0o1777, 0o2755, 0o750])
def test_what_was_left_open_is_mended(tmp_path: Path, bits: int) -> None:
    assert mode(directories.closed(opened(tmp_path / "old", bits))) == 0o700


@root_only
def test_only_the_root_of_boxes_walks_through_a_state(tmp_path: Path) -> None:
    state = directories.closed(opened(tmp_path / "state"), walked=True)
    assert (mode(state), state.stat().st_gid) == (0o710, boxes_of_root().root[1])
    assert mode(directories.closed(state)) == 0o700


def test_a_directory_that_the_user_made_stays_as_it_is_and_is_closed_below(tmp_path: Path) -> None:
    given = opened(tmp_path / "given", 0o1777)
    directories.made(given, "TAREBENCH_STATE", walked=True)
    directories.closed(given / "own")
    assert (mode(given), mode(given / "own")) == (0o1777, 0o700)


def test_a_directory_that_is_not_there_yet_is_made_closed(tmp_path: Path) -> None:
    assert mode(directories.made(tmp_path / "new", "TAREBENCH_CACHE")) == 0o700


def test_the_usual_directories_are_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = opened(tmp_path / "tarebench")
    monkeypatch.setattr(directories, "_STATE", (tmp_path, "TEST_NO_SUCH_VARIABLE", "state"))
    monkeypatch.setattr(directories, "is_host_root", lambda: True)
    monkeypatch.delenv("TAREBENCH_STATE", raising=False)
    assert directories.state() == usual
    assert mode(directories.made(usual, "TAREBENCH_STATE")) == 0o700


@root_only
def test_what_somebody_else_has_made_is_refused(tmp_path: Path) -> None:
    theirs = opened(tmp_path / "theirs")
    os.chown(theirs, NOBODY, NOBODY)
    with pytest.raises(RuntimeFault, match=f"belongs to user {NOBODY}") as caught:
        directories.closed(theirs)
    assert "TAREBENCH_STATE" in caught.value.hint
    assert mode(theirs) == 0o755


def test_a_link_leads_only_to_what_is_closed_already(tmp_path: Path) -> None:
    target = opened(tmp_path / "elsewhere")
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(RuntimeFault, match="open to others"):
        directories.closed(link)
    assert mode(target) == 0o755, "what else is there is not known"
    target.chmod(0o700)
    assert directories.closed(link) == link


@root_only
def test_a_link_of_somebody_else_leads_nowhere(tmp_path: Path) -> None:
    (link := tmp_path / "link").symlink_to(directories.closed(tmp_path / "ours"))
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(RuntimeFault, match="not ours"):
        directories.closed(link)


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RuntimeFault, match="cannot be made") as caught:
        directories.made(tmp_path / "file", "TAREBENCH_CACHE")
    assert "TAREBENCH_CACHE" in caught.value.hint
