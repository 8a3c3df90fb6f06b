from __future__ import annotations

import json
from typing import Any

import pytest
from support.recordings import output, recorded

from workloads import deep_storage
from workloads.base import CommandWork, Size, Workload, WorkloadFault

ALL = {
    "deep-read": deep_storage.DEEP_READ,
    "deep-write": deep_storage.DEEP_WRITE,
    "deep-mix": deep_storage.DEEP_MIX,
}


def report(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(recorded(f"fio-3.33-{name}.json"))
    return found


@pytest.mark.parametrize(("name", "side"), [("deep-read", "read"), ("deep-write", "write")])
def test_all_jobs_together_are_read_as_one(name: str, side: str) -> None:
    values = dict(ALL[name].parse(output(recorded(f"fio-3.33-{name}.json"))))
    assert values["operations_per_second"] == report(name)["jobs"][0][side]["iops"]


def test_a_mix_counts_both_directions() -> None:
    job = report("deep-mix")["jobs"][0]
    values = dict(deep_storage.DEEP_MIX.parse(output(recorded("fio-3.33-deep-mix.json"))))
    total = job["read"]["iops"] + job["write"]["iops"]
    assert values["operations_per_second"] == pytest.approx(total)
    assert values["reads_per_second"] == job["read"]["iops"]
    means = [job[side]["clat_ns"]["mean"] for side in ("read", "write")]
    assert min(means) < values["latency_mean_ns"] < max(means)


@pytest.mark.parametrize(("name", "pending"), [("deep-read", 128), ("deep-mix", 256)])
def test_as_many_requests_are_under_way_as_in_the_paper(name: str, pending: int) -> None:
    work = ALL[name].work(Size(1, 1))
    assert isinstance(work, CommandWork)
    words = dict(
        word.removeprefix("--").split("=") for word in work.command.argv if word.count("=") == 1
    )
    assert int(words["iodepth"]) * int(words["numjobs"]) == pending
    assert words["direct"] == "1"
    assert words["bs"] == "4096"


@pytest.mark.parametrize("workload", ALL.values(), ids=ALL)
def test_it_needs_a_volume(workload: Workload) -> None:
    assert workload.needs_volume


@pytest.mark.parametrize(
    ("side", "change"),
    [
        ("read", {"iops": 1.0, "bw_bytes": 4096}),
        ("write", {"iops": -1}),
        ("write", {"clat_ns": None}),
        ("read", {"bw_bytes": 17}),
        ("read", None),
    ],
)
def test_a_mix_that_does_not_hold_together_is_refused(
    side: str, change: dict[str, Any] | None
) -> None:
    changed = report("deep-mix")
    if change is None:
        del changed["jobs"][0][side]
    else:
        changed["jobs"][0][side].update(change)
    with pytest.raises(WorkloadFault):
        deep_storage.DEEP_MIX.parse(output(json.dumps(changed)))
