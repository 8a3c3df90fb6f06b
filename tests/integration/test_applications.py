"""Applications in real boxes: what is shown when they go wrong.

That each runs in every kind of box: tests/contract/test_applications.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import HarnessFault
from harness.prepare import testbed  # by its module: pytest would take Testbed for a test class
from harness.trial.context import Context
from runtimes import process
from runtimes.agent.channel import AgentFault
from runtimes.base import DEFAULT_PROFILE, Engine, Site
from runtimes.ns import NamespaceRuntime
from tests.support.applications import context_of, given, run
from workloads.application import COMPRESSION, POSTGRESQL, REDIS, SQLITE
from workloads.base import Service, Side, Workload

pytestmark = [pytest.mark.root, pytest.mark.slow]

KILL = "kill -KILL $(pidof {program})"


@pytest.fixture(scope="module")
def small_disk(site: Site) -> Iterator[Path]:
    """A directory with room for next to nothing, mounted before anything enters a namespace."""
    directory = site.state / "small"
    directory.mkdir()
    name = f"tb-test-{site.run}"
    process.run(["mount", "-t", "tmpfs", "-o", "size=1m", name, str(directory)], timeout_s=10)
    yield directory
    process.run(["umount", str(directory)], timeout_s=10)


@pytest.fixture(scope="module")
def engine(site: Site, small_disk: Path) -> Iterator[Engine]:  # noqa: ARG001  # order only
    """``ns``, whose boxes have process ids of their own: pidof finds nobody else's server."""
    answer = NamespaceRuntime().availability({})
    if not answer.ok:
        pytest.skip(f"ns cannot run here: {answer.reason}")
    with NamespaceRuntime().prepare(site, frozenset({DEFAULT_PROFILE})) as made:
        yield made


@pytest.fixture
def context(site: Site, engine: Engine, bed: testbed.Testbed) -> Context:
    return context_of(site, {"ns": engine}, bed)


@pytest.mark.parametrize(
    ("workload", "program"),
    [(REDIS, "redis-server"), (POSTGRESQL, "postgres")],
    ids=["redis", "postgresql"],
)
def test_a_server_that_dies_is_named_with_its_end(
    context: Context, workload: Workload, program: str
) -> None:
    death = Service(("/bin/sh", "-c", KILL.format(program=program)), Side.BOX, 10.0)
    with pytest.raises(HarnessFault, match=r"exit status|ended with status -9 while") as caught:
        run(context, "ns", given(workload, also=[death]))
    assert "(it ended with status -9)" in caught.value.tail
    assert "ready to accept connections" in caught.value.tail.lower()


def test_a_server_that_does_not_come_up_says_why(context: Context) -> None:
    wrong = given(REDIS, words={"--port": "--no-such-option"})
    with pytest.raises(AgentFault, match="before it wrote") as caught:
        run(context, "ns", wrong)
    assert "no-such-option" in caught.value.tail


@pytest.mark.parametrize("workload", [POSTGRESQL, SQLITE, COMPRESSION], ids=lambda each: each.name)
def test_a_full_volume_is_said(context: Context, small_disk: Path, workload: Workload) -> None:
    context.volumes = small_disk
    with pytest.raises(HarnessFault, match=r"exit status") as caught:
        run(context, "ns", given(workload))
    assert "full" in caught.value.tail or "No space left" in caught.value.tail
