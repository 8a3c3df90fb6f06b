"""Whatever a file holds: a run, or an ImportFault; never another error, never a NaN."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from results.importers import ImportFault, Options, Source, prepare
from results.importers.detect import READERS, detect
from tests.support.imports import DATA, HEADER

QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
CELLS = st.one_of(
    st.sampled_from(["native", "docker:host-net", "cpu.x", "s", "GFLOPS", "lower", "higher", "1"]),
    st.sampled_from(["", "nan", "-1", "1e999", "1,5", '"', "=1+1", "-0", "\u202e", "x" * 1001]),
    st.floats().map(repr),
    st.text(max_size=8),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def imported(path: Path, data: bytes, arm: str) -> None:
    """Import ``data``; whatever comes of it must be writable and finite."""
    path.write_bytes(data)
    try:
        made = prepare([Source(path, arm)], Options(baseline="none"), ("invoke", "import"))
    except ImportFault:
        return
    msgspec.json.encode(made.run)
    ids = [trial.trial_id for trial, _ in made.trials]
    assert len(set(ids)) == len(ids)
    for trial, samples in made.trials:
        msgspec.json.encode(trial)
        assert trial.block >= 0
        assert all(math.isfinite(sample.value) for sample in samples)


@QUICK
@given(rows=st.lists(st.lists(CELLS, min_size=5, max_size=9), max_size=6))
def test_any_cells_make_a_run_or_a_fault(tmp_path: Path, rows: list[list[str]]) -> None:
    header = f"{HEADER},block,trial,iteration"
    text = "\n".join([header, *(",".join(row) for row in rows)])
    imported(tmp_path / "a.csv", text.encode("utf-8", "replace"), "")


@QUICK
@given(tail=st.binary(max_size=200), cut=st.integers(0, 120))
@example(tail=b"sep=;", cut=0)
@example(tail=b"sep=;\n\n", cut=0)
def test_any_bytes_make_a_run_or_a_fault(tmp_path: Path, tail: bytes, cut: int) -> None:
    whole = f"{HEADER}\nnative,cpu.x,s,s,lower,1\ndocker,cpu.x,s,s,lower,1\n".encode()
    imported(tmp_path / "a.csv", whole[:cut] + tail, "")


NAMES = sorted(path.name for path in DATA.glob("*.json"))


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401  # JSON
    found = [path] if path else []
    items: list[tuple[Any, Any]] = []
    if isinstance(node, dict):
        items = list(node.items())
    elif isinstance(node, list):
        items = list(enumerate(node[:3]))
    return found + [place for key, inner in items for place in places(inner, (*path, key))]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@QUICK
@given(data=st.data())
def test_any_change_of_a_real_file_makes_a_run_or_a_fault(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    document = json.loads((DATA / name).read_text())
    path = data.draw(st.sampled_from(places(document)))
    node = document
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = data.draw(JSON)
    imported(tmp_path / "a.json", json.dumps(document).encode(), "native")


@QUICK
@given(content=JSON)
def test_any_json_is_of_a_known_format_or_a_fault(content: object) -> None:
    data = json.dumps(content).encode()
    try:
        found = detect(data, "a.json")
    except ImportFault:
        return
    assert found in READERS
