from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from reports.terminal.compare import look
from results.comparison.changes import compare_sides
from results.comparison.differences import differences
from results.comparison.family import survivors
from results.comparison.model import Side
from results.comparison.runs import compare_runs
from results.errors import StoreError
from results.ledger.judge.evidence import AGAIN
from results.store.selection import SelectionFault, select
from tests.support.two_runs import file_of, side, stored


def noise(seed: int, n: int = 20, center: float = 100.0, spread: float = 0.01) -> list[float]:
    return [float(v) for v in center * (1 + spread * np.random.default_rng(seed).normal(size=n))]


def one(tmp_path: Path, name: str, values: list[float], **more: object) -> Side:
    path = file_of(tmp_path / f"{name}.csv", {"cpu.x": {"docker": values}}, **more)  # type: ignore[arg-type]
    return side(path, run_id=f"run-{name}")


def test_what_became_slower_is_worse_and_the_other_way_round_better(tmp_path: Path) -> None:
    fast, slow = one(tmp_path, "a", noise(1)), one(tmp_path, "b", noise(2, center=90))
    (worse,) = compare_sides(fast, slow).changes
    assert worse.verdict == "worse"
    assert worse.comparison.ratio == pytest.approx(0.9, rel=0.02)
    (better,) = compare_sides(slow, fast).changes
    assert better.verdict == "better"


def test_of_a_time_more_is_worse(tmp_path: Path) -> None:
    short = one(tmp_path, "a", noise(1), direction="lower")
    long = one(tmp_path, "b", noise(2, center=110), direction="lower")
    found = compare_sides(short, long)
    assert [change.verdict for change in found.regressions] == ["worse"]


def test_the_same_within_the_margin_is_no_change(tmp_path: Path) -> None:
    found = compare_sides(one(tmp_path, "a", noise(1)), one(tmp_path, "b", noise(2)))
    assert [change.verdict for change in found.changes] == ["no change"]


def test_a_small_certain_difference_is_no_change_for_a_wide_margin_only(tmp_path: Path) -> None:
    a = one(tmp_path, "a", noise(1, n=50, spread=0.001))
    b = one(tmp_path, "b", noise(2, n=50, spread=0.001, center=99))
    assert compare_sides(a, b, margin=0.05).changes[0].verdict == "no change"
    assert compare_sides(a, b, margin=0.005).changes[0].verdict == "worse"


def test_too_few_trials_are_inconclusive_with_the_reason(tmp_path: Path) -> None:
    (change,) = compare_sides(one(tmp_path, "a", [1.0]), one(tmp_path, "b", [2.0])).changes
    assert change.verdict == "inconclusive"
    assert "fewer than 5 trials" in change.why


def test_nothing_is_paired_between_runs_that_number_their_blocks_alike(tmp_path: Path) -> None:
    a = one(tmp_path, "a", noise(1), blocks=True)
    b = one(tmp_path, "b", noise(2), blocks=True)
    found = compare_sides(a, b)
    assert not found.paired
    assert found.changes[0].comparison.method.startswith("Hodges")


def test_two_arms_of_one_run_are_paired_by_block_and_drift_does_not_hide_a_change(
    tmp_path: Path,
) -> None:
    drift = [1.0 + place / 20 for place in range(20)]
    arms = {"native": drift, "docker": [v * 0.97 for v in drift]}
    path = file_of(tmp_path / "a.csv", {"cpu.x": arms}, blocks=True)
    both = side(path)
    found = compare_sides(replace(both, arm="native"), replace(both, arm="docker"))
    assert found.paired
    assert found.changes[0].verdict == "worse"
    assert found.changes[0].comparison.high == pytest.approx(0.97)


def test_arms_of_a_run_without_blocks_are_not_paired(tmp_path: Path) -> None:
    both = side(file_of(tmp_path / "a.csv", {"cpu.x": {"native": noise(1), "docker": noise(2)}}))
    found = compare_sides(replace(both, arm="native"), replace(both, arm="docker"))
    assert not found.paired
    assert found.changes[0].comparison.low is not None


def test_an_effect_within_the_floor_is_none(tmp_path: Path) -> None:
    def measured(seed: int, center: float) -> Side:
        arms = {
            "native": noise(seed, spread=0.05),
            AGAIN: noise(seed + 1, spread=0.05),
            "docker": noise(seed + 2, center=center, spread=0.001),
        }
        path = file_of(tmp_path / f"{seed}.csv", {"cpu.x": arms}, blocks=True)
        return side(path, run_id=str(seed), source="bench")

    found = compare_sides(measured(10, 100), measured(20, 99))
    docker = next(change for change in found.changes if change.arm_b == "docker")
    assert docker.floor is not None
    assert docker.floor > 0.02
    assert docker.comparison.margin == docker.floor
    assert docker.comparison.high is not None
    assert docker.comparison.high < 1.0
    assert docker.verdict == "no change"
    assert AGAIN not in {change.arm_b for change in found.changes}


def test_a_bench_without_a_floor_decides_nothing(tmp_path: Path) -> None:
    sides = []
    for name, center in (("a", 100), ("b", 50)):
        path = file_of(tmp_path / f"{name}.csv", {"cpu.x": {"docker": noise(1, center=center)}})
        sides.append(side(path, run_id=name, source="bench"))
    found = compare_sides(*sides)
    assert found.changes[0].verdict == "inconclusive"
    assert any("smallest effect" in caution for caution in found.cautions)


def test_a_change_of_native_itself_is_pointed_out(tmp_path: Path) -> None:
    before = {"native": noise(1), "docker": noise(2)}
    after = {"native": noise(3, center=80), "docker": noise(4, center=80)}
    sides = [
        side(file_of(tmp_path / f"{name}.csv", {"cpu.x": arms}), run_id=name)
        for name, arms in (("a", before), ("b", after))
    ]
    found = compare_sides(*sides)
    assert len(found.regressions) == 2
    assert any(caution.startswith("native itself changed in 1 of 1") for caution in found.cautions)


def test_what_only_one_side_has_is_named(tmp_path: Path) -> None:
    a = file_of(tmp_path / "a.csv", {"cpu.x": {"docker": noise(1), "lxc": noise(2)}})
    b = file_of(tmp_path / "b.csv", {"cpu.x": {"docker": noise(1)}, "cpu.y": {"docker": noise(2)}})
    found = compare_sides(side(a, run_id="a"), side(b, run_id="b"))
    assert len(found.changes) == 1
    assert "lxc: only A has it" in found.left_out
    assert "cpu.y speed in docker: A has no valid trial" in found.left_out


def test_other_units_are_not_compared(tmp_path: Path) -> None:
    a = one(tmp_path, "a", noise(1))
    path = tmp_path / "b.csv"
    path.write_text((tmp_path / "a.csv").read_text().replace("1/s", "1/min"))
    found = compare_sides(a, side(path, run_id="b"))
    assert not found.changes
    assert "different units" in found.left_out[0]


def test_values_without_a_ratio_are_left_out(tmp_path: Path) -> None:
    found = compare_sides(one(tmp_path, "a", [0.0] * 9), one(tmp_path, "b", noise(1)))
    assert not found.changes
    assert "allow no ratio" in found.left_out[0]


def at_most(limit: int) -> object:
    return lambda divisor: divisor <= limit


@pytest.mark.parametrize(
    ("clarity", "kept"),
    [
        ([], []),
        ([0], [False]),
        ([1], [True]),
        ([3, 2, 1], [True, True, True]),
        ([1, 3, 2], [True, True, True]),
        ([2, 2, 2], [False, False, False]),
        ([3, 1, 1], [True, False, False]),
        ([9, 9, 0], [True, True, False]),
    ],
)
def test_holm_steps_down_from_the_clearest(clarity: list[int], kept: list[bool]) -> None:
    assert list(survivors([at_most(limit) for limit in clarity])) == kept  # type: ignore[misc]


@pytest.mark.slow
def test_one_of_many_differences_by_chance_is_no_regression(tmp_path: Path) -> None:
    """Over 200 pairs of equal sides with 12 metrics: any "worse" or "better" at most 5 %."""
    rng = np.random.default_rng(20240615)
    template = {f"cpu.{i}": {"docker": [1.0] * 10} for i in range(12)}
    a = side(file_of(tmp_path / "a.csv", template), run_id="a")
    false = 0
    for _ in range(200):
        sides = [_redrawn(a, rng, run) for run in ("a", "b")]
        found = compare_sides(*sides)
        false += any(change.verdict in {"worse", "better"} for change in found.changes)
    # 5 % and three standard errors of a share of 200.
    assert false / 200 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_a_clear_regression_stands_out_among_many(tmp_path: Path) -> None:
    workloads = {f"cpu.{i}": noise(i) for i in range(12)}
    before = {name: {"docker": values} for name, values in workloads.items()}
    after = {name: {"docker": noise(100 + int(name[4:]))} for name in workloads}
    after["cpu.7"] = {"docker": noise(200, center=90)}
    a = side(file_of(tmp_path / "a.csv", before), run_id="a")
    b = side(file_of(tmp_path / "b.csv", after), run_id="b")
    assert [change.workload for change in compare_sides(a, b).regressions] == ["cpu.7"]


def _redrawn(a: Side, rng: np.random.Generator, run: str) -> Side:
    values = {
        key: replace(each, means=np.exp(0.05 * rng.normal(size=each.means.size)))
        for key, each in a.evidence.values.items()
    }
    return replace(a, run=replace(a.run, run_id=run), evidence=replace(a.evidence, values=values))


def test_what_differs_between_runs_is_told(tmp_path: Path) -> None:
    a = one(tmp_path, "a", noise(1)).run
    b = replace(
        a,
        run_id="other",
        host={"kernel": "6.1", "cpu": {"model": "X", "online": 2}},
        limits={"memory_bytes": 512},
        rootfs_digest="sha256:b",
    )
    a = replace(
        a,
        host={"kernel": "5.10", "cpu": {"model": "X", "online": 4}},
        limits={"memory_bytes": 256},
        rootfs_digest="sha256:a",
    )
    told = differences(a, b)
    assert "the kernel: 5.10, then 6.1" in told
    assert "the CPU, online: 4, then 2" in told
    assert "the limits, memory_bytes: 256, then 512" in told
    assert "the root filesystem: sha256:a, then sha256:b" in told
    assert not differences(a, a)


@pytest.fixture
def two_runs(tmp_path: Path) -> tuple[Path, str, str]:
    root = tmp_path / "runs"
    arms = {"native": noise(1), "docker:host-net": noise(2)}
    first = stored(file_of(tmp_path / "a.csv", {"cpu.x": arms}, blocks=True), root)
    slower = arms | {"docker:host-net": noise(3, center=80)}
    second = stored(file_of(tmp_path / "b.csv", {"cpu.x": slower}, blocks=True), root)
    return root, first, second


def test_runs_are_named_in_every_way(two_runs: tuple[Path, str, str]) -> None:
    root, first, second = two_runs
    names = sorted([first, second], reverse=True)
    for given in (first, first[-6:], str(root / first)):
        assert select(given, root).directory.run().run_id == first
        chosen = select(f"{given}:docker:host-net", root)
        assert (chosen.directory.run().run_id, chosen.arm) == (first, "docker:host-net")
    assert select("latest", root).directory.run().run_id == names[0]
    assert select("latest~1:native", root).directory.run().run_id == names[1]


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("latest~2", "latest", "latest~2: there are 2 runs"),
        ("nosuch", "latest", "no run 'nosuch'"),
        ("latest:kvm", "latest", "has no arm 'kvm'"),
        ("latest", "latest", "A and B are the same"),
        ("latest:native", "latest:native", "A and B are the same"),
        ("latest:native", "latest", "A and B are the same"),
        ("", "latest", "no run ''"),
        ("x\0y", "latest", "no run"),
    ],
)
def test_what_cannot_be_selected_is_refused_with_the_valid_names(
    two_runs: tuple[Path, str, str], a: str, b: str, said: str
) -> None:
    with pytest.raises(StoreError) as fault:
        compare_runs(a, b, two_runs[0])
    assert said in str(fault.value)


@pytest.mark.parametrize(("margin", "only"), [(0.0, ""), (1.5, ""), (math.nan, ""), (0.02, "gpu")])
def test_a_margin_or_a_name_that_does_not_fit_is_refused(
    two_runs: tuple[Path, str, str], margin: float, only: str
) -> None:
    with pytest.raises(SelectionFault):
        compare_runs("latest~1", "latest", two_runs[0], margin=margin, only=only)


def test_the_table_and_the_json_name_the_regression(two_runs: tuple[Path, str, str]) -> None:
    root, first, second = two_runs
    shown = look(root, (first, second), 0.02, "cpu.x/speed")
    assert len(shown.regressions) == 1
    assert "cpu.x speed in docker:host-net: −2" in shown.regressions[0]
    document = json.dumps(shown.document, allow_nan=False)
    assert json.loads(document)["regressions"] == list(shown.regressions)
    console = Console(width=80, record=True, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115, PTH123  # nowhere
    console.print(*shown.lines, sep="\n")
    text = console.export_text()
    assert "▼ worse" in text
    assert "2 comparisons, not paired: 1 worse, 0 better" in text
    console.file.close()
