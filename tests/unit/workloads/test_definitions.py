"""What holds for every workload of ours."""

from __future__ import annotations

import pytest
from support.recordings import output

from runtimes.conventions import AGENT_PATH, BOX_PORT
from workloads import (
    application,
    cpu,
    deep_storage,
    footprint,
    linpack,
    memory,
    network,
    random_access,
    startup,
    storage,
    system,
    web,
)
from workloads.application.repeats import FEWEST, WARM_UPS
from workloads.base import (
    CommandWork,
    FootprintWork,
    Side,
    Size,
    StartupWork,
    Workload,
    WorkloadFault,
)
from workloads.registry import faults_of

COMMANDS = (
    cpu.SYSBENCH_CPU,
    cpu.OPENSSL_SHA256,
    linpack.LINPACK,
    memory.STREAM,
    memory.RANDOM_LATENCY,
    random_access.RANDOM_ACCESS,
    network.IPERF3,
    network.IPERF3_BACK,
    network.SOCKPERF,
    network.SOCKPERF_UDP,
    network.HTTP,
    storage.RANDOM_READ,
    storage.RANDOM_WRITE,
    storage.SEQUENTIAL_READ,
    storage.SEQUENTIAL_WRITE,
    deep_storage.DEEP_READ,
    deep_storage.DEEP_WRITE,
    deep_storage.DEEP_MIX,
    storage.ROOT_RANDOM_READ,
    storage.ROOT_RANDOM_WRITE,
    storage.ROOT_SEQUENTIAL_READ,
    storage.ROOT_SEQUENTIAL_WRITE,
    system.CALL,
    system.FAULT,
    system.SWITCH,
    system.SPAWN,
    system.LOOKUP,
    system.COPY_UP,
)
APPLICATIONS = (
    application.REDIS,
    application.REDIS_ONE,
    application.REDIS_MANY,
    application.POSTGRESQL,
    application.COMPRESSION,
    application.SQLITE,
)
STARTS = (startup.STARTUP_HTTP, startup.STARTUP_IDLE)
ALL = (*COMMANDS, *APPLICATIONS, *STARTS, footprint.IDLE)
SIZES = (Size(1, 1), Size(2, 1), Size(5, 3))


def command_work(workload: Workload, size: Size) -> CommandWork:
    work = workload.work(size)
    assert isinstance(work, CommandWork)
    return work


@pytest.mark.parametrize("workload", ALL, ids=lambda workload: workload.name)
def test_it_keeps_the_registrys_rules(workload: Workload) -> None:
    assert faults_of(workload, workload.name) == []


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("workload", COMMANDS, ids=lambda workload: workload.name)
def test_the_program_whose_digest_is_checked_is_the_one_that_runs(
    workload: Workload, size: Size
) -> None:
    work = command_work(workload, size)
    in_box = {step.argv[0] for step in (work.command, *work.services) if step.side is Side.BOX}
    assert in_box == {workload.program}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("workload", COMMANDS, ids=lambda workload: workload.name)
def test_the_size_decides_repeats_and_time(workload: Workload, size: Size) -> None:
    work = command_work(workload, size)
    assert work.iterations == size.iterations
    assert work.command.timeout_s > 10 * size.seconds
    assert any(str(size.seconds) in word for word in work.command.argv)
    assert all(step.argv[0].startswith("/") for step in (work.command, *work.services))


@pytest.mark.parametrize("workload", APPLICATIONS, ids=lambda workload: workload.name)
def test_an_application_warms_up_and_repeats_often_enough_to_tell(workload: Workload) -> None:
    assert {command_work(workload, size).warm_ups for size in SIZES} == {WARM_UPS}
    assert {command_work(workload, size).iterations for size in SIZES} == {FEWEST}
    assert command_work(workload, Size(FEWEST + 1, 1)).iterations == FEWEST + 1


@pytest.mark.parametrize("workload", APPLICATIONS, ids=lambda workload: workload.name)
def test_the_size_decides_how_much_an_iteration_of_an_application_does(workload: Workload) -> None:
    asked = [command_work(workload, size) for size in (Size(1, 1), Size(1, 3))]
    assert asked[0] != asked[1]
    assert asked[0].command.timeout_s < asked[1].command.timeout_s


@pytest.mark.parametrize("workload", APPLICATIONS, ids=lambda workload: workload.name)
def test_what_writes_to_the_volume_says_that_it_needs_one(workload: Workload) -> None:
    work = command_work(workload, Size(1, 1))
    words = [word for step in (work.command, *work.services) for word in step.argv]
    files = "".join(workload.files.values())
    uses = any("/volume" in text for text in (*words, files))
    assert workload.needs_volume == uses


@pytest.mark.parametrize("workload", ALL, ids=lambda workload: workload.name)
def test_what_needs_the_peer_says_that_it_needs_a_network(workload: Workload) -> None:
    work = workload.work(Size(1, 1))
    uses_peer = (isinstance(work, StartupWork) and work.service is not None) or (
        isinstance(work, CommandWork)
        and any(step.side is Side.PEER for step in (work.command, *work.services))
    )
    assert workload.needs_network == uses_peer


def test_the_web_servers_port_is_the_published_one() -> None:
    assert web.PORT == BOX_PORT
    assert f"listen 0.0.0.0:{BOX_PORT};" in web.FILES["/opt/tarebench/nginx.conf"]


def test_the_page_has_the_promised_length() -> None:
    assert len(web.FILES["/opt/tarebench/www/index.html"].encode()) == web.PAGE_BYTES


def test_an_idle_start_runs_the_agent_and_asks_for_nothing() -> None:
    work = startup.STARTUP_IDLE.work(Size(1, 1))
    assert isinstance(work, StartupWork)
    assert work.service is None
    assert startup.STARTUP_IDLE.program == AGENT_PATH


def test_the_idle_box_runs_the_agent_and_nothing_else() -> None:
    assert footprint.IDLE.program == AGENT_PATH
    work = footprint.IDLE.work(Size(1, 1))
    assert isinstance(work, FootprintWork)
    assert work.instances > 1


@pytest.mark.parametrize("workload", [*STARTS, footprint.IDLE], ids=lambda w: w.name)
def test_work_without_output_has_nothing_to_parse(workload: Workload) -> None:
    with pytest.raises(WorkloadFault, match="without output"):
        workload.parse(output("x"))
