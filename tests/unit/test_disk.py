"""Which way keeps a limit of disk, and what an image needs for itself."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.errors import HarnessFault
from harness.trial.box import limits_inside
from runtimes import process
from runtimes.docker.daemon import UserDaemon
from runtimes.docker.layout import Layout
from runtimes.docker.limiting import keeper_for, layer_of
from runtimes.docker.private import PrivateDaemon
from runtimes.faults import RuntimeFault
from runtimes.linux.disk import Keeper, choose, image, keeper, project, required

MIB = 1 << 20
GIB = 1 << 30


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """What this host is taken to have."""
    has = {"root": True, "quotas": False, "loops": True}
    monkeypatch.setattr(keeper, "is_host_root", lambda: has["root"])
    monkeypatch.setattr(project, "enforced", lambda _: has["quotas"])
    monkeypatch.setattr(image, "objection", lambda: "" if has["loops"] else "no loop devices")
    return has


def test_quotas_are_taken_before_images(host: dict[str, bool]) -> None:
    assert choose(Path("/nowhere"), GIB).how == "image"
    host["quotas"] = True
    assert choose(Path("/nowhere"), GIB).how == "quota"
    assert choose(Path("/nowhere"), 0) == Keeper(0)


@pytest.mark.parametrize("lacking", ["root", "loops"])
def test_what_cannot_be_kept_is_told_and_refused_by_hand(
    host: dict[str, bool], lacking: str
) -> None:
    host[lacking] = False
    made = choose(Path("/nowhere"), GIB)
    assert made.conditions == {"disk-unenforced"}
    assert ("plain user" if lacking == "root" else "no loop devices") in made.why
    with pytest.raises(RuntimeFault, match="--disk"):
        required(Path("/nowhere"), GIB)
    assert required(Path("/nowhere"), 0).conditions == frozenset()


def test_without_a_limit_nothing_is_made(tmp_path: Path) -> None:
    with ExitStack() as undo:
        spaces = Keeper(0).spaces(undo, tmp_path / "layer", tmp_path / "volume")
    assert spaces.layer.limit_bytes() is None
    assert not list(tmp_path.iterdir())
    assert Keeper(GIB, "image").spaces(ExitStack(), None, None).layer.limit_bytes() == 0


def test_dockers_own_layers_are_limited_where_they_are(
    host: dict[str, bool], tmp_path: Path
) -> None:
    own = PrivateDaemon(Layout("abcdef", tmp_path, tmp_path), tmp_path, 1500, None)
    theirs = UserDaemon("unix:///nowhere")
    assert keeper_for(own, tmp_path, "overlay2", GIB).how == "image"
    assert keeper_for(own, tmp_path, "btrfs", GIB).how == "nothing"
    assert keeper_for(theirs, tmp_path, "overlay2", GIB).how == "nothing"
    host["quotas"] = True
    assert keeper_for(theirs, tmp_path, "overlay2", GIB).how == "quota"


def test_a_layer_that_docker_keeps_elsewhere_is_refused(tmp_path: Path) -> None:
    upper = tmp_path / "l" / "diff"
    upper.mkdir(parents=True)
    told = {"GraphDriver": {"Data": {"UpperDir": str(upper)}}}
    assert layer_of(told) == upper.parent
    for odd in ({}, {"GraphDriver": {"Data": {"UpperDir": "/var/lib"}}}):
        with pytest.raises(RuntimeFault, match="layer"):
            layer_of(odd)


@pytest.mark.skipif(process.find("mke2fs") is None, reason="mke2fs is not installed")
@pytest.mark.parametrize("limit", [16 * MIB, 100 * MIB, GIB, 40 * GIB])
def test_an_image_has_room_for_its_limit_and_little_more(tmp_path: Path, limit: int) -> None:
    file = tmp_path / "disk"
    image.form(file, limit)
    with file.open("rb") as opened:
        free = image.free_bytes(opened.fileno()) - image.withheld_bytes(file.stat().st_size)
    assert limit <= free <= 1.001 * limit + 2 * MIB
    assert file.stat().st_blocks * 512 < 8 * MIB


def test_a_file_system_without_project_quotas_says_so(tmp_path: Path) -> None:
    if project.enforced(tmp_path):
        pytest.skip("this one has them")
    with pytest.raises(RuntimeFault, match="project quota"):
        project.limited(tmp_path, GIB)


@pytest.mark.parametrize("free", ["inf", "nan", "1e400", "much"])
def test_what_a_box_says_of_its_disk_is_a_number_or_a_fault(free: str) -> None:
    with pytest.raises(HarnessFault, match="disk_free_bytes"):
        limits_inside({"disk_free_bytes": free}, GIB)
    assert limits_inside({"disk_free_bytes": "4096"}, GIB).disk_bytes == 4096
