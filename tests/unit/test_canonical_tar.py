"""Canonical archives: one spelling for one tree, and nothing hostile gets through."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.images.canonical import (
    EPOCH_S,
    Entry,
    HostileArchive,
    Slice,
    arrange,
    clean_name,
    digest,
    pieces,
    read,
    write,
)

names = st.lists(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1),
    min_size=1,
    max_size=4,
)


def tar_of(path: Path, *members: tuple[str, bytes, dict[str, object]]) -> Path:
    """A tar archive with ``members``: name, content, fields of TarInfo."""
    with tarfile.open(path, "w") as tar:
        for name, content, fields in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for field, value in fields.items():
                setattr(member, field, value)
            tar.addfile(member, io.BytesIO(content))
    return path


def written(entries: list[Entry]) -> bytes:
    out = io.BytesIO()
    write(entries, out.write)
    return out.getvalue()


TREE = [
    Entry("a", "directory", 0o755),
    Entry("a/f", "file", 0o4755, 1, 2, content=b"hello"),
    Entry("a/l", "symlink", 0o777, link="../a/f"),
    Entry("a-b", "file", content=b""),
    Entry("dev", "directory", 0o755),
    Entry("dev/null", "device", 0o666),
]


@given(st.permutations(TREE))
def test_the_order_of_entries_does_not_change_the_digest(shuffled: list[Entry]) -> None:
    assert digest(arrange(shuffled)) == digest(arrange(TREE))


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar"
    archive.write_bytes(written(arrange(TREE)))
    back = read(archive)
    assert [replace(entry, content=b"".join(pieces(entry.content))) for entry in back] == arrange(
        TREE
    )
    assert digest(arrange(back)) == digest(arrange(TREE))


def test_times_and_owners_names_of_the_source_are_not_kept(tmp_path: Path) -> None:
    one = tar_of(tmp_path / "1", ("f", b"x", {"mtime": 5, "uname": "joe", "gname": "g"}))
    two = tar_of(tmp_path / "2", ("./f", b"x", {"mtime": 1e9 + 0.5}))
    assert digest(arrange(read(one))) == digest(arrange(read(two)))
    with tarfile.open(fileobj=io.BytesIO(written(arrange(read(one))))) as tar:
        assert (tar.getmember("f").mtime, tar.getmember("f").uname) == (EPOCH_S, "")


@pytest.mark.parametrize(
    "change", [{"mode": 0o600}, {"uid": 7}, {"content": b"hellO"}, {"capability": b"\1\0\xff"}]
)
def test_every_property_of_a_file_changes_the_digest(change: dict[str, bytes]) -> None:
    changed = [replace(e, **change) if e.name == "a/f" else e for e in TREE]
    assert digest(arrange(changed)) != digest(arrange(TREE))


def test_file_capabilities_survive_the_way_through_an_archive(tmp_path: Path) -> None:
    ping = Entry("ping", "file", 0o755, content=b"x", capability=b"\1\0\0\2\0 \0\0\xff\xfe")
    archive = tmp_path / "x.tar"
    archive.write_bytes(written([ping]))
    assert read(archive)[0].capability == ping.capability


def test_a_hard_link_holds_its_content_under_the_first_name(tmp_path: Path) -> None:
    archive = tar_of(
        tmp_path / "x",
        ("z", b"content", {}),
        ("b", b"", {"type": tarfile.LNKTYPE, "linkname": "./z"}),
    )
    first, second = arrange(read(archive))
    assert (first.name, first.kind, first.size_bytes) == ("b", "file", 7)
    assert (second.name, second.kind, second.link) == ("z", "hardlink", "b")


def test_a_hard_link_to_a_name_left_out_still_has_its_content(tmp_path: Path) -> None:
    archive = tar_of(
        tmp_path / "x",
        ("drop", b"content", {}),
        ("keep", b"", {"type": tarfile.LNKTYPE, "linkname": "drop"}),
    )
    [kept] = arrange(read(archive, lambda name: name != "drop"))
    assert b"".join(pieces(kept.content)) == b"content"


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a/..", "..", "a\0b"])
def test_a_name_that_is_absolute_or_climbs_is_refused(name: str) -> None:
    with pytest.raises(HostileArchive, match="relative"):
        clean_name(name)


@given(names)
def test_a_plain_name_is_kept_whatever_its_characters(parts: list[str]) -> None:
    plain = [part for part in parts if part not in {".", ".."}]
    assert clean_name("./" + "//".join(plain)) == "/".join(plain)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": tarfile.BLKTYPE}, "type"),
        ({"type": tarfile.FIFOTYPE}, "type"),
        ({"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 1}, "device 1:1"),
        ({"type": tarfile.LNKTYPE, "linkname": "/etc/shadow"}, "relative"),
        ({"type": tarfile.LNKTYPE, "linkname": "nowhere"}, "not a file before it"),
    ],
)
def test_a_strange_member_is_refused(
    tmp_path: Path, fields: dict[str, object], reason: str
) -> None:
    archive = tar_of(tmp_path / "x", ("strange", b"", fields))
    with pytest.raises(HostileArchive, match=reason):
        read(archive)


def test_a_known_device_with_other_numbers_is_refused(tmp_path: Path) -> None:
    sda = {"type": tarfile.CHRTYPE, "devmajor": 8, "devminor": 0}
    with pytest.raises(HostileArchive, match="device 8:0"):
        read(tar_of(tmp_path / "x", ("dev/null", b"", sda)))


def test_a_name_that_is_there_twice_is_refused() -> None:
    with pytest.raises(HostileArchive, match="twice"):
        arrange([Entry("x", "file", content=b"1"), Entry("x", "file", content=b"2")])


@pytest.mark.parametrize(
    "parent",
    [[], [Entry("a", "file")], [Entry("a", "symlink", link="/tmp")]],
    ids=["missing", "file", "symbolic link"],
)
def test_a_parent_that_is_no_directory_is_refused(parent: list[Entry]) -> None:
    with pytest.raises(HostileArchive, match="parent"):
        arrange([*parent, Entry("a/b", "file")])


@pytest.mark.parametrize("link", ["..", "../../etc", "x/../../..", "", "a\0"])
def test_a_symbolic_link_out_of_the_root_is_refused(link: str) -> None:
    with pytest.raises(HostileArchive, match="symbolic link"):
        arrange([Entry("x", "symlink", link=link)])


def test_a_symbolic_link_inside_the_root_is_kept() -> None:
    entries = [Entry("a", "directory"), Entry("a/x", "symlink", link="../y/../a")]
    assert arrange(entries) == entries


def test_a_truncated_archive_is_a_fault(tmp_path: Path) -> None:
    archive = tmp_path / "short"
    archive.write_bytes(b"only this")
    with pytest.raises(Exception, match="ends in the middle"):
        list(pieces(Slice(archive, 5, 100)))


@given(st.binary(max_size=2000))
def test_bytes_that_are_no_archive_never_crash_the_reader(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    archive = tmp_path_factory.mktemp("noise") / "x"
    archive.write_bytes(noise)
    try:
        arrange(read(archive))
    except Exception as error:  # noqa: BLE001 - the point is that only our own fault comes out
        assert type(error).__name__ in {"RuntimeFault", "HostileArchive"}  # noqa: PT017 - as above
