"""Id maps, the rights that they tell of, and what stands in the way of having one."""

from __future__ import annotations

import pytest

from runtimes.linux.ids import maps, obstacles
from runtimes.linux.ids.maps import WHOLE, BoxIds, Extent


def test_the_hosts_own_map_is_told_from_any_other() -> None:
    assert maps.parse("         0          0 4294967295\n") == WHOLE
    assert maps.parse("0 1000 1\n1 100000 65536\n") == (
        Extent(0, 1000, 1),
        Extent(1, 100_000, 65_536),
    )
    assert maps.parse("nonsense\n0 1\n0 1 99999999999\n") == ()


def test_a_nested_map_is_extent_by_extent_because_none_may_lie_in_two() -> None:
    own = (Extent(0, 1000, 1), Extent(1, 100_000, 65_536))
    assert maps.lines(maps.nested(own)) == "0 0 1\n1 1 65536"


@pytest.mark.parametrize(
    ("extents", "whole", "terminals"),
    [
        ((Extent(0, 5, 65_536),), True, True),
        ((Extent(1, 9, 65_535), Extent(0, 5, 1)), True, True),
        ((Extent(0, 5, 1),), False, False),
        ((Extent(0, 5, 10), Extent(11, 90, 70_000)), False, True),
    ],
)
def test_a_box_knows_which_ids_it_lacks(
    extents: tuple[Extent, ...], whole: bool, terminals: bool
) -> None:
    ids = BoxIds(extents, extents)
    assert (ids.is_whole, ids.has_group(5)) == (whole, terminals)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"kernel/unprivileged_userns_clone": "0"}, "kernel.unprivileged_userns_clone=1"),
        ({"user/max_user_namespaces": "0"}, "user.max_user_namespaces="),
        (
            {"kernel/apparmor_restrict_unprivileged_userns": "1"},
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ({"user/max_user_namespaces": "900"}, "seccomp"),
    ],
)
def test_each_way_of_switching_user_namespaces_off_is_named_with_its_remedy(
    settings: dict[str, str], named: str
) -> None:
    assert named in obstacles.likely(settings.get).fix
