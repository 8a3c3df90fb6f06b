"""What documents say of the program is true: paths, modules, tasks, options, figures, the map."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from support import package_map

import tasks
from harness.directories import PROJECT
from harness.gates import CONDITIONS
from harness.project import checks
from results.ledger.claims.load import load
from runtimes.ns.profiles.waterfall import WATERFALL

DOCUMENTS = sorted(
    path
    for pattern in checks.PROSE
    for path in PROJECT.glob(pattern)
    if path.name != "CHANGELOG.md"  # tells what was
)
ARCHITECTURE = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
OURS = ("harness", "runtimes", "workloads", "results", "reports", "tests", "docs")
MADE = re.compile(r"results/runs\b")
"""Paths that runs make."""
FILES = {each.name for top in OURS for each in (PROJECT / top).rglob("*.[pch]*")} | {"tasks.py"}
OF_INVOKE = {"help", "list"}
named = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT).with_suffix(""))
)


def code(path: Path) -> list[str]:
    """What a document sets as code: lines of its blocks, and pieces of its text."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    indented = re.findall(r"^ {4,}.*$", rest, flags=re.MULTILINE)
    pieces = re.findall(r"`([^`]+)`", rest)
    return [*"\n".join(blocks).replace("\\\n", " ").splitlines(), *indented, *pieces]


def found(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


@named
def test_paths_that_are_named_exist(path: Path) -> None:
    words = re.findall(rf"(?<![\w./<-])(?:{'|'.join(OURS)})/[\w./*-]*", "\n".join(code(path)))
    gone = [word for word in words if not MADE.match(word) and not any(PROJECT.glob(word))]
    assert not gone


@named
def test_files_that_are_named_without_their_directory_exist(path: Path) -> None:
    words = re.findall(r"(?<![\w./<>*-])\w+\.(?:py|c|h)\b", "\n".join(code(path)))
    assert not [word for word in words if word not in FILES]


@named
def test_modules_and_what_is_in_them_exist(path: Path) -> None:
    names = re.findall(rf"(?<![\w./-])((?:{'|'.join(OURS)})(?:\.\w+)+)", "\n".join(code(path)))
    assert not [name for name in names if not found(name)]


@named
def test_tasks_and_their_options_exist(path: Path) -> None:
    for line in code(path):
        for name, rest in re.findall(r"\binvoke ([a-z]+)\b([^|&;#]*)", line):
            task = getattr(tasks, name if name != "import" else "import_")
            parameters = inspect.signature(task.body).parameters
            options = {each.replace("_", "-").strip("-") for each in parameters} | OF_INVOKE
            options |= {"json"} & {each.removeprefix("as-") for each in options}
            before_run = rest.partition("--run ")[0] if name == "box" else rest
            said = set(re.findall(r"(?<!\S)--([a-z][a-z-]*)", before_run))
            assert said <= options, (line, said - options)


def test_the_map_shows_the_imports_that_there_are() -> None:
    drawn = package_map.PICTURE.read_text(encoding="utf-8")
    assert drawn == package_map.svg(), "run: python -m tests.support.package_map"


def test_the_steps_in_the_map_are_those_that_are_told() -> None:
    rows = re.findall(r"^\| (\d+) \| `([\w/.]+)`", ARCHITECTURE, flags=re.MULTILINE)
    told = {int(step): where.removesuffix(".py").strip("/") for step, where in rows}
    steps = {step: node for node, steps in package_map.WAY.items() for step in steps}
    assert told == {step: node.replace(".", "/") for step, node in steps.items()}


def test_each_of_the_ten_typical_changes_names_code_and_tests_that_exist() -> None:
    (section,) = re.findall(r"## Ten typical changes\n(.*?)\n## ", ARCHITECTURE, flags=re.DOTALL)
    rows = [line for line in section.splitlines() if line.startswith("| a")]
    assert len(rows) == 10
    for row in rows:
        _, _, touched, tests, document, _ = row.split("|")
        for cell in (touched, tests, document):
            paths = [each for each in re.findall(r"`([^`]+)`", cell) if "/" in each or "." in each]
            assert paths
            assert all((PROJECT / each).exists() for each in paths), cell


def test_figures_in_the_documents_are_those_of_the_program() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert f"{len(WATERFALL)} steps of `ns`" in readme
    statistics = " ".join((PROJECT / "docs/statistics.md").read_text(encoding="utf-8").split())
    assert f"Of {len(load().claims)} claims about one may err" in statistics


def codes_of_findings() -> set[str]:
    """Codes that gates are written with: what findings are made from, and known conditions."""
    sources = [
        *(PROJECT / "harness/gates").rglob("*.py"),
        *(PROJECT / "results/gating").glob("*.py"),
    ]
    calls = [
        node
        for source in sources
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "GateFinding"
    ]
    firsts = [call.args[0] for call in calls if call.args]
    literal = {each.value for each in firsts if isinstance(each, ast.Constant)}
    return {str(code) for code in literal} | set(CONDITIONS)


def test_every_gate_has_its_place_in_the_document_and_nothing_else_has() -> None:
    text = (PROJECT / "docs" / "gates.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\| code .*?\n\n", text, flags=re.DOTALL | re.MULTILINE)
    heads = [row.split("|")[1] for table in tables for row in table.splitlines()[2:] if row]
    told = set(re.findall(r"`([a-z-]+)`", "".join(heads)))
    assert codes_of_findings() - told == set()
    written = "".join(
        path.read_text(encoding="utf-8")
        for top in ("harness", "results", "runtimes")
        for path in (PROJECT / top).rglob("*.py")
    )
    assert [code for code in sorted(told) if f'"{code}"' not in written] == []


def test_every_decision_has_a_status_and_a_line_in_the_index() -> None:
    directory = PROJECT / "docs" / "adr"
    index = (directory / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| \[\d{4}\]\((.+?)\) \| (.+?) \|", index, flags=re.MULTILINE))
    decisions = {path.name: path for path in directory.glob("[0-9]*.md")}
    assert rows.keys() == decisions.keys()
    for name, path in decisions.items():
        heading, _, status = path.read_text(encoding="utf-8").splitlines()[:3]
        assert heading == f"# {name[:4]}: {rows[name]}"
        assert status.startswith(("**Status**: accepted", "**Status**: superseded by [")), name


def test_the_index_of_documents_leaves_none_out() -> None:
    text = (PROJECT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (PROJECT / "docs").glob("*.md")} - {"README.md"}
    assert pages <= set(re.findall(r"\]\(([\w-]+\.md)\)", text))
