"""What tests share: the real root filesystem and testbed, made once, where the host has them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from harness.directories import places
from harness.plan.limits import allot
from harness.prepare.prepare import recipe_for
from harness.prepare.testbed import Testbed
from runtimes import directories
from runtimes.base import Site
from runtimes.images.rootfs.rootfs import Rootfs, build
from runtimes.linux.ids.rights import is_host_root
from runtimes.process import find
from runtimes.resources import Limits
from tests.support.sites import held_testbed
from workloads.registry import load

UNIT = Path(__file__).with_name("unit")

settings.register_profile("patient", deadline=None)  # a busy host is no failure
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every unit test may run beside others."""
    for item in items:
        if UNIT in item.path.parents:
            item.add_marker(pytest.mark.parallel)


@pytest.fixture(scope="session")
def root_needed() -> None:
    """Skip where we are not root."""
    if not is_host_root():
        pytest.skip("needs root: namespaces, cgroups and taps are made")


@pytest.fixture(scope="session")
def rootfs(root_needed: None) -> Rootfs:  # noqa: ARG001  # order only
    """The root filesystem of the registered workloads, from the cache or built now."""
    if find("mmdebstrap") is None:
        pytest.skip("needs mmdebstrap, which builds the root filesystem")
    return build(recipe_for(load().workloads), places().cache, print)


@pytest.fixture(scope="session")
def run_id() -> str:
    """Short id of this session's boxes."""
    return secrets.token_hex(3)


@pytest.fixture(scope="session")
def bed(root_needed: None, run_id: str) -> Iterator[Testbed]:  # noqa: ARG001  # order only
    """The two network namespaces."""
    with held_testbed(run_id) as made:
        yield made


@pytest.fixture(scope="session")
def limits() -> Limits:
    """Limits of every box in a test: the defaults of a run."""
    return allot(None, None, None).box


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    run_id: str,
    rootfs: Rootfs,
    bed: Testbed,
    limits: Limits,
) -> Iterator[Site]:
    """A site for one module, with a short state directory: socket paths are limited."""
    base = directories.made(places().state, "TAREBENCH_STATE", walked=True)
    state = directories.closed(base / run_id / tmp_path_factory.mktemp("s").name, walked=True)
    yield Site(
        run=run_id,
        state=state,
        cache=places().cache,
        rootfs=rootfs,
        network=bed,
        limits=limits,
        progress=print,
    )
    _remove_empty(state)


def _remove_empty(state: Path) -> None:
    """Every engine has ended: what is still in the site's state was left behind."""
    left = sorted(str(path) for path in state.rglob("*") if not path.is_dir())
    assert left == [], f"left behind: {left}"
    for directory in sorted(state.rglob("*"), reverse=True):
        directory.rmdir()
    state.rmdir()
    for parent in (state.parent, state.parent.parent):
        if not any(parent.iterdir()):
            parent.rmdir()
