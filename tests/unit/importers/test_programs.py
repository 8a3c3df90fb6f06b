"""Files of hyperfine 1.15, pyperf 2.10 and pytest-benchmark 5.3.1, and what could be in others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from results.importers import ImportFault, Options, Source, prepare
from tests.support.imports import DATA, made, values


def document(name: str) -> Any:  # noqa: ANN401  # JSON of another program
    return json.loads((DATA / name).read_text())


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def refused(path: Path | str, arm: str = "", **options: object) -> str:
    with pytest.raises(ImportFault) as fault:
        made(path, arm, **options)
    return f"{fault.value} | {fault.value.hint}"


def test_each_timing_of_hyperfine_is_a_trial_of_the_arm_that_its_name_is() -> None:
    run = made("hyperfine-1.15-named.json")
    given = document("hyperfine-1.15-named.json")["results"]
    assert values(run) == {
        (result["command"], "hyperfine-1.15-named", "wall_ns"): [
            [seconds * 1e9] for seconds in result["times"]
        ]
        for result in given
    }
    assert run.run.source.startswith("hyperfine sha256:")


def test_a_command_that_failed_is_a_failed_trial_without_samples() -> None:
    renames = {"head": "native", "false": "docker"}
    run = made("hyperfine-1.15-failures.json", renames=renames)
    failed = [trial for trial, samples in run.trials if trial.backend == "docker" and not samples]
    assert len(failed) == 10
    assert {trial.status for trial in failed} == {"failed"}
    assert "exit status 1" in failed[0].error
    assert {arm for arm, _, _ in values(run)} == {"native"}


def test_a_parameter_of_hyperfine_can_be_the_arm() -> None:
    run = made("hyperfine-1.15-parameter.json", arm_param="backend")
    assert {key[:2] for key in values(run)} == {
        ("native", "echo backend"),
        ("docker", "echo backend"),
    }


def test_commands_of_one_arm_are_workloads_by_themselves() -> None:
    run = made("hyperfine-1.15-failures.json", "kvm")
    assert [each.name for each in run.run.workloads] == [
        "head -c 1 /dev/zero",
        "false size=1",
        "head -c 2 /dev/zero",
        "false size=2",
    ]


def test_peak_memory_of_hyperfine_is_a_metric_of_its_own(tmp_path: Path) -> None:
    result = {"command": "native", "times": [1.0, 2.0], "memory_usage_byte": [4096, 8192]}
    run = made(written(tmp_path / "a.json", {"results": [result]}))
    assert values(run)["native", "a", "peak_bytes"] == [[4096], [8192]]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"command": "native"}, "$.results[0]: no times, only their summary"),
        ({"command": "native", "times": [1.0], "exit_codes": []}, "exit_codes: 0 of them for 1"),
        ({"command": "native", "times": [-1.0]}, "$.results[0].times[0]: -1e+09 ns is a negative"),
        (
            {"command": "native", "times": ["1"]},
            "times[0]: Expected `float`, got `str`",
        ),
        ({"command": " \n", "times": [1.0]}, "the workload has no usable name"),
        ({"times": [1.0]}, "missing required field `command`"),
    ],
)
def test_what_hyperfine_would_not_write_is_refused(
    tmp_path: Path, result: object, said: str
) -> None:
    assert said in refused(written(tmp_path / "a.json", {"results": [result]}), "native")


def test_each_process_of_pyperf_is_a_trial_of_its_values_without_warm_ups() -> None:
    run = made("pyperf-2.10-one.json", "native")
    given = [
        each["values"] for each in document("pyperf-2.10-one.json")["benchmarks"][0]["runs"][1:]
    ]
    assert values(run)["native", "list_sort", "wall_ns"] == [
        [value * 1e9 for value in process] for process in given
    ]
    assert run.run.host["cpu_model"] == "AMD EPYC"


def test_benchmarks_of_a_pyperf_suite_are_workloads() -> None:
    run = made("pyperf-2.10-suite.json", "native")
    assert [each.name for each in run.run.workloads] == ["list_sort", "sum"]


def test_two_files_make_two_arms_of_one_run() -> None:
    sources = [
        Source(DATA / "pyperf-2.10-one.json", "native"),
        Source(DATA / "pyperf-2.10-slower.json", "docker"),
    ]
    run = prepare(sources, Options(), ("invoke",))
    assert {key[0] for key in values(run)} == {"native", "docker"}
    assert len(run.trials) == 12


def test_several_files_of_an_arm_are_several_trials() -> None:
    source = Source(DATA / "pytest-benchmark-5.3.1.json", "native")
    run = prepare([source, source], Options(), ("invoke",))
    assert [len(trial) for trial in values(run)["native", "plain", "wall_ns"]] == [5, 5]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metadata": {"unit": "furlong"}}, "the unit 'furlong' is none of second, byte, integer"),
        ({"benchmarks": [{"runs": []}]}, "$.benchmarks[0]: no run has values"),
        ({"benchmarks": [{"runs": [{"values": [None]}]}]}, "Expected `float`"),
        ({"benchmarks": []}, "holds no value"),
    ],
)
def test_what_pyperf_would_not_write_is_refused(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = written(tmp_path / "a.json", document("pyperf-2.10-one.json") | change)
    assert said in refused(path, "native")


def test_rounds_of_pytest_benchmark_are_iterations_of_their_process() -> None:
    run = made("pytest-benchmark-5.3.1.json", "native")
    rounds = document("pytest-benchmark-5.3.1.json")["benchmarks"][-1]["stats"]["data"]
    assert values(run)["native", "plain", "wall_ns"] == [[value * 1e9 for value in rounds]]


def test_rounds_count_as_trials_on_demand_and_a_note_says_so() -> None:
    run = made("pytest-benchmark-5.3.1.json", "native", rounds_are_trials=True)
    assert [len(trial) for trial in values(run)["native", "plain", "wall_ns"]] == [1] * 5
    assert any("rounds of one process" in note for note in run.run.notes)


def test_a_parameter_of_pytest_benchmark_can_be_the_arm() -> None:
    renames = {"test_b.py::test_plain": "native"}
    run = made("pytest-benchmark-5.3.1.json", arm_param="backend", renames=renames)
    assert {arm for arm, workload, _ in values(run) if workload == "cpu.sum[size=10]"} == {
        "native",
        "docker",
    }
    assert {each.resource for each in run.run.workloads} == {"cpu", "other"}


def test_a_summary_is_no_data() -> None:
    said = refused("pytest-benchmark-5.3.1-summary.json", "native")
    assert "$.benchmarks[0]: no stats.data, only a summary" in said
    assert "--benchmark-save-data" in said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"results": [\n {"command": "x", "times": [NaN]}]}', "a.json:2:29: JSON is malformed"),
        (b'{"results": [', "a.json:1:14: Input data was truncated"),
        (b'{"results": [' + b"[" * 100_000, "a.json"),
        (b'{"run_id": "x"}', "invoke compare reads our own runs"),
        (b'{"a": 1}', "not of pytest-benchmark, hyperfine or pyperf"),
        (b"[1, 2]", "Expected `object`, got `array`"),
        (b'{"results": "\xff"}', "a.json:1:14: the byte 0xff is not UTF-8"),
    ],
)
def test_what_is_no_such_json_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    assert said in refused(path, "native")
