"""Workloads of other people's studies bear on the claims of their resource."""

from __future__ import annotations

from pathlib import Path

import pytest

from results.ledger.claims.load import load
from results.ledger.findings import ClaimVerdict
from results.ledger.judge.judge import judge
from tests.support.imports import DATA, made
from tests.support.two_runs import file_of, frame


def verdicts(path: Path) -> dict[str, ClaimVerdict]:
    run = made(path, baseline="none")
    judged = judge(load(), frame(run.trials, run.run), run.run)
    return {each.claim: each for each in judged.verdicts}


SAME = [100.0 + 0.1 * place for place in range(10)]
HALF = [value / 2 for value in SAME]


def study(path: Path, **workloads: tuple[list[float], list[float]]) -> Path:
    """Native and docker in each workload; underscores stand for dots."""
    by_workload = {
        name.replace("_", "."): {"native": native, "docker": docker}
        for name, (native, docker) in workloads.items()
    }
    return file_of(path, by_workload)


def test_linpack_of_felter_decides_what_it_bears_on() -> None:
    found = verdicts(DATA / "linpack-like-felter.csv")
    assert found["cpu-native"].verdict == "supported"
    # One resource of several: what it shows is said, and it does not speak for the others.
    assert found["vm-indirection"].verdict == "inconclusive"
    (part,) = [each for each in found["vm-indirection"].parts if each.measured]
    assert (part.name, part.verdict) == ("cpu.linpack", "supported")
    (linpack,) = [each for each in found["cpu-native"].findings if not each.awaited]
    assert (linpack.workload, linpack.metric, linpack.rule.value) == ("cpu.linpack", "gflops", 0.02)
    assert found["mem-few-percent"].verdict == "not evaluable"


def test_a_slow_container_refutes(tmp_path: Path) -> None:
    path = study(tmp_path / "a.csv", cpu_pxz=(SAME, HALF), memory_gups=(SAME, SAME))
    found = verdicts(path)
    assert found["cpu-native"].verdict == "refuted"
    assert found["mem-few-percent"].verdict == "supported"


def test_a_workload_of_ours_is_judged_by_its_own_part_with_their_metric(tmp_path: Path) -> None:
    path = study(tmp_path / "a.csv", cpu_sysbench=(SAME, SAME))
    found = verdicts(path)["cpu-native"]
    (part,) = [each for each in found.findings if not each.awaited]
    assert found.verdict == "supported"
    assert "SHA-256 was not measured" in found.sentence
    assert (part.part, part.workload, part.metric) == ("prime search", "cpu.sysbench", "speed")


@pytest.mark.parametrize("workload", ["linpack", "other_x"])
def test_what_names_no_resource_bears_on_no_claim(tmp_path: Path, workload: str) -> None:
    found = verdicts(study(tmp_path / "a.csv", **{workload: (SAME, HALF)}))
    assert {each.verdict for each in found.values()} == {"not evaluable"}


def test_a_factor_is_never_taken_of_a_rate(tmp_path: Path) -> None:
    path = file_of(
        tmp_path / "a.csv", {"startup.rate": {"native": SAME, "docker": SAME, "kvm": HALF}}
    )
    assert verdicts(path)["vm-startup"].verdict == "not evaluable"
    times = file_of(
        tmp_path / "b.csv",
        {"startup.time": {"native": SAME, "docker": SAME, "kvm": [20 * v for v in SAME]}},
        direction="lower",
    )
    assert verdicts(times)["vm-startup"].verdict == "supported"


def test_storage_that_claims_await_is_judged_where_somebody_measured_it(tmp_path: Path) -> None:
    path = file_of(tmp_path / "a.csv", {"storage.fio": {"native": SAME, "kvm": HALF}})
    found = verdicts(path)["vm-indirection"]
    assert found.verdict == "inconclusive"
    (part,) = [each for each in found.parts if each.measured]
    assert (part.name, part.verdict, part.holds) == ("storage.fio", "supported", ("kvm",))
    assert "a VM costs storage.fio" in found.sentence


def test_stream_that_behaves_in_a_vm_refutes_no_cost_of_vms(tmp_path: Path) -> None:
    """Published: STREAM in KVM at -1.1 %, and nothing else: one part is told, the rest is open."""
    slower = [value * 0.989 for value in SAME]
    path = file_of(tmp_path / "a.csv", {"memory.stream": {"native": SAME, "kvm": slower}})
    found = verdicts(path)["vm-indirection"]
    assert found.verdict == "inconclusive"
    assert [part.name for part in found.parts if part.verdict == "refuted"] == ["memory bandwidth"]
    assert "So far: not memory bandwidth" in found.sentence
    assert "not the whole claim" in found.sentence
    for part in ("prime search", "TCP throughput", "system calls"):
        assert part in found.sentence


def test_parts_that_differ_are_mixed_and_named(tmp_path: Path) -> None:
    slower = [value * 0.989 for value in SAME]
    path = file_of(
        tmp_path / "a.csv",
        {
            "memory.stream": {"native": SAME, "kvm": slower},
            "network.throughput": {"native": SAME, "kvm": HALF},
            "system.call": {"native": SAME, "kvm": HALF},
        },
    )
    found = verdicts(path)["vm-indirection"]
    assert found.headline == (
        "mixed: a VM costs TCP throughput and system calls; not memory bandwidth"
    )
    assert "Prime search, random memory access, TCP round trips" in found.sentence
    assert "were not measured: they count neither way" in found.sentence
    assert found.more is None
