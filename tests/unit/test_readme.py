"""README and docs name what there is, and nothing else: tasks, options, suites, workloads."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import tasks
from harness.directories import PROJECT
from harness.plan.suites import SUITES
from harness.project import checks
from runtimes.registry import load as load_runtimes
from workloads.registry import load as load_workloads

README = (PROJECT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(path for pattern in checks.PROSE for path in PROJECT.glob(pattern))


def row(first: str) -> str:
    """The table row that begins with these words."""
    (found,) = [line for line in README.splitlines() if line.startswith(f"| `{first}`")]
    return found


def test_every_task_has_its_place_in_the_table() -> None:
    (table,) = re.findall(r"## The commands\n\n(.*?)\n\n", README, flags=re.DOTALL)
    named = set(re.findall(r"`invoke (\w+)", table))
    assert named == {name.rstrip("_") for name in tasks.__all__}


def test_the_options_of_bench_are_those_in_the_table() -> None:
    parameters = inspect.signature(tasks.bench.body).parameters
    options = {name.replace("_", "-") for name in parameters if name != "_"}
    assert set(re.findall(r"`--([a-z-]+)", row("invoke bench"))) == options


def test_the_suites_are_those_in_the_program() -> None:
    (listed,) = re.findall(r"`--suite ([^`]+)`", row("invoke bench"))
    assert listed.split("\\|") == list(SUITES)
    (table,) = re.findall(r"\| suite \|.*?\n\n", README, flags=re.DOTALL)
    heads = [line.split("|")[1] for line in table.splitlines()[2:] if line.startswith("|")]
    assert re.findall(r"`([a-z]+)`", "".join(heads)) == list(SUITES)


def test_the_backends_and_profiles_that_are_named_exist() -> None:
    runtimes = load_runtimes().runtimes
    named = re.findall(r"`(native|ns|oci|containerd|docker|kvm):([\w-]+)", README)
    assert named
    for backend, profile in named:
        assert profile in runtimes[backend].profiles or profile in {"cold", "wf-"}, profile


@pytest.mark.parametrize("name", sorted(load_workloads().workloads))
def test_every_workload_is_described(name: str) -> None:
    text = (PROJECT / "docs" / "workloads.md").read_text(encoding="utf-8")
    resource, _, what = name.partition(".")
    family = f"`{resource}.{what.partition('-')[0]}-…`"
    assert {f"`{name}`", f"`.{what}`", family} & set(re.findall(r"`[^`\n]+`", text))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / target).exists(), target
