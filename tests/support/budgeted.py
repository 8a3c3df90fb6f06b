"""A run with a budget on paper: arms of scripted speed, and the real statistics beside it."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.run.loop import Tally, run_all
from harness.run.stopping import Stopping, planned
from results.ledger.settle import plan_looks, take_look
from results.records.looks import Look, PlannedLook
from results.records.records import Run
from results.store.store import RunDirectory
from runtimes.fake.runtime import DEMO_ARGV, FakeClock, FakeScript, Fault, Reply
from runtimes.faults import RuntimeFault
from tests.support.bench_on_paper import DEMO, PaperBench, bench_on_paper

TRIAL_S = 2
"""What a trial takes on paper, but for a few milliseconds: two iterations of a second each."""

CLAIM = """
[[claim]]
id = "{id}"
claim = "Boxes are free."
source = "a test"
refuted_by = "a price"
candidates = {candidates}
rule = {{ kind = "{kind}", margin = {margin} }}

[[claim.part]]
name = "work"
workload = "{workload}"
metric = "speed"
"""


def claim(
    name: str = "free",
    *,
    kind: str = "equivalence",
    margin: float = 0.02,
    workload: str = DEMO.name,
    candidates: Sequence[str] = ("ns",),
) -> str:
    """A claim in a user's own file."""
    return CLAIM.format(
        id=name, kind=kind, margin=margin, workload=workload, candidates=list(candidates)
    )


def arm(
    speed: float, *, noise: float = 0.003, seed: int = 1, faults: tuple[Fault, ...] = ()
) -> FakeScript:
    """A box that does about ``speed`` per second; ``noise`` is the spread of its logarithm."""
    draws = np.random.default_rng(seed).normal(0.0, noise, 400)
    values = [speed * float(np.exp(draw)) for draw in draws]
    replies = tuple(
        Reply(stdout=f"{value:.6f}".encode(), wall_ns=10**9)
        for value in itertools.chain.from_iterable(zip(values, values, strict=True))
    )
    return FakeScript(conditions=frozenset(), replies={DEMO_ARGV: replies}, faults=faults)


def arms(candidate: FakeScript, *, noise: float = 0.003) -> dict[str, FakeScript]:
    """The bare host, the same again, and one box."""
    return {
        "native": arm(1000.0, noise=noise, seed=11),
        "native:aa": arm(1000.0, noise=noise, seed=12),
        "ns": candidate,
    }


@dataclasses.dataclass
class Beside:
    """The statistics, asked in this process; ``broken`` at some block counts, or when planning."""

    clock: FakeClock
    seconds: float = 1.0
    broken: frozenset[int] = frozenset()
    asked: list[int] = dataclasses.field(default_factory=list)

    def plan(self, maximum: int) -> tuple[PlannedLook, ...]:
        """See Statistician."""
        if 0 in self.broken:
            raise RuntimeFault("no statistics here", hint="install them")
        return plan_looks(maximum)

    def look(self, run: Path, blocks: int, maximum: int, *, last: bool) -> Look:
        """See Statistician."""
        del maximum
        self.asked.append(blocks)
        self.clock.sleep(self.seconds)
        if blocks in self.broken:
            raise RuntimeFault("the statistics broke", hint="mend them")
        return take_look(RunDirectory.open(run, run.parent), blocks, last=last)


@dataclasses.dataclass
class Budgeted:
    """A paper bench whose run has a budget."""

    paper: PaperBench
    beside: Beside
    run: Run

    @property
    def clock(self) -> FakeClock:
        """Time on paper."""
        return self.beside.clock

    def go(self) -> tuple[Run, Tally]:
        """Run the trials until the rule stops them; run.json as it ends."""
        steering = Stopping(self.run, self.paper.directory, self.beside, self.clock, self.paper)
        slots = self.paper.slots(blocks=self.run.blocks)
        tally = run_all(self.paper.context, slots, self.paper.directory, self.paper, steering)
        self.run = dataclasses.replace(steering.conclude(), finished_utc="2026-01-02T00:00:00Z")
        self.paper.directory.finish(self.run)
        return self.run, tally

    def blocks(self, workload: str = DEMO.name) -> int:
        """How many blocks of the workload are complete."""
        trials = [each for each in self.paper.directory.trials() if each.workload == workload]
        return len({each.trial_id for each in trials}) // len(self.paper.runtimes)


@contextlib.contextmanager
def budgeted(
    root: Path,
    scripts: Mapping[str, FakeScript],
    *,
    claims: str,
    budget_s: float = 1e6,
    maximum: int = 30,
    broken: frozenset[int] = frozenset(),
) -> Iterator[Budgeted]:
    """Open or resume the run in ``root``."""
    with bench_on_paper(root, scripts) as paper:
        clock = paper.context.clock
        assert isinstance(clock, FakeClock)
        beside = Beside(clock, broken=broken)
        run = paper.directory.run()
        if run.budget_s is None:
            run = dataclasses.replace(run, budget_s=budget_s, blocks=maximum)
            run = planned(run, beside, paper)
            paper.directory.finish(run)
            (paper.directory.path / "claims.toml").write_text(claims, encoding="utf-8")
        yield Budgeted(paper, beside, run)
