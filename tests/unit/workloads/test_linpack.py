from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.recordings import changed, output, recorded

from runtimes import process
from workloads.base import WorkloadFault
from workloads.linpack import LINPACK, ORDER, parse

(SOURCE,) = LINPACK.programs
STRICT = ("-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O2", "-static")
BESIDE = ("-I", str(SOURCE.source.parent))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    built = tmp_path_factory.mktemp("linpack") / "linpack"
    process.run(
        ["gcc", *STRICT, str(SOURCE.source), "-o", str(built), *SOURCE.flags], timeout_s=120
    )
    return str(built)


def test_the_program_prints_what_its_parser_reads(program: str) -> None:
    done = process.run([program, str(ORDER), "0"], timeout_s=120)
    assert {name for name, _ in parse(output(done.stdout))} == {
        metric.name for metric in LINPACK.metrics
    }


@pytest.mark.parametrize("order", [2, 3, 63, 64, 65, 127, 129, 200, 257, 600])
def test_a_system_of_any_order_is_solved_to_hpls_precision(program: str, order: int) -> None:
    # The program checks its solution and fails where the residual is above HPL's limit.
    done = process.run([program, str(order), "0"], timeout_s=60)
    residual = done.stdout.decode().split("residual ")[1].split()[0]
    assert 0 < float(residual) < 4


def test_a_wrong_solution_is_told_from_a_right_one(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    broken = tmp_path / "broken.c"
    text = SOURCE.source.read_text()
    right = "column[i] -= tile[i + j * s->kernel.rows];"
    assert right in text
    broken.write_text(text.replace(right, right.replace("-=", "-= 1e-9 +")))
    built = str(tmp_path / "broken")
    process.run(["gcc", *STRICT, *BESIDE, str(broken), "-o", built, *SOURCE.flags], timeout_s=120)
    with pytest.raises(process.CommandFailed, match="exit status 1") as caught:
        process.run([built, "300", "0"], timeout_s=60)
    assert "residual" in caught.value.tail


@pytest.mark.parametrize("cpus", [1, 2])
def test_it_uses_the_cpus_that_it_may_use(program: str, cpus: int) -> None:
    usable = sorted(os.sched_getaffinity(0))[:cpus]
    if len(usable) < cpus:
        pytest.skip(f"this host has fewer than {cpus} CPUs")
    chosen = ",".join(map(str, usable))
    done = process.run(["taskset", "-c", chosen, program, "300", "0"], timeout_s=60)
    assert f"\nthreads {cpus} 1\n".encode() in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [[], ["100"], ["1", "0"], ["-5", "0"], ["100x", "0"], ["99999999", "0"], ["100", "3601"]],
)
def test_bad_arguments_are_refused(program: str, arguments: list[str]) -> None:
    with pytest.raises(process.CommandFailed, match="exit status 2"):
        process.run([program, *arguments], timeout_s=10)


def test_without_enough_memory_it_says_so(program: str) -> None:
    with pytest.raises(process.CommandFailed, match="exit status 1") as caught:
        process.run(["prlimit", f"--as={64 << 20}", program, "8192", "0"], timeout_s=10)
    assert "mmap" in caught.value.tail


def test_what_was_recorded_is_read() -> None:
    values = dict(parse(output(recorded("linpack-1.txt"))))
    assert values["operations_per_second"] == pytest.approx(43151498288.4)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("tarebench-linpack 1", "tarebench-linpack 2", "first line"),
        ("order 2048", "order 100", "unknowns"),
        ("vector_bytes 64", "vector_bytes 48", "vectors"),
        ("residual 0.003674179689", "residual 16.5", "residual"),
        ("residual 0.003674179689", "residual nan", "format"),
        ("mean 43151498288.4", "mean 93151498288.4", "slower than the mean"),
        (" flop/s\nresidual", " Gflop/s\nresidual", "format"),
    ],
)
def test_output_of_another_kind_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(WorkloadFault, match=why):
        parse(changed("linpack-1.txt", old, new))
