"""The ledger as a user meets it: bench and report with claims of one's own, claims, explain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import synthetic

from tests.support.command_line import invoke

pytestmark = pytest.mark.parallel

OWN = """\
[[claim]]
id = "own"
claim = "Docker answers within a hundred times the time of a process."
source = "the team"
candidates = ["docker"]
rule = { kind = "ratio-at-most", factor = 100 }
refuted_by = "more"

[[claim.part]]
name = "time to the first answer"
workload = "startup.http"
metric = "first_http_200_ns"
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A ledger file with one claim."""
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A directory with one synthetic run of twelve blocks."""
    synthetic.write(tmp_path / "runs", blocks=12)
    return tmp_path / "runs"


def test_a_bench_keeps_the_users_claims_and_its_report_judges_them(
    own: Path, tmp_path: Path
) -> None:
    ended = invoke(
        *("bench", "--backend", "fake", "--blocks", "1", "--workload", "cpu.sysbench"),
        *("--claims", str(own), "--out", str(tmp_path / "runs")),
    )
    assert ended.status == 0, ended.stderr
    assert (ended.run / "claims.toml").read_text() == OWN
    document = json.loads((ended.run / "verdicts.json").read_text())
    last = document["claims"][-1]
    assert last["definition"]["id"] == "own"
    assert last["verdict"]["verdict"] == "not evaluable"
    assert "Docker answers within" in (ended.run / "report.html").read_text()


def test_a_broken_ledger_stops_a_bench_before_it_begins(own: Path, tmp_path: Path) -> None:
    own.write_text(OWN.replace('"docker"', '"dokcer"'))
    ended = invoke(
        *("bench", "--backend", "fake", "--claims", str(own), "--out", str(tmp_path / "runs"))
    )
    assert ended.status == 2
    assert "own.toml:5: candidates: no arm is called 'dokcer'" in ended.stderr
    assert "did you mean docker?" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "runs").exists()


def test_claims_lists_the_ledger_with_and_without_a_run(own: Path, out: Path) -> None:
    ended = invoke("claims", "--claims", str(own), "--as-json", "--out", str(out))
    assert ended.status == 0, ended.stderr
    document = json.loads(ended.stdout)
    verdicts = {claim["id"]: claim["verdict"] for claim in document["claims"]}
    assert verdicts["net-small"] == "refuted"
    assert verdicts["own"] == "supported"
    assert verdicts["swarm"] == "not evaluable"
    assert not (out / synthetic.RUN_ID / "claims.toml").exists()
    table = invoke("claims", "--out", str(out / "empty"))
    assert table.status == 0, table.stderr
    assert "no run yet" in table.stdout


def test_explain_goes_down_to_the_trials(out: Path) -> None:
    ended = invoke("explain", "net-small", "--out", str(out))
    assert ended.status == 0, ended.stderr
    for words in ("✗ refuted", "A/A floor", "signed-rank", "│     3 │", "swap", "left out"):
        assert words in ended.stdout
    document = json.loads(invoke("explain", "net-small", "--as-json", "--out", str(out)).stdout)
    assert len(document["verdict"]["findings"][0]["candidate"]["means"]) >= 10


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("explain", "net-smal"), "did you mean net-small?"),
        (("explain", "net-small", "--run", "nothing"), "no run"),
        (("claims", "--claims", "/nowhere.toml"), "No such file"),
    ],
)
def test_nonsense_is_answered_with_what_is_valid(
    words: tuple[str, ...], says: str, out: Path
) -> None:
    ended = invoke(*words, "--out", str(out))
    assert ended.status in {2, 3}
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_report_takes_claims_later_and_keeps_them(own: Path, out: Path) -> None:
    ended = invoke("report", "--claims", str(own), "--out", str(out))
    assert ended.status == 0, ended.stderr
    assert (ended.run / "claims.toml").read_text() == OWN
    run = json.loads((ended.run / "run.json").read_text())
    assert any(floor["effect"] for floor in run["floors"])
    assert "Docker answers within" in (ended.run / "report.html").read_text()
