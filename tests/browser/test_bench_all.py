"""The main job, whole: every backend of this host, and its report in a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from results.frame import load
from runtimes.registry import load as load_runtimes
from tests.support import traces
from tests.support.command_line import Ended, invoke

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.timeout(1500)]

COLUMNS = {
    *("run_id", "block", "trial_id", "backend", "profile", "arm", "workload", "metric", "unit"),
    *("direction", "iteration", "value", "valid", "reasons"),
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, rootfs: object) -> Ended:
    """One block of the quick suite over all backends."""
    del rootfs  # built before, so that a failure to build it is told as such
    runs = tmp_path_factory.mktemp("runs")
    return invoke(
        *("bench", "--backend", "all", "--suite", "quick", "--blocks", "1", "--wait"),
        *("--out", str(runs)),
        timeout_s=1400,
    )


@pytest.fixture(scope="module")
def run(ended: Ended) -> dict[str, Any]:
    """Its run.json."""
    document: dict[str, Any] = json.loads((ended.run / "run.json").read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def frame(ended: Ended) -> pd.DataFrame:
    """Its samples."""
    return load(ended.run)


def expected_backends() -> set[str]:
    """Those that this host can have."""
    runtimes = load_runtimes().runtimes
    return {name for name, each in runtimes.items() if name != "fake" and each.availability({}).ok}


def test_every_trial_ends_well(ended: Ended) -> None:
    assert ended.status == 0, ended.stdout + ended.stderr
    assert " 0 failed" in ended.stdout


def test_every_backend_did_its_workloads(frame: pd.DataFrame, run: dict[str, Any]) -> None:
    did = set(zip(frame["backend"].astype(str), frame["workload"].astype(str), strict=True))
    planned = [workload["name"] for workload in run["workloads"]]
    missing = {
        (backend, workload)
        for backend in expected_backends()
        for workload in run["partial"].get(backend, planned)
    } - did
    assert len(planned) == 9
    assert missing == set()


def test_the_frame_is_tidy(frame: pd.DataFrame) -> None:
    assert set(frame.columns) >= COLUMNS
    assert set(frame["direction"].astype(str)) <= {"higher", "lower"}
    assert frame["value"].notna().all()
    assert "native:aa" in set(frame["arm"].astype(str))


def test_every_arm_ran_the_same_bits(run: dict[str, Any]) -> None:
    digests = {arm["bits"]["rootfs"] for arm in run["arms"]}
    assert digests == {run["rootfs_digest"]}


def test_an_emulated_vm_is_marked_on_every_sample(run: dict[str, Any], frame: pd.DataFrame) -> None:
    arms = [arm for arm in run["arms"] if arm["backend"] == "kvm"]
    if not arms:
        pytest.skip("kvm cannot run here at all")
    if "emulated" not in arms[0]["conditions"]:
        pytest.skip("KVM is proved on this host: nothing is emulated")
    samples = frame[frame["backend"] == "kvm"]
    assert not samples["valid"].any()
    assert samples["reasons"].str.contains("emulated").all()


def test_start_up_goes_through_its_phases_in_order(ended: Ended) -> None:
    lines = (ended.run / "trials.jsonl").read_text(encoding="utf-8").splitlines()
    starts = [t for t in map(json.loads, lines) if t["workload"] == "startup.http"]
    assert starts
    for trial in starts:
        phases = trial["phases_ns"]
        order = ("request", "first_byte", "http_200", "stop_request", "stopped", "removed")
        instants = [phases[name] for name in order]
        assert instants == sorted(instants), trial["trial_id"]


def test_nothing_is_left_behind(ended: Ended) -> None:
    assert traces.of_run(ended.run.name.rpartition("-")[2]) == set()


def test_the_report_opens_quietly_and_says_what_was_weighed(ended: Ended, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(Path(ended.run, "report.html").as_uri())
    assert page.locator("h1").count() == 1
    text = page.locator("body").inner_text()
    for backend in expected_backends():
        assert backend in text
    assert "nan" not in text.lower().split()
    assert page.locator("svg").count() >= 3
    assert said == []
    assert len(asked) == 1
    page.close()
