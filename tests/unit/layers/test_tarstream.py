"""Tar archives are read strictly: what is plain comes through, whatever is not is named."""

from __future__ import annotations

import io
import tarfile
import time
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.layer_trees import archive, read, tar

from runtimes.images.canonical import HostileArchive
from runtimes.images.layers.limits.rules import Rules
from runtimes.images.layers.tar import pax
from runtimes.images.layers.tar import read as tarstream
from runtimes.images.layers.tar.member import Member
from tests.support.members import file

LONG = "d" * 120 + "/" + "n" * 200


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_that_tools_write_is_read(kind: int) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as made:
        info = tarfile.TarInfo("a/b" if kind == tarfile.USTAR_FORMAT else LONG)
        info.size, info.mode, info.uid, info.gid, info.mtime = 3, 0o4755, 1000, 7, 1_234_567_890
        made.addfile(info, io.BytesIO(b"abc"))
        info = tarfile.TarInfo("s")
        info.type, info.linkname = tarfile.SYMTYPE, "t" * (50 if kind == 0 else 300)
        made.addfile(info)
    (first, content), (second, _) = read(out.getvalue())
    assert (first.mode, first.uid, first.gid, content) == (0o4755, 1000, 7, b"abc")
    assert first.mtime_ns == 1_234_567_890 * 10**9
    assert first.name in {"a/b", LONG}
    assert second.link in {"t" * 50, "t" * 300}


def test_what_our_writer_writes_our_reader_reads() -> None:
    xattrs = {"user.a": b"\0\xff\n=", "security.capability": bytes(range(20))}
    members = [
        Member("d", "directory", 0o1777, mtime_ns=1_700_000_000_123_456_789),
        Member(LONG, "file", 0o640, 2**31, 5, -1_500_000_000, 3, xattrs=xattrs, pieces=(b"abc",)),
        Member("d/\udcff\u00e9", "symlink", 0o777, link="../\udcfe"),
        Member("h", "hardlink", link=LONG),
        Member("p", "fifo"),
        Member("null", "character", device=(1, 3)),
    ]
    assert [member for member, _ in read(archive(members))] == members


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("../x", {}, "climb"),
        ("a/../../x", {}, "climb"),
        ("/../x", {}, "climb"),
        ("x", {"type": b"S"}, "sparse"),
        ("x", {"type": b"7"}, "type b'7'"),
        ("x", {"type": b"Z"}, "type b'Z'"),
        ("x", {"pax_headers": {"GNU.sparse.major": "1"}}, "sparse"),
        ("x", {"pax_headers": {"SCHILY.xattr.trusted.overlay.redirect": "/"}}, "'trusted.overlay"),
        ("x", {"pax_headers": {"SCHILY.xattr.user.overlay.opaque": "y"}}, "'user.overlay"),
        ("x", {"pax_headers": {"SCHILY.xattr.security.apparmor": "y"}}, "'security.app"),
        ("x", {"pax_headers": {"SCHILY.xattr.user.a": "y" * 70_000}}, "bytes of attributes"),
        ("x", {"pax_headers": {"size": "-1"}}, "size"),
        ("x", {"pax_headers": {"size": "9" * 18}}, "out of bounds"),
        ("x", {"pax_headers": {"uid": "nan"}}, "uid"),
        ("x", {"pax_headers": {"mtime": "nan"}}, "mtime"),
        ("x", {"pax_headers": {"path": "a\0b"}}, "climb"),
        ("x", {"type": tarfile.CHRTYPE, "devmajor": 0, "devminor": 0}, "whiteout"),
        ("x", {"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 0}, "block device 8:0"),
        ("x", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 1}, "device 1:1"),
        ("x", {"type": tarfile.LNKTYPE, "linkname": "../../etc/shadow"}, "climb"),
        ("x", {"type": tarfile.SYMTYPE, "linkname": ""}, "symbolic link to ''"),
        ("", {}, "root must be a directory"),
        ("n" * 256, {}, "too long"),
        ("/".join("a" * 300), {}, "too deep"),
    ],
)
def test_what_is_not_plain_is_refused_by_name(
    name: str, fields: dict[str, object], words: str
) -> None:
    with pytest.raises(HostileArchive, match=words):
        read(tar((name, b"", fields)))


def test_absolute_names_are_names_in_the_root() -> None:
    raw = tar(("/etc/x", b"", {"type": tarfile.LNKTYPE, "linkname": "//etc/y"}))
    ((member, _),) = read(raw)
    assert (member.name, member.link) == ("etc/x", "etc/y")


def test_labels_of_another_hosts_policy_are_left_out() -> None:
    headers = {"SCHILY.xattr.security.selinux": "system_u", "SCHILY.xattr.user.kept": "1"}
    ((member, _),) = read(tar(("x", b"", {"pax_headers": headers})))
    assert dict(member.xattrs) == {"user.kept": b"1"}


def test_devices_are_made_where_the_caller_permits_them() -> None:
    raw = tar(("x", b"", {"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 1}))
    ((member, _),) = read(raw, Rules(devices=None))
    assert member.device == (8, 1)


def test_a_header_of_gigabytes_is_refused_before_it_is_read() -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = b"L", 6 << 30
    with pytest.raises(HostileArchive, match="extended header of 6442450944 bytes"):
        read(info.tobuf(tarfile.GNU_FORMAT))


def test_too_many_entries_are_refused() -> None:
    raw = tar(*((f"f{number}", b"", {}) for number in range(11)))
    assert len(read(raw, Rules(entries=11))) == 11
    with pytest.raises(HostileArchive, match="more than 10 entries"):
        read(raw, Rules(entries=10))


def test_content_that_is_not_read_is_skipped() -> None:
    raw = tar(("a", b"x" * 1500, {}), ("b", b"y", {}))
    names = [member.name for member in tarstream.members(io.BytesIO(raw).read, Rules())]
    assert names == ["a", "b"]


def test_a_stream_that_gives_single_bytes_is_read_as_well() -> None:
    stream = io.BytesIO(tar(("a", b"x" * 700, {"pax_headers": {"SCHILY.xattr.user.a": "b"}})))
    ((member, content),) = [
        (member, b"".join(member.pieces))
        for member in tarstream.members(lambda size: stream.read(min(size, 1)), Rules())
    ]
    assert (dict(member.xattrs), content) == ({"user.a": b"b"}, b"x" * 700)


@given(st.integers(0, 3000))
def test_an_archive_that_is_cut_off_is_refused_or_merely_shorter(length: int) -> None:
    raw = archive([file("a", b"x" * 600), file("b" * 150, b"y")])
    try:
        found = read(raw[:length])
    except HostileArchive:
        return
    whole = read(raw)
    assert found == whole[: len(found)]
    assert length % 512 == 0


@given(st.binary(max_size=2000), st.integers(0, 1 << 30))
def test_nonsense_is_refused_with_our_own_fault(noise: bytes, where: int) -> None:
    raw = bytearray(archive([file("a" * 150, b"x" * 600), Member("s", "symlink", link="a")]))
    place = where % len(raw)
    raw[place : place + len(noise)] = noise
    for broken in (bytes(raw), noise):
        try:
            read(broken)
        except HostileArchive:
            continue


@given(st.integers(-(10**18), 10**18))
def test_times_are_exact_to_the_nanosecond(time_ns: int) -> None:
    ((member, _),) = read(archive([Member("x", "file", mtime_ns=time_ns)]))
    assert member.mtime_ns == time_ns


@given(st.integers(-(2**87), 2**87 - 1))
def test_base_256_numbers_are_read_with_their_sign(value: int) -> None:
    raw = (value & (2**95 - 1) | 1 << 95).to_bytes(12, "big")
    assert pax.field_number(raw) == value


def seconds_for(count: int) -> float:
    raw = b"12 a=bcdefg\n" * count
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        assert len(pax.records(raw, count)) == count
        best = min(best, time.perf_counter() - began)
    return best


def test_a_header_of_four_times_the_records_takes_about_four_times_as_long() -> None:
    assert seconds_for(40_000) < 9 * seconds_for(10_000)


def test_too_many_records_are_refused() -> None:
    headers = {f"comment{number}": "x" for number in range(257)}
    with pytest.raises(HostileArchive, match="more than 256 records"):
        read(tar(("x", b"", {"pax_headers": headers})))


def header(kind: bytes, content: bytes) -> bytes:
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, len(content)
    return info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)


def test_many_headers_before_one_entry_have_no_more_records_than_one() -> None:
    raw = header(b"x", b"8 a=bcd\n" * 100) * 3 + tar(("x", b"", {}))
    with pytest.raises(HostileArchive, match="more than 256 records"):
        read(raw)


def test_global_headers_are_taken_once_and_not_for_each_entry() -> None:
    globals_ = header(b"g", b"".join(b"30 SCHILY.xattr.user.%04d=xyz\n" % n for n in range(200)))
    raw = globals_ + tar(*((f"f{number}", b"", {}) for number in range(300)))
    taken = 0
    take = pax.Extras.take

    def counted(self: pax.Extras, records: list[tuple[str, bytes]]) -> None:
        nonlocal taken
        taken += len(records)
        take(self, records)

    with mock.patch.object(pax.Extras, "take", counted):
        found = read(raw)
    assert (len(found), taken) == (300, 200)
    assert all(len(member.xattrs) == 200 for member, _ in found)


def test_what_an_entry_says_itself_goes_before_what_global_headers_say() -> None:
    own = {"pax_headers": {"mtime": "7", "SCHILY.xattr.user.a": "own"}}
    said = b"".join((b"12 mtime=99\n", b"27 SCHILY.xattr.user.a=all\n"))
    ((first, _), (second, _)) = read(header(b"g", said) + tar(("a", b"", own), ("b", b"", {})))
    assert (first.mtime_ns, first.xattrs) == (7 * 10**9, {"user.a": b"own"})
    assert (second.mtime_ns, second.xattrs) == (99 * 10**9, {"user.a": b"all"})


def test_attributes_that_global_headers_give_to_all_are_bounded() -> None:
    two = [
        b"".join(b"28 SCHILY.xattr.user.%s%03d=x\n" % (c, n) for n in range(200))
        for c in (b"a", b"b")
    ]
    with pytest.raises(HostileArchive, match="more than 256 attributes"):
        read(b"".join(header(b"g", each) for each in two) + tar(("x", b"", {})))
