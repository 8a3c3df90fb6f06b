"""``invoke bench --suite felter``: what is new in it, for real, on the host and in Docker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.plan.suites import suite
from results.frame import load
from tests.support.command_line import invoke

NEW = ("cpu.linpack", "memory.random-access", "storage.deep-mix")

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("rootfs")]


def test_a_block_runs_and_is_laid_beside_what_was_published(tmp_path: Path) -> None:
    assert set(NEW) <= set(suite("felter").workload.split(","))
    ended = invoke(
        *("bench", "--suite", "felter", "--backend", "docker?", "--workload", ",".join(NEW)),
        *("--blocks", "1", "--wait", "--out", str(tmp_path)),
    )
    run = json.loads((ended.run / "run.json").read_text(encoding="utf-8"))
    frame = load(ended.run)
    for arm in ("native", "native:aa"):
        assert set(frame[frame["arm"] == arm]["workload"].astype(str)) == set(NEW)
    if any(each["backend"] == "docker" for each in run["skipped"]):
        pytest.skip("Docker cannot run here")
    assert ended.status == 0, ended.stdout + ended.stderr
    assert set(frame[frame["arm"] == "docker"]["workload"].astype(str)) == set(NEW)
    page = (ended.run / "report.html").read_text(encoding="utf-8")
    assert "Published beside yours" in page
    assert "Linpack N=45000 two sockets" in page
