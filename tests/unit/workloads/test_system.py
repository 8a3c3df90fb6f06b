from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.recordings import output

from runtimes import process
from workloads.base import WorkloadFault
from workloads.system import CALL, FAULT, SPAWN, SWITCH, parse

SERVICES = {"call": CALL, "fault": FAULT, "switch": SWITCH, "spawn": SPAWN}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    built = tmp_path_factory.mktemp("system") / "system"
    (source,) = CALL.programs
    strict = ("-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-static")
    process.run(
        ["gcc", *strict, *source.flags, "-o", str(built), str(source.source)], timeout_s=120
    )
    return str(built)


@pytest.mark.slow
@pytest.mark.parametrize("mode", SERVICES)
def test_the_program_prints_what_its_parser_reads(program: str, mode: str) -> None:
    done = process.run([program, mode, "1"], timeout_s=60)
    values = dict(parse(output(done.stdout)))
    assert set(values) == {metric.name for metric in SERVICES[mode].metrics}
    assert 0 < values["best_ns"] <= values["mean_ns"] * 1.000001


@pytest.mark.parametrize("words", [[], ["call"], ["fly", "1"], ["call", "0"], ["call", "x"]])
def test_bad_arguments_are_refused(program: str, words: list[str]) -> None:
    with pytest.raises(process.CommandFailed, match="exit status 2"):
        process.run([program, *words], timeout_s=10)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"tarebench-system 2\ncount 1 1\nmean 1 ns\nbest 1 ns\n",
        b"tarebench-system 1\ncount 1 1\nmean 1 us\nbest 1 ns\n",
        b"tarebench-system 1\ncount 1 1\nmean nan ns\nbest 1 ns\n",
        b"tarebench-system 1\ncount 1 1\nmean 1 ns\nbest 2 ns\n",
        b"tarebench-system 1\ncount 0 1\nmean 1 ns\nbest 1 ns\n",
        b"tarebench-system 1\ncount 1 1\nmean 1 ns\nbest 1 ns\nmore 1 ns\n",
    ],
)
def test_other_output_is_refused(text: bytes) -> None:
    with pytest.raises(WorkloadFault):
        parse(output(text))


def test_programs_are_found_where_they_are_named() -> None:
    assert all(Path(each.source).is_file() for each in CALL.programs)
