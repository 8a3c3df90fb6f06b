"""Many lives of a box leave nothing: 200 here, as many as TAREBENCH_SOAK says on a quiet night."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes.linux import cgroups, netns
from tests.support.ns_bench import PROGRAM, Bench, opened_bench

pytestmark = pytest.mark.root

RUN = secrets.token_hex(3)
CYCLES = int(os.environ.get("TAREBENCH_SOAK", "200"))
PROFILES = ("default", "no-net", "no-userns", "host-net", "no-overlay")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with opened_bench(RUN, tmp_path_factory.mktemp("ns")) as opened:
        yield opened


def counted(bench: Bench) -> dict[str, object]:
    """Everything of ours that could grow, on the host, in the harness and in the launcher."""
    hierarchy = cgroups.detect()
    points = set((hierarchy.controllers or {"": Path("/sys/fs/cgroup")}).values())
    interfaces = Path("/proc/thread-self/net/dev_snmp6")
    launchers = bench.engine.launcher.pids()
    return {
        "files": sorted(path.name for path in bench.site.state.iterdir()),
        "mounts": Path("/proc/self/mountinfo").read_text().count(str(bench.site.state)),
        "cgroups": [str(p) for point in points for p in point.glob(f"tarebench/{RUN}/*")],
        "interfaces": netns.inside(
            bench.bed.host_netns, lambda: sorted(path.name for path in interfaces.iterdir())
        ),
        "children": Path(f"/proc/self/task/{os.getpid()}/children").read_text().split(),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "launchers": launchers,
        "their descriptors": [len(list(Path(f"/proc/{p}/fd").iterdir())) for p in launchers],
        "their mounts": [
            Path(f"/proc/{p}/mountinfo").read_text().count(str(bench.site.state)) for p in launchers
        ],
        "their namespaces": [
            {path.name: str(path.readlink()) for path in Path(f"/proc/{p}/ns").iterdir()}
            for p in launchers
        ],
    }


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def life(bench: Bench, number: int) -> None:
    """Start, a command, every tenth time a pause and an added program, stop, remove."""
    profile = PROFILES[number % len(PROFILES)]
    with bench.box(profile, slot=number % 8) as box:
        assert box.agent.run([*PROGRAM, "true"], timeout_s=10).status == 0
        if number % 10 == 0:
            box.pause()
            box.resume()
            assert bench.engine.execute(box, [*PROGRAM, "true"]).wait(10) == 0
        box.stop(10)


def test_many_lives_leave_nothing(bench: Bench) -> None:
    for number in range(2 * len(PROFILES)):  # whatever is made once, is made
        life(bench, number)
    before, resident = counted(bench), resident_bytes(bench.engine.launcher.pids()[0])
    for number in range(CYCLES):
        life(bench, number)
    assert counted(bench) == before
    assert resident_bytes(bench.engine.launcher.pids()[0]) <= resident + (64 << 10)
