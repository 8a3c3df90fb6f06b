"""The real tools on this host, as the workloads call them, in a network namespace of the test's.

Figures are not judged: only that each parser understands what the installed version prints.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes import process
from workloads import cpu, iperf3, sockperf, web, wrk
from workloads.base import CommandWork, Output, Service, Size, Workload, WorkloadFault

QUICK = Size(iterations=1, seconds=1)


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


@pytest.fixture
def wire() -> Iterator[list[str]]:
    """Words that put a command into a namespace with nothing but its loopback."""
    need("ip")
    if os.geteuid() != 0:
        pytest.skip("a network namespace of its own needs root")
    name = f"tb-test-{os.getpid():x}"
    process.run(["ip", "netns", "add", name], timeout_s=10)
    try:
        process.run(["ip", "-n", name, "link", "set", "lo", "up"], timeout_s=10)
        yield ["ip", "netns", "exec", name]
    finally:
        process.run(["ip", "netns", "delete", name], timeout_s=10)


def measure(workload: Workload, prefix: list[str], **places: str) -> dict[str, float]:
    """Run the workload's command, its services being up already."""
    work = workload.work(QUICK)
    assert isinstance(work, CommandWork)
    argv = [word.format(**places) for word in work.command.argv]
    begin = time.monotonic_ns()
    done = process.run([*prefix, *argv], timeout_s=work.command.timeout_s)
    values = workload.parse(Output(done.stdout, done.stderr, time.monotonic_ns() - begin))
    declared = {metric.name for metric in workload.metrics}
    assert {name for name, _ in values} <= declared
    return dict(values)


def services(workload: Workload) -> tuple[Service, ...]:
    work = workload.work(QUICK)
    assert isinstance(work, CommandWork)
    return work.services


@pytest.fixture
def server(request: pytest.FixtureRequest, wire: list[str]) -> Iterator[list[str]]:
    """The workload's server in the namespace, up as its ``ready`` promises."""
    (service,) = services(request.param)
    need(service.argv[0])
    assert service.ready is not None
    child = process.spawn([*wire, *service.argv], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        seen = b""
        while service.ready not in seen:  # bounded by the end of its output and pytest's timeout
            piece = os.read(child.stdout.fileno(), 4096)
            assert piece, seen
            seen += piece
        yield wire
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        child.stdout.close() if child.stdout else None


@pytest.mark.parametrize("workload", [cpu.SYSBENCH_CPU, cpu.OPENSSL_SHA256], ids=lambda w: w.name)
def test_the_installed_cpu_tools_are_understood(workload: Workload) -> None:
    need(workload.program)
    assert len(measure(workload, [])) == len(workload.metrics)


@pytest.mark.root
@pytest.mark.parametrize(
    "server",
    [iperf3.IPERF3, iperf3.IPERF3_BACK, sockperf.SOCKPERF, sockperf.SOCKPERF_UDP],
    indirect=True,
    ids=lambda workload: workload.name,
)
def test_a_ready_server_serves_one_client_after_another(
    server: list[str], request: pytest.FixtureRequest
) -> None:
    workload: Workload = request.node.callspec.params["server"]
    for _ in range(2):
        assert measure(workload, server, peer="127.0.0.1")


@pytest.mark.root
def test_iperf3_without_a_server_is_a_fault(wire: list[str]) -> None:
    need("/usr/bin/iperf3")
    with pytest.raises((WorkloadFault, process.CommandFailed), match=r"refused|exit status"):
        measure(iperf3.IPERF3, wire, peer="127.0.0.1")


@pytest.mark.root
def test_the_web_server_answers_as_soon_as_its_command_has_ended(
    wire: list[str], tmp_path: Path
) -> None:
    need(web.NGINX, "/usr/bin/wrk")
    tmp_path.parent.chmod(0o755)
    for path, text in web.FILES.items():
        target = tmp_path / Path(path).relative_to("/opt/tarebench")
        target.parent.mkdir(exist_ok=True)
        here = text.replace("/opt/tarebench", str(tmp_path)).replace("/run/", f"{tmp_path}/")
        target.write_text(here.replace("/tmp/tarebench-", f"{tmp_path}/temporary-"))
    argv = [word.replace("/opt/tarebench", str(tmp_path)) for word in web.SERVER.argv]
    assert web.SERVER.ready is None
    process.run([*wire, *argv], timeout_s=web.SERVER.timeout_s)
    try:
        assert len(measure(wrk.HTTP, wire, box="127.0.0.1", port=str(web.PORT))) == 5
    finally:
        pid = int((tmp_path / "tarebench-nginx.pid").read_text())
        descriptor = os.pidfd_open(pid)
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        os.close(descriptor)
