"""What the embedded driver's one root leaves, in a process that uses it again and again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from runtimes.kvm.connection import Connection  # needs libvirt

if TYPE_CHECKING:
    import libvirt


class Link:
    """A connection that nobody speaks on."""

    def domainEventRegisterAny(self, *_: object) -> int:  # noqa: N802  # libvirt's own name
        return 0


def connection(root: Path) -> Connection:
    root.mkdir(parents=True)
    directories = (root / "run", root / "lib")
    return Connection("qemu:///embed", cast("libvirt.virConnect", Link()), root, directories)


def test_the_first_users_own_directories_stay_its_own(tmp_path: Path) -> None:
    made = connection(tmp_path / "home/state/v")
    made.borrow()
    made.used()
    made.close()
    assert list((tmp_path / "home/state").iterdir()) == []


def test_a_later_user_takes_away_what_it_made_again_of_an_earlier_ones(tmp_path: Path) -> None:
    made = connection(tmp_path / "home/state/v")
    made.used()
    made.close()
    shutil.rmtree(tmp_path / "home")
    for _ in range(2):
        made.borrow()
        made.used()
        assert (tmp_path / "home/state/v/run").is_dir()
        made.borrow()  # a second user at the same time makes nothing
        made.used()
        made.close()
        assert (tmp_path / "home/state/v/run").is_dir()
        made.close()
        assert list(tmp_path.iterdir()) == []


def test_what_somebody_else_put_there_meanwhile_stays(tmp_path: Path) -> None:
    made = connection(tmp_path / "home/state/v")
    made.used()
    made.close()
    shutil.rmtree(tmp_path / "home")
    made.borrow()
    made.used()
    (tmp_path / "home/theirs").touch()
    made.close()
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["theirs"]
