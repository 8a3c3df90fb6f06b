"""Applications in real boxes: each once for a moment, and what is shown when they go wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness import testbed  # by its module: pytest would take Testbed for a test class
from harness.box import inspect, started
from harness.clock import HostClock
from harness.context import Context
from harness.errors import HarnessFault
from harness.host import facts
from harness.limits import allot
from harness.work import Reading, perform
from runtimes import process
from runtimes.agent import AgentFault
from runtimes.base import Engine, Site
from runtimes.namespaces import NamespaceRuntime
from runtimes.native import NativeRuntime, peer_agent
from workloads.application import COMPRESSION, POSTGRESQL, REDIS, SQLITE
from workloads.base import CommandWork, Service, Side, Size, Workload

pytestmark = [pytest.mark.root, pytest.mark.slow]

ALL = (REDIS, POSTGRESQL, SQLITE, COMPRESSION)
KILL = "kill -KILL $(pidof {program})"


def given(
    workload: Workload, *, also: Sequence[Service] = (), instead: tuple[str, str] | None = None
) -> Workload:
    """``workload`` cut to a moment, with services more, or one word of its argv replaced."""
    plain = workload.work(Size(1, 1))
    assert isinstance(plain, CommandWork)
    services = [*plain.services, *also]
    if instead:
        old, new = instead
        services = [
            dataclasses.replace(
                each, argv=tuple(new if word == old else word for word in each.argv)
            )
            for each in services
        ]
    work = dataclasses.replace(plain, iterations=2, warm_ups=1, services=tuple(services))
    return dataclasses.replace(workload, work=lambda _: work)


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
def engines(site: Site, small_disk: Path) -> Iterator[dict[str, Engine]]:  # noqa: ARG001  # order only
    runtimes = {"native": NativeRuntime(), "ns": NamespaceRuntime()}
    for runtime in runtimes.values():
        answer = runtime.availability({})
        if not answer.ok:
            pytest.skip(f"{runtime.name} cannot run here: {answer.reason}")
    sites = {name: dataclasses.replace(site, state=site.state / name) for name in runtimes}
    for each in sites.values():
        each.state.mkdir()
    profiles = frozenset({"default"})
    with (
        runtimes["native"].prepare(sites["native"], profiles) as native,
        runtimes["ns"].prepare(sites["ns"], profiles) as ns,
    ):
        yield {"native": native, "ns": ns}


@pytest.fixture
def context(site: Site, engines: dict[str, Engine], bed: testbed.Testbed) -> Context:
    allotment = allot(None, None, None)
    (site.state / "peer").mkdir(exist_ok=True)
    peer_site = dataclasses.replace(site, state=site.state / "peer")
    host = facts()
    return Context(
        run=site.run,
        run_id="applications",
        clock=HostClock(),
        engines=engines,
        workloads={},
        network=bed,
        limits=site.limits,
        size=Size(1, 1),
        bits=site.rootfs,
        host=host,
        host_memory_bytes=host["memory_bytes"],
        peer=lambda: peer_agent(peer_site, allotment.harness_cpus),
        volumes=site.state / "volumes",
    )


def run(context: Context, backend: str, workload: Workload) -> list[Reading]:
    located = dataclasses.replace(workload, program=context.bits.locate(workload.program))
    with started(context, backend, "default", volume=workload.needs_volume) as box:
        inspect(context, box, located.program)
        assert box.program_digest == context.bits.program_digest(located.program)
        readings = perform(context, located, box)
    assert context.volumes is None or not list(Path(context.volumes).glob("*"))
    return readings


@pytest.mark.parametrize("backend", ["native", "ns"])
@pytest.mark.parametrize("workload", ALL, ids=lambda workload: workload.name)
def test_an_application_runs_and_is_understood(
    context: Context, backend: str, workload: Workload
) -> None:
    readings = run(context, backend, given(workload))
    assert {name for name, _, _ in readings} == {metric.name for metric in workload.metrics}
    assert sorted({iteration for _, iteration, _ in readings}) == [0, 1, 2]
    assert all(value > 0 for _, _, value in readings)


@pytest.mark.parametrize(
    ("workload", "program"),
    [(REDIS, "redis-server"), (POSTGRESQL, "postgres")],
    ids=["redis", "postgresql"],
)
def test_a_server_that_dies_is_named_with_its_end(
    context: Context, workload: Workload, program: str
) -> None:
    # In ns, which has process ids of its own: pidof finds nobody else's server.
    death = Service(("/bin/sh", "-c", KILL.format(program=program)), Side.BOX, 10.0)
    with pytest.raises(HarnessFault, match=r"exit status|ended with status -9 while") as caught:
        run(context, "ns", given(workload, also=[death]))
    assert "(it ended with status -9)" in caught.value.tail
    assert "ready to accept connections" in caught.value.tail.lower()


def test_a_server_that_does_not_come_up_says_why(context: Context) -> None:
    wrong = given(REDIS, instead=("--port", "--no-such-option"))
    with pytest.raises(AgentFault, match="before it wrote") as caught:
        run(context, "ns", wrong)
    assert "no-such-option" in caught.value.tail


@pytest.mark.parametrize("workload", [POSTGRESQL, SQLITE, COMPRESSION], ids=lambda each: each.name)
def test_a_full_volume_is_said(context: Context, small_disk: Path, workload: Workload) -> None:
    context.volumes = small_disk
    with pytest.raises(HarnessFault, match=r"exit status") as caught:
        run(context, "ns", given(workload))
    assert "full" in caught.value.tail or "No space left" in caught.value.tail
