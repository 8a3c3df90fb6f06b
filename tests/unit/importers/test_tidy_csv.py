from __future__ import annotations

from pathlib import Path

import pytest

from results.importers import ImportFault
from tests.support.imports import HEADER, csv, made, values

ROW = "native,cpu.linpack,gflops,GFLOPS,higher,290.5"
OTHER = "docker,cpu.linpack,gflops,GFLOPS,higher,290.7"
REORDERED = ROW.replace("native", "a\u202eb")
SHUFFLED_HEADER = "Value,DIRECTION,unit,Metric,workload,ARM"
SHUFFLED_ROW = "290.5,Higher,GFLOPS,gflops,cpu.linpack,native"
QUOTED = "\n".join(",".join(f'"{cell}"' for cell in row.split(",")) for row in (HEADER, ROW))
SPACED = f"{HEADER}\n{ROW}\n".replace(",", " , ")
FULL = f"{HEADER},block,trial,iteration"


def refused(path: Path, **options: object) -> str:
    with pytest.raises(ImportFault) as fault:
        made(path, **options)
    return f"{fault.value} | {fault.value.hint}"


def test_each_row_is_a_trial_and_nothing_is_paired_without_blocks(tmp_path: Path) -> None:
    run = made(csv(tmp_path / "a.csv", [ROW, ROW, OTHER]))
    assert values(run) == {
        ("native", "cpu.linpack", "gflops"): [[290.5], [290.5]],
        ("docker", "cpu.linpack", "gflops"): [[290.7]],
    }
    blocks = {trial.backend: set() for trial, _ in run.trials}
    for trial, _ in run.trials:
        blocks[trial.backend].add(trial.block)
    assert blocks["native"].isdisjoint(blocks["docker"])


def test_the_workload_is_known_by_its_resource_and_the_metric_keeps_its_unit(
    tmp_path: Path,
) -> None:
    (record,) = made(csv(tmp_path / "a.csv", [ROW])).run.workloads
    assert (record.resource, record.primary) == ("cpu", "gflops")
    assert record.metrics == (("gflops", "GFLOPS", "higher"),)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("order and case", f"{SHUFFLED_HEADER}\n{SHUFFLED_ROW}\n"),
        ("byte order mark", f"\ufeff{HEADER}\n{ROW}\n"),
        ("CRLF", f"{HEADER}\r\n{ROW}\r\n"),
        ("old Macintosh", f"{HEADER}\r{ROW}\r"),
        ("no newline at the end", f"{HEADER}\n{ROW}"),
        ("blank lines", f"\n\n{HEADER}\n\n{ROW}\n\n,,,,,\n"),
        ("semicolons", f"{HEADER}\n{ROW}\n".replace(",", ";")),
        ("tabs", f"{HEADER}\n{ROW}\n".replace(",", "\t")),
        ("what a spreadsheet puts first", f"sep=;\n{HEADER}\n{ROW}\n".replace(",", ";")),
        ("quotes", QUOTED),
        ("spaces", SPACED),
        ("another column", f'{HEADER},comment\n{ROW},"a, b"\n'),
    ],
)  # fmt: skip
def test_other_people_write_csv_in_other_ways(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    assert values(made(path)) == {("native", "cpu.linpack", "gflops"): [[290.5]]}, name


def test_columns_that_are_passed_over_are_named(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", [f"{ROW},x"], f"{HEADER},comment")
    assert "a.csv: columns passed over: comment" in made(path).run.notes


def test_iterations_of_a_trial_stay_together(tmp_path: Path) -> None:
    rows = [
        "native,cpu.x,s,s,lower,1,1,1,1",
        "native,cpu.x,s,s,lower,2,1,1,2",
        "native,cpu.x,s,s,lower,3,1,2,1",
    ]
    run = made(csv(tmp_path / "a.csv", rows, FULL))
    assert values(run) == {("native", "cpu.x", "s"): [[1, 2], [3]]}
    assert {trial.block for trial, _ in run.trials} == {1}
    assert len({trial.trial_id for trial, _ in run.trials}) == 2


def test_iterations_without_trials_belong_to_the_only_one_of_their_block(tmp_path: Path) -> None:
    header = f"{HEADER},block,iteration"
    rows = ["native,cpu.x,s,s,lower,1,7,1", "native,cpu.x,s,s,lower,2,7,2"]
    run = made(csv(tmp_path / "a.csv", rows, header))
    assert values(run) == {("native", "cpu.x", "s"): [[1, 2]]}


def test_iterations_of_nothing_are_refused(tmp_path: Path) -> None:
    said = refused(csv(tmp_path / "a.csv", [f"{ROW},1"], f"{HEADER},iteration"))
    assert "a.csv:2, column 7: iteration: of which trial?" in said


def test_metrics_of_one_trial_are_one_trial(tmp_path: Path) -> None:
    rows = ["native,cpu.x,s,s,lower,1,1,1,1", "native,cpu.x,joules,J,lower,9,1,1,1"]
    run = made(csv(tmp_path / "a.csv", rows, FULL))
    assert len(run.trials) == 1
    assert [metric for metric, _, _ in run.run.workloads[0].metrics] == ["s", "joules"]


def test_blocks_keep_their_numbers_and_are_counted_where_they_have_names(tmp_path: Path) -> None:
    header = f"{HEADER},block"
    numbered = made(csv(tmp_path / "a.csv", [f"{ROW},7", f"{OTHER},7"], header))
    assert {trial.block for trial, _ in numbered.trials} == {7}
    named = made(csv(tmp_path / "b.csv", [f"{ROW},monday", f"{OTHER},monday"], header))
    assert {trial.block for trial, _ in named.trials} == {1}


def test_profiles_come_after_a_colon_and_case_tells_no_arms_apart(tmp_path: Path) -> None:
    rows = [ROW, OTHER.replace("docker", "Docker:Host-Net"), OTHER.replace("docker", "KVM")]
    run = made(csv(tmp_path / "a.csv", rows)).run
    assert {(arm.backend, arm.profile) for arm in run.arms} == {
        ("native", "default"), ("docker", "host-net"), ("kvm", "default"),
    }  # fmt: skip


def test_a_formula_is_only_text(tmp_path: Path) -> None:
    arm = "=cmd|' /C calc'!A0"
    run = made(csv(tmp_path / "a.csv", [ROW, OTHER.replace("docker", arm)])).run
    assert arm.casefold() in {each.backend for each in run.arms}


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("nan", "nan is not a finite number"),
        ("-Infinity", "-Infinity is not a finite number"),
        ("1e999", "inf is not a finite number"),
        ("N/A", "N/A is not a finite number"),
        ("", "it is empty"),
        ("fast", "'fast' is not a number"),
        ("1_000", "thousands set apart"),
        ("1 000", "thousands set apart"),
        ("٣", "is not a number"),
        ("0x10", "is not a number"),
        ("1e200", "beyond what can be compared"),
        ("=1+1", "'=1+1' is not a number"),
        ('"1,5"', "decimal comma"),
        ('"1.234,5"', "decimal comma"),
        ('"1,500"', "thousands set apart or a decimal comma"),
    ],
)
def test_a_value_that_is_none_is_refused_with_its_place(
    tmp_path: Path, cell: str, said: str
) -> None:
    row = f"native,cpu.linpack,gflops,GFLOPS,higher,{cell}"
    message = refused(csv(tmp_path / "a.csv", [ROW, row]))
    assert f"{tmp_path}/a.csv:3, column 6: value: " in message
    assert said in message


def test_a_decimal_comma_that_splits_a_cell_is_explained(tmp_path: Path) -> None:
    said = refused(csv(tmp_path / "a.csv", ["native,cpu.x,s,s,lower,1,5"]))
    assert "a.csv:2: 7 cells, but the header has 6" in said
    assert "decimal comma" in said


@pytest.mark.parametrize("unit", ["s", "ms", "ns", "µs", "seconds"])
def test_time_does_not_run_backwards(tmp_path: Path, unit: str) -> None:
    said = refused(csv(tmp_path / "a.csv", [f"native,cpu.x,t,{unit},lower,-1"]))
    assert "negative time" in said


def test_differences_may_be_negative(tmp_path: Path) -> None:
    row = "native,footprint.x,available_bytes,B,lower,-4096"
    assert values(made(csv(tmp_path / "a.csv", [row])))


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("docker,cpu.linpack,gflops,MFLOPS,higher,1", "is in MFLOPS, but in GFLOPS at"),
        ("docker,cpu.linpack,gflops,GFLOPS,lower,1", "direction: cpu.linpack gflops is in lower"),
    ],
)
def test_a_metric_has_one_unit_and_one_direction(tmp_path: Path, second: str, said: str) -> None:
    message = refused(csv(tmp_path / "a.csv", [ROW, second]))
    assert "a.csv:3: " in message
    assert said in message
    assert "a.csv:2" in message


def test_the_same_measurement_twice_is_refused(tmp_path: Path) -> None:
    rows = [f"{ROW},1,1,1", f"{ROW},1,1,1"]
    said = refused(csv(tmp_path / "a.csv", rows, FULL))
    assert "a.csv:3: the same arm, workload, metric, block, trial and iteration as 2" in said


@pytest.mark.parametrize("name", ["arm", "workload", "metric", "unit", "direction", "value"])
def test_a_missing_column_is_named(tmp_path: Path, name: str) -> None:
    header = HEADER.replace(name, f"{name[:-1]}")
    said = refused(csv(tmp_path / "a.csv", [ROW], header))
    assert f"a.csv:1: no column {name}" in said
    assert f"is {name[:-1]} meant for {name}?" in said


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    said = refused(csv(tmp_path / "a.csv", [f"{ROW},x"], f"{HEADER},Arm"))
    assert "a.csv:1, column 7: 'arm' is column 1 already" in said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"  \n ", "is empty"),
        (HEADER.encode(), "a header and no rows"),
        (b"sep=;", "a.csv:1: no header"),
        (b"\n\n\nhello\n", "a.csv:4: no header"),
        (b"hello\nworld\n", "a.csv:1: no header with the columns"),
        (f"{HEADER}\n{ROW}".encode().replace(b"native", b"nat\0ve"), "a.csv:2:4: a NUL byte"),
        (f"{HEADER}\n{ROW}".encode().replace(b"native", b"n\xe4tive"), "a.csv:2:2: the byte 0xe4"),
        (f"{HEADER}\n{ROW}".encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b\x08\x00", "is gzip"),
        (b"PK\x03\x04rest", "a spreadsheet"),
        (f'{HEADER}\n"{ROW}\n'.encode(), "a quote that is not closed?"),
        (f"{HEADER}\n{'x' * 200_000}".encode(), "a cell is longer than"),
        (f"{HEADER}\n{ROW.replace('native', 'x' * 2000)}".encode(), "more than 1000 characters"),
        (f"{HEADER}\n{ROW.replace('native', 'x' * 200)}".encode(), "at most 120"),
        (f"{HEADER}\n{REORDERED}".encode(), "U+202E cannot be shown"),
        (f"{HEADER}\n{ROW.replace('native', '')}".encode(), "arm: it is empty"),
        (f"{HEADER}\n{ROW.replace('native', 'docker:')}".encode(), "backend:profile"),
        (f"{HEADER}\n{ROW.replace('higher', 'up')}".encode(), "'up' is neither higher nor lower"),
        (f"{HEADER}\nnative,cpu.x\n".encode(), "a.csv:2: 2 cells, but the header has 6"),
        (f"{FULL}\n{ROW},1,1,one\n".encode(), "'one' is not a whole number"),
        (f"{FULL}\n{ROW},1,1,-1\n".encode(), "'-1' is not a whole number"),
        (f"{FULL}\n{ROW},,1,1\n".encode(), "column 7: block: it is empty"),
    ],
)  # fmt: skip
def test_what_is_no_tidy_csv_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    assert said in refused(path)


def test_a_place_counts_lines_of_the_file_when_cells_hold_newlines(tmp_path: Path) -> None:
    rows = [f'{ROW},"two\nlines"', f"{ROW.replace('290.5', 'x')},y"]
    assert "a.csv:4, column 6" in refused(csv(tmp_path / "a.csv", rows, f"{HEADER},comment"))


def test_names_that_tell_rows_apart_are_neither_arms_nor_workloads(tmp_path: Path) -> None:
    arms = [ROW.replace("native", f"a{number}") for number in range(201)]
    assert "201 arms, at most 200" in refused(csv(tmp_path / "a.csv", arms))
    workloads = [ROW.replace("cpu.linpack", f"w{number}") for number in range(2001)]
    said = refused(csv(tmp_path / "b.csv", workloads))
    assert "b.csv:2002: more than 2000 workloads and metrics" in said
