from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.recordings import changed, output, recorded

from runtimes import process
from workloads.base import WorkloadFault
from workloads.memory import STREAM, parse_latency, parse_stream


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    built = tmp_path_factory.mktemp("memory") / "memory"
    (source,) = STREAM.programs
    warnings = ("-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    process.run(
        ["gcc", *warnings, "-O2", "-static", *source.flags, "-o", str(built), str(source.source)],
        timeout_s=120,
    )
    return str(built)


def test_the_bandwidth_program_prints_what_its_parser_reads(program: str) -> None:
    done = process.run([program, "stream", str(1 << 20), "0"], timeout_s=60)
    values = dict(parse_stream(output(done.stdout)))
    assert set(values) == {metric.name for metric in STREAM.metrics}


def test_at_least_three_rounds_are_run_however_short_the_time(program: str) -> None:
    done = process.run([program, "stream", str(1 << 20), "0"], timeout_s=60)
    assert b"\nrounds 3 1\n" in done.stdout


def test_the_latency_program_prints_what_its_parser_reads(program: str) -> None:
    done = process.run([program, "latency", str(1 << 20), "0"], timeout_s=60)
    assert [name for name, _ in parse_latency(output(done.stdout))] == [
        "load_mean_ns",
        "load_best_ns",
    ]


@pytest.mark.parametrize("size_bytes", [65_536, 65_600, 1_000_000])
def test_the_chase_passes_through_every_line_of_any_size(program: str, size_bytes: int) -> None:
    # The program walks its own cycle and fails where it is shorter than the number of lines.
    done = process.run([program, "latency", str(size_bytes), "0"], timeout_s=60)
    assert f"bytes {size_bytes // 64 * 64} B".encode() in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["stream"],
        ["stream", "1048576"],
        ["swim", "1048576", "0"],
        ["stream", "-1048576", "0"],
        ["stream", "1", "0"],
        ["stream", "1048576x", "0"],
        ["stream", "99999999999999999999999", "0"],
        ["latency", "1048576", "3601"],
        ["latency", "", "0"],
        ["latency", "1048576", "0", "more"],
    ],
)
def test_bad_arguments_are_refused(program: str, arguments: list[str]) -> None:
    with pytest.raises(process.CommandFailed, match="exit status 2"):
        process.run([program, *arguments], timeout_s=10)


def test_without_enough_memory_it_says_so(program: str) -> None:
    with pytest.raises(process.CommandFailed, match="exit status 1") as caught:
        process.run(
            ["prlimit", f"--as={64 << 20}", program, "stream", str(64 << 20), "0"], timeout_s=10
        )
    assert "mmap" in caught.value.tail


def test_the_program_lies_beside_the_package() -> None:
    assert all(Path(program.source).is_file() for program in STREAM.programs)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("tarebench-memory 1", "tarebench-memory 2", "first line"),
        ("triad", "quad", "no line begins"),
        ("rounds 35 1", "copy 1 B/s", "no line begins"),
        (" B/s\nscale", " MB/s\nscale", "format"),
        ("copy ", "copy -", "format"),
        ("array_bytes 67108864", "array_bytes 0", "not above 0"),
        ("triad", "more 1 B/s\ntriad", "7 values"),
    ],
)
def test_bandwidth_output_of_another_kind_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(WorkloadFault, match=why):
        parse_stream(changed("memory-stream-1.txt", old, new))


def test_a_fastest_batch_slower_than_the_mean_is_refused() -> None:
    swapped = recorded("memory-latency-1.txt").replace(b"mean", b"m").replace(b"best", b"mean")
    with pytest.raises(WorkloadFault, match="slower than the mean"):
        parse_latency(output(swapped.replace(b"m ", b"best ")))
