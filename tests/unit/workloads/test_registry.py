from __future__ import annotations

import sys
import tomllib
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from workloads.base import Metric, Workload
from workloads.cpu import SYSBENCH_CPU
from workloads.registry import GROUP, Registry, load

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


def ours() -> list[EntryPoint]:
    declared = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"][GROUP]
    return [EntryPoint(name, value, GROUP) for name, value in declared.items()]


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("their_workloads")
    monkeypatch.setitem(sys.modules, "their_workloads", module)
    return module


def with_theirs(module: ModuleType, thing: object, name: str = "cpu.theirs") -> Registry:
    vars(module)["THING"] = thing
    return load([*ours(), point(name, "their_workloads:THING")])


def test_every_workload_of_ours_is_sound_and_in_order() -> None:
    registry = load(reversed(ours()))
    assert registry.broken == ()
    assert tuple(registry.workloads) == tuple(sorted(entry.name for entry in ours()))


def test_a_workload_of_another_package_stands_beside_ours(theirs: ModuleType) -> None:
    mine = replace(SYSBENCH_CPU, name="cpu.theirs")
    registry = with_theirs(theirs, mine)
    assert registry.workloads["cpu.theirs"] is mine
    assert "network.http" in registry.workloads


@pytest.mark.parametrize("value", ["their_missing_module:THING", "workloads.cpu:NOTHING"])
def test_what_cannot_be_imported_is_reported_and_breaks_nothing_else(value: str) -> None:
    registry = load([*ours(), point("cpu.theirs", value)])
    assert len(registry.workloads) == len(ours())
    (broken,) = registry.broken
    assert broken.name == "cpu.theirs"
    assert value in broken.origin
    assert "importing it failed" in broken.reason


def test_a_module_that_raises_anything_on_import_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raising_workloads.py").write_text("raise KeyError('mine')\n")
    monkeypatch.syspath_prepend(tmp_path)
    (broken,) = load([point("cpu.theirs", "raising_workloads:THING")]).broken
    assert "KeyError" in broken.reason


def test_what_is_no_workload_is_reported(theirs: ModuleType) -> None:
    (broken,) = with_theirs(theirs, {"name": "cpu.theirs"}).broken
    assert "type dict, not a Workload" in broken.reason


@pytest.mark.parametrize(
    ("name", "changes", "why"),
    [
        ("cpu.theirs", {"name": "cpu.other"}, "calls itself"),
        ("CPU.Theirs", {"name": "CPU.Theirs"}, "resource.what"),
        ("memory.theirs", {"name": "memory.theirs"}, "does not begin with its resource"),
        ("cpu.theirs", {"name": "cpu.theirs", "resource": "gpu"}, "not one of cpu, memory"),
        ("cpu.theirs", {"name": "cpu.theirs", "program": "sysbench"}, "not an absolute path"),
        ("cpu.theirs", {"name": "cpu.theirs", "files": {"x": ""}}, "not an absolute path"),
        ("cpu.theirs", {"name": "cpu.theirs", "metrics": ()}, "0 of its metrics are primary"),
        (
            "cpu.theirs",
            {"name": "cpu.theirs", "metrics": SYSBENCH_CPU.metrics * 2},
            "the same name",
        ),
        (
            "cpu.theirs",
            {"name": "cpu.theirs", "metrics": (Metric("Rate", "1/s", "higher", primary=True),)},
            "lower_snake_case",
        ),
    ],
)
def test_a_definition_that_breaks_the_rules_is_reported(
    theirs: ModuleType, name: str, changes: dict[str, object], why: str
) -> None:
    thing: Workload = replace(SYSBENCH_CPU, **changes)  # type: ignore[arg-type]
    (broken,) = with_theirs(theirs, thing, name).broken
    assert why in broken.reason


def test_a_package_that_claims_a_name_of_ours_does_not_get_it(theirs: ModuleType) -> None:
    registry = with_theirs(theirs, replace(SYSBENCH_CPU, title="theirs"), "cpu.sysbench")
    assert registry.workloads["cpu.sysbench"] is SYSBENCH_CPU
    (broken,) = registry.broken
    assert "same name" in broken.reason
    assert "their_workloads:THING" in broken.origin


def test_two_strangers_that_claim_one_name_are_both_refused(theirs: ModuleType) -> None:
    vars(theirs)["THING"] = vars(theirs)["OTHER"] = replace(SYSBENCH_CPU, name="cpu.theirs")
    points = [point("cpu.theirs", f"their_workloads:{thing}") for thing in ("THING", "OTHER")]
    registry = load([*ours(), *points])
    assert len(registry.broken) == 2
    assert all("same name" in broken.reason for broken in registry.broken)
    assert "cpu.theirs" not in registry.workloads


def test_the_same_entry_point_seen_twice_counts_once() -> None:
    assert load(ours() * 2).broken == ()
