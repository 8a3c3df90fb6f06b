"""``invoke bench --budget`` as a user meets it, with boxes that start nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.plan.budget import MOST_BLOCKS
from tests.support.command_line import invoke

pytestmark = pytest.mark.parallel

FAKE = ("--backend", "fake", "--workload", "cpu.openssl")


def test_a_run_with_a_budget_ends_with_it_and_records_its_looks(tmp_path: Path) -> None:
    ended = invoke("bench", *FAKE, "--budget", "2s", "--out", str(tmp_path))
    assert ended.status == 0, ended.stderr
    run = json.loads((ended.run / "run.json").read_text(encoding="utf-8"))
    assert run["budget_s"] == 2.0
    assert run["blocks"] == MOST_BLOCKS
    assert run["planned_looks"][-1]["blocks"] == MOST_BLOCKS
    (last,) = run["looks"]
    assert (last["blocks"], last["last"]) == (1, True)  # a look would not fit after a second
    assert last["trials"] == len((ended.run / "trials.jsonl").read_text().splitlines())
    assert run["finished_utc"]
    assert "Looks" in (ended.run / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--budget", "soon"), "'soon' is not a time"),
        (("--budget", "0"), "--budget 0 is not between"),
        (("--budget", "5m", "--blocks", "3"), "at least 5"),
        (("--budget", "5m", "--resume", "abcdef"), "fixed when a run begins"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(words: tuple[str, ...], says: str) -> None:
    ended = invoke("bench", *words)
    assert ended.status == 2
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
