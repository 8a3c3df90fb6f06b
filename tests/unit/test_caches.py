"""Cold arms, exactly, on paper; and what the kernel is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from harness.errors import HarnessFault
from harness.plan.schedule import Arm, Slot
from harness.run.loop import run_all
from harness.trial import caches
from harness.trial.caches import HostCaches
from runtimes.agent.channel import Agent, JobResult
from runtimes.fake.runtime import FakeScript
from tests.support.bench_on_paper import bench_on_paper

GOOD = FakeScript(conditions=frozenset())


class Noted:
    """Caches that say when they were dropped."""

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def drop(self) -> None:
        self._events.append("dropped")

    def drop_inside(self, agent: Agent) -> None:
        del agent
        self._events.append("dropped inside")


def events_of(root: Path, *profiles: str) -> list[str]:
    """What happens, in order, in a run of these trials of one fake backend."""
    with bench_on_paper(root, {"a": GOOD}) as paper:
        runtime = paper.runtimes["a"]
        paper.context.caches = Noted(runtime.events)
        slots = [
            Slot(block, 0, Arm("a", profile), "cpu.demo") for block, profile in enumerate(profiles)
        ]
        tally = run_all(paper.context, slots, paper.directory, paper)
        assert (tally.ok, tally.failed) == (len(profiles), 0)
        wanted = ("dropped", "start", "run")
        return [each.split(" tb")[0] for each in runtime.events if each.startswith(wanted)]


def test_a_cold_box_is_asked_for_and_works_with_cold_caches(tmp_path: Path) -> None:
    """Two iterations: the second must not find what the first has read."""
    inside = ["dropped inside", "dropped", "run"]
    assert events_of(tmp_path, "cold") == ["dropped", "start", *inside, *inside]


def test_warm_arms_are_not_touched(tmp_path: Path) -> None:
    assert events_of(tmp_path, "default", "default") == ["start", "run", "run"] * 2


def test_a_warm_arm_is_warmed_once_after_a_cold_one(tmp_path: Path) -> None:
    seen = events_of(tmp_path, "default", "cold", "default", "default")
    after_cold = seen[len(seen) - seen[::-1].index("dropped") :]
    assert after_cold == ["run", *["start", "run", "run"] * 3]


def test_trials_of_a_cold_arm_are_recorded_under_its_own_name(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD}) as paper:
        run_all(paper.context, [Slot(1, 0, Arm("a", "cold"), "cpu.demo")], paper.directory, paper)
        (trial,) = paper.directory.trials()
    assert (trial.trial_id, trial.profile) == ("cpu.demo-b001-a:cold", "cold")


class Box:
    """An agent, as far as dropping caches looks at it."""

    def __init__(self, facts: dict[str, str], status: int = 0) -> None:
        self._facts, self._status, self.ran = facts, status, list[str]()

    def facts(self) -> dict[str, str]:
        return self._facts

    def run(self, argv: list[str], *, timeout_s: float) -> JobResult:
        assert timeout_s > 0
        self.ran += argv
        return replace(DONE, status=self._status)


DONE = JobResult(0, b"", b"Read-only file system", 1, 1, 1, 1, timed_out=False, truncated=False)


def drop_inside(box: Box) -> None:
    HostCaches().drop_inside(cast("Agent", box))


def test_a_box_on_this_hosts_kernel_has_no_caches_of_its_own() -> None:
    box = Box({"boot_id": caches.BOOT_ID.read_text().strip()})
    drop_inside(box)
    assert box.ran == []


def test_a_guest_drops_its_own() -> None:
    box = Box({"boot_id": "0f0e0d0c-0000-4000-8000-000000000000"})
    drop_inside(box)
    assert box.ran == ["/bin/sh", "-c", "sync && echo 3 > /proc/sys/vm/drop_caches"]


def test_a_guest_that_keeps_its_caches_is_no_cold_one() -> None:
    with pytest.raises(HarnessFault, match="cannot drop its caches: Read-only"):
        drop_inside(Box({"boot_id": "another"}, status=1))
    with pytest.raises(HarnessFault, match="does not say which kernel"):
        drop_inside(Box({}))


def test_a_host_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(caches, "DROP", tmp_path / "missing" / "drop_caches")
    with pytest.raises(HarnessFault, match="cannot drop this host's caches") as caught:
        HostCaches().drop()
    assert "root" in caught.value.hint
