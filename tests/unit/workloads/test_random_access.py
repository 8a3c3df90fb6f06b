from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.recordings import changed, output, recorded

from runtimes import process
from workloads.base import WorkloadFault
from workloads.random_access import RANDOM_ACCESS, TABLE_BYTES, parse

(SOURCE,) = RANDOM_ACCESS.programs
STRICT = ("-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O2", "-static")
BESIDE = ("-I", str(SOURCE.source.parent))

JUMPS = """
#define main program_main
#include "{source}"
#undef main
int main(void)
{{
    uint64_t value = 1;
    for (uint64_t step = 0; step < 5000; step++, value = after(value))
        if (value_at(step) != value)
            return 3;
    return 0;
}}
"""


def built(source: Path, at: Path) -> str:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    process.run(["gcc", *STRICT, *BESIDE, str(source), "-o", str(at), *SOURCE.flags], timeout_s=120)
    return str(at)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    return built(SOURCE.source, tmp_path_factory.mktemp("random") / "random_access")


@pytest.mark.slow
def test_the_program_prints_what_its_parser_reads(program: str) -> None:
    done = process.run([program, str(TABLE_BYTES), "1"], timeout_s=120)
    assert [name for name, _ in parse(output(done.stdout))] == ["updates_per_second"]


def test_there_are_four_updates_for_each_word_where_time_allows(program: str) -> None:
    done = process.run([program, str(1 << 16), "60"], timeout_s=60)
    assert b"\nwords 8192 1\n" in done.stdout
    assert b"\nupdates 32768 1\n" in done.stdout


def test_the_table_is_the_largest_power_of_two_that_fits(program: str) -> None:
    done = process.run([program, "1000000", "60"], timeout_s=60)
    assert b"\nwords 65536 1\n" in done.stdout


def test_a_jump_in_the_sequence_lands_where_single_steps_do(tmp_path: Path) -> None:
    source = tmp_path / "jumps.c"
    source.write_text(JUMPS.format(source=SOURCE.source.resolve()))
    process.run([built(source, tmp_path / "jumps")], timeout_s=60)


def test_a_table_that_is_wrong_afterwards_is_a_fault(tmp_path: Path) -> None:
    text = SOURCE.source.read_text()
    before = "    right = right_words(table, words);"
    assert before in text
    broken = tmp_path / "broken.c"
    harm = "    for (uint64_t i = 0; i < words; i += 64)\n        table[i] ^= 1;\n"
    broken.write_text(text.replace(before, harm + before))
    with pytest.raises(process.CommandFailed, match="exit status 1") as caught:
        process.run([built(broken, tmp_path / "broken"), "1000000", "1"], timeout_s=60)
    assert "1 %" in caught.value.tail


@pytest.mark.parametrize(
    "arguments",
    [[], ["65536"], ["65535", "1"], ["-65536", "1"], ["65536x", "1"], ["65536", "0"]],
)
def test_bad_arguments_are_refused(program: str, arguments: list[str]) -> None:
    with pytest.raises(process.CommandFailed, match="exit status 2"):
        process.run([program, *arguments], timeout_s=10)


def test_without_enough_memory_it_says_so(program: str) -> None:
    with pytest.raises(process.CommandFailed, match="exit status 1") as caught:
        process.run(["prlimit", f"--as={64 << 20}", program, str(1 << 28), "1"], timeout_s=10)
    assert "mmap" in caught.value.tail


def test_what_was_recorded_is_read() -> None:
    stated = float(recorded("random-access-1.txt").decode().split("rate ")[1].split()[0])
    assert parse(output(recorded("random-access-1.txt"))) == (("updates_per_second", stated),)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("words 33554432", "words 1024", "table had"),
        ("right 33554432", "right 33000000", "fewer than 99 %"),
        ("right 33554432", "right 33554433", "fewer than 99 %"),
        ("updates ", "updates 9", "updates"),
        ("rate ", "rate -", "format"),
        ("threads 1", "threads 0", "threads"),
    ],
)
def test_output_of_another_kind_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(WorkloadFault, match=why):
        parse(changed("random-access-1.txt", old, new))
