"""An image's user is looked up in the image's files, whatever is in them, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes.faults import RuntimeFault
from runtimes.ns import user_lookup
from runtimes.ns.user_lookup import ROOT, UserIdentity, choose

PASSWD = b"""root:x:0:0:root:/root:/bin/sh
# web:x:1:1::/:/bin/sh
broken
:::
web:x:33:44:web:/srv:/bin/sh
web:x:34:34:a second one:/:/bin/sh
99:x:7:8:a name of digits:/seven:/bin/sh
huge:x:99999999999:1::/:/bin/sh
far:x:12:13::relative:/bin/sh
\xff\xfe:x:5:6::/odd:/bin/sh
"""
GROUP = b"""root:x:0:
www:x:44:
log:x:5:root,web
log:x:5:web
adm:x:4:web
bad:x:none:web
"""


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("web", UserIdentity(33, 44, (5, 4), "/srv")),
        ("33", UserIdentity(33, 44, (5, 4), "/srv")),
        ("web:log", UserIdentity(33, 5, (), "/srv")),
        ("web:7", UserIdentity(33, 7, (), "/srv")),
        ("1234", UserIdentity(1234)),
        ("1234:adm", UserIdentity(1234, 4)),
        ("1234:1235", UserIdentity(1234, 1235)),
        ("99", UserIdentity(7, 8, (), "/seven")),
        ("root", UserIdentity(0, 0, (5,), "/root")),
        ("far", UserIdentity(12, 13)),
    ],
)
def test_a_user_and_group_are_taken_as_the_specification_says(
    spec: str, found: UserIdentity
) -> None:
    assert choose(spec, PASSWD, GROUP) == found


@pytest.mark.parametrize(
    "spec",
    [
        "nobody",
        "web:nogroup",
        "-1",
        "4294967295",
        "99999999999999",
        "huge",
        ":",
        "#web",
        "\N{ARABIC-INDIC DIGIT THREE}",
    ],
)
def test_who_is_not_there_is_named(spec: str) -> None:
    with pytest.raises(RuntimeFault, match=r"there is no (user|group)"):
        choose(spec, PASSWD, GROUP)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A root with /etc, and a descriptor of it."""
    (tmp_path / "root/etc").mkdir(parents=True)
    descriptor = os.open(tmp_path / "root", os.O_PATH | os.O_DIRECTORY)
    yield tmp_path / "root", descriptor
    os.close(descriptor)


def test_without_a_user_it_is_root_and_nothing_is_read(root: tuple[Path, int]) -> None:
    os.mkfifo(root[0] / "etc/passwd")
    assert user_lookup.find("", root[1]) == ROOT


def test_missing_files_are_empty_ones(root: tuple[Path, int]) -> None:
    assert user_lookup.find("7:8", root[1]) == UserIdentity(7, 8)


@pytest.mark.parametrize("target", ["/x/passwd", "../x/passwd", "../../../../x/passwd"])
def test_links_lead_where_they_lead_in_the_root(root: tuple[Path, int], target: str) -> None:
    outside = root[0].parent / "x"
    for place in (root[0] / "x", outside):
        place.mkdir()
    (root[0] / "x/passwd").write_bytes(PASSWD)
    (outside / "passwd").write_text("web:x:0:0::/:/bin/sh\n")
    (root[0] / "etc/passwd").symlink_to(target)
    assert user_lookup.find("web", root[1]).uid == 33


def test_a_link_to_a_file_of_the_host_finds_nothing(root: tuple[Path, int]) -> None:
    (root[0] / "etc/passwd").symlink_to("/etc/hostname")
    assert user_lookup.find("7", root[1]) == UserIdentity(7)


@pytest.mark.parametrize("kind", ["fifo", "directory", "endless", "large"])
def test_what_is_no_plain_file_is_refused(root: tuple[Path, int], kind: str) -> None:
    path = root[0] / "etc/passwd"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "endless":
        path.symlink_to("passwd")
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    with pytest.raises(RuntimeFault, match="/etc/passwd of the image"):
        user_lookup.find("web", root[1])
