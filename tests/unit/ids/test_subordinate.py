"""Subordinate ids: read as newuidmap reads them, and never more generously."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.linux.ids import subordinate
from runtimes.linux.ids.maps import IDS, MOST_EXTENTS, Extent
from runtimes.linux.ids.subordinate import COUNT, Range


def test_a_line_is_an_owner_a_start_and_a_count() -> None:
    text = b"alice:100000:65536\n1001:165536:65536\n"
    assert subordinate.parse(text) == (
        Range("alice", 100_000, 65_536),
        Range("1001", 165_536, 65_536),
    )


@pytest.mark.parametrize(
    "line",
    [
        b"", b"#alice:1:1", b"alice:100000", b"alice:100000:65536:7", b":100000:65536",
        b"alice::65536", b"alice:100000:", b"alice:0x186a0:65536", b"alice:0303240:65536",
        b"alice: 100000:65536", b"alice:100000:-1", b"alice:1e5:10", b"alice:100000:0",
        b"alice:0:65536", b"alice:4294967295:1", b"alice:1:4294967295", b"alice:99999999999:1",
        b"\xff:100000:65536", b"a" * 1024 + b":100000:65536",
    ],
)  # fmt: skip
def test_what_is_no_range_or_could_be_read_in_two_ways_is_none(line: bytes) -> None:
    found = subordinate.parse(line + b"\nbob:200000:1\n")
    assert [each for each in found if each.owner != "#alice"] == [Range("bob", 200_000, 1)]


@given(st.binary(max_size=400))
def test_whatever_the_file_holds_a_range_never_has_root_nor_ends_beyond_all_ids(
    text: bytes,
) -> None:
    for each in subordinate.parse(text):
        assert each.start > 0
        assert each.count > 0
        assert each.end < IDS


def test_a_users_map_is_its_own_id_and_then_its_ranges() -> None:
    ranges = (Range("bob", 1, 9), Range("alice", 200_000, 10), Range("1000", 300_000, COUNT))
    assert subordinate.extents(1000, ranges, {"alice", "1000"}) == (
        Extent(0, 1000, 1),
        Extent(1, 200_000, 10),
        Extent(11, 300_000, COUNT - 10),
    )


RANGES = st.lists(
    st.builds(
        Range,
        st.sampled_from(["alice", "bob"]),
        st.integers(1, 5000),
        st.integers(1, 3000),
    ),
    max_size=20,
)


@given(st.integers(0, 5000), RANGES)
def test_a_map_is_one_the_kernel_takes_and_gives_nothing_away_that_is_somebody_elses(
    own: int, ranges: list[Range]
) -> None:
    found = subordinate.extents(own, ranges, {"alice"})
    assert found[0] == Extent(0, own, 1)
    assert len(found) <= MOST_EXTENTS
    inside = 0
    seen: set[int] = set()
    for each in found:
        assert each.inside == inside
        inside += each.count
        ids = set(range(each.outside, each.outside + each.count))
        assert not ids & seen
        seen |= ids
    allowed = {own}.union(*(range(r.start, r.end) for r in ranges if r.owner == "alice"))
    assert seen <= allowed


def test_boxes_of_root_have_the_ids_that_are_tarebenchs() -> None:
    ranges = (Range("root", 700_000, COUNT), Range("tarebench", 900_000, COUNT))
    ids = subordinate.for_boxes_of_root(ranges, ranges)
    assert ids.root == (900_000, 900_000)


def test_else_they_have_roots_and_users_and_groups_may_differ() -> None:
    uids, gids = (Range("root", 700_000, COUNT),), (Range("0", 800_000, 2 * COUNT),)
    ids = subordinate.for_boxes_of_root(uids, gids)
    assert ids.root == (700_000, 800_000)
    assert ids.is_whole


def test_a_range_that_is_too_small_or_only_in_one_file_is_not_taken() -> None:
    small = (Range("tarebench", 900_000, 1000),)
    ids = subordinate.for_boxes_of_root(small, (Range("tarebench", 900_000, COUNT),))
    assert ids.root == (100_000, 100_000)


def test_where_nothing_is_given_to_us_nobody_elses_ids_are_used() -> None:
    users = (Range("bob", 165_536, COUNT), Range("alice", 100_000, COUNT))
    ids = subordinate.for_boxes_of_root(users, ())
    assert ids.root == (100_000 + 2 * COUNT,) * 2
    assert subordinate.for_boxes_of_root((), ()).root == (100_000, 100_000)
    gap = (Range("alice", 100_000 + COUNT, COUNT),)
    assert subordinate.for_boxes_of_root((), gap).root == (100_000, 100_000)
