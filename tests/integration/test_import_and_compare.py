"""``invoke import`` and ``invoke compare`` as a user meets them; needs no root and no engine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from results.frame import load
from tests.support import parquet
from tests.support.command_line import invoke
from tests.support.imports import DATA, HEADER, csv

pytestmark = pytest.mark.parallel

LINPACK = DATA / "linpack-like-felter.csv"


def test_a_study_is_imported_judged_and_reported(tmp_path: Path) -> None:
    ended = invoke("import", str(LINPACK), "--out", str(tmp_path))
    assert ended.status == 0, ended.stderr
    assert "30 samples of 30 trials in native, docker, kvm" in ended.stdout
    frame = load(ended.run)
    assert parquet.read(ended.run / "samples.parquet").equals(frame)
    assert set(frame["arm"]) == {"native", "docker", "kvm"}
    assert frame["valid"].all()
    verdicts = json.loads((ended.run / "verdicts.json").read_text(encoding="utf-8"))
    said = {each["verdict"]["claim"]: each["verdict"]["verdict"] for each in verdicts["claims"]}
    assert said["cpu-native"] == "supported"
    # It costs the CPU; that alone is not the whole claim, which speaks of every resource.
    assert said["vm-indirection"] == "inconclusive"
    (parts,) = (
        each["verdict"]["parts"]
        for each in verdicts["claims"]
        if each["verdict"]["claim"] == "vm-indirection"
    )
    measured = {part["name"]: part["verdict"] for part in parts if part["holds"] or part["fails"]}
    assert measured == {"cpu.linpack": "supported"}
    assert said["net-small"] == "not evaluable"
    page = (ended.run / "report.html").read_text(encoding="utf-8")
    assert "cpu.linpack" in page
    assert "measured elsewhere" in page.casefold()
    text = re.sub(r"<style.*?</style>|<script.*?</script>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    names = [
        "<img src=x onerror=alert(1)>",
        "=cmd|' /c calc'!a0",
        "$\\frac{",
        "[red]x[/]",
        "{{ 7*7 }}",
    ]
    rows = [f'"{name}",cpu.x,"<b>t</b>",s,lower,{v}' for name in names for v in (1, 2, 3, 4, 5)]
    path = csv(tmp_path / "a.csv", [*rows, *("native,cpu.x,<b>t</b>,s,lower,1.5",) * 5])
    ended = invoke("import", str(path), "--out", str(tmp_path / "runs"))
    assert ended.status == 0, ended.stderr
    page = (ended.run / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "<b>t</b>" not in page
    assert "{{ 7*7 }}" in page
    shown = invoke(
        "compare", "latest:native", "latest:[red]x[/]", "--out", str(tmp_path / "runs")
    )  # fmt: skip
    assert shown.status == 0, shown.stderr
    assert "[red]x[/]" in shown.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("/nowhere.csv",), "/nowhere.csv: No such file"),
        ((str(LINPACK), "--baseline", "xen"), "no arm is called 'xen'"),
        ((str(LINPACK), "--rounds", "both"), "choose iterations or trials"),
        ((str(LINPACK), "--map", "kvm"), "write NAME=ARM"),
        ((str(DATA / "pytest-benchmark-5.3.1-summary.json"),), "--benchmark-save-data"),
    ],
)
def test_what_cannot_be_imported_is_refused_and_leaves_no_run(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    ended = invoke("import", *words, "--out", str(tmp_path / "runs"))
    assert ended.status == 2
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "runs").exists()


def test_a_regression_fails_a_build_and_is_named(tmp_path: Path) -> None:
    rows = LINPACK.read_text(encoding="utf-8").splitlines()[1:]
    slower = [
        ",".join([*row.split(",")[:5], str(float(row.split(",")[5]) * 0.9)])
        if row.startswith("docker")
        else row
        for row in rows
    ]
    runs = []
    for name, content in (("before", rows), ("after", slower)):
        path = csv(tmp_path / f"{name}.csv", content, HEADER)
        runs.append(invoke("import", str(path), "--out", str(tmp_path / "runs")).run.name)
    compare = ("compare", *runs, "--out", str(tmp_path / "runs"))
    failed = invoke(*compare, "--fail-on", "regression", "--as-json")
    assert failed.status == 1
    assert "worse: cpu.linpack gflops in docker: −10" in failed.stderr
    assert json.loads(failed.stdout)["comparisons"] == 3
    assert invoke(*compare).status == 0
    for wrong in (("--only", "nothing"), ("--margin", "wide"), ("--fail-on", "anything")):
        refused = invoke(*compare, *wrong)
        assert refused.status == 2
        assert "Traceback" not in refused.stderr
    back = ("compare", *reversed(runs), "--out", str(tmp_path / "runs"))
    assert invoke(*back, "--fail-on", "regression").status == 0
