"""A bench without a host: fake arms, one scripted workload, a clock that only sleeping moves."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.plan.schedule import Arm, Slot, schedule
from harness.prepare import dry_run
from harness.trial.context import Context
from results.records.records import SCHEMA, ArmRecord, Run, WorkloadRecord
from results.store.store import RunDirectory
from runtimes.agent.channel import Agent
from runtimes.base import Engine, Site
from runtimes.fake.runtime import DEMO_ARGV, FakeClock, FakeRuntime, FakeScript
from runtimes.resources import Limits
from workloads.base import Command, CommandWork, Metric, Output, Size, Workload, WorkloadFault

LIMITS = Limits((1,), 1.0, 512 << 20)
RUN_ID = "20260101T000000Z-abc123"
HOST: Mapping[str, object] = {"clock_source": "tsc", "ksm": False, "cpu": {"online": 1_000_000}}


def parse_demo(output: Output) -> tuple[tuple[str, float], ...]:
    """One number."""
    try:
        return (("speed", float(output.stdout)),)
    except ValueError:
        raise WorkloadFault("demo wrote no number", tail=output.stdout.decode()) from None


DEMO = Workload(
    name="cpu.demo",
    resource="cpu",
    title="Demonstration",
    metrics=(Metric("speed", "1/s", "higher", primary=True),),
    work=lambda size: CommandWork(Command(DEMO_ARGV, timeout_s=5.0), size.iterations),
    parse=parse_demo,
    program="/usr/bin/demo",
)


@dataclass
class PaperBench:
    """Everything ``run_all`` needs, and what it left."""

    context: Context
    directory: RunDirectory
    runtimes: Mapping[str, FakeRuntime]
    notes: list[str] = field(default_factory=list)

    def slots(self, blocks: int = 2) -> list[Slot]:
        """The schedule of seed 1."""
        arms = [Arm(name) for name in self.runtimes]
        return list(schedule(arms, list(self.context.workloads), blocks=blocks, seed=1))

    def living(self) -> list[str]:
        """Instances that nobody removed."""
        engines = self.context.engines.values()
        return [name for engine in engines for name in getattr(engine, "living", {})]

    def starting(self, slot: Slot, remaining: object) -> None:
        """See Observer."""

    def finished(self, slot: Slot, seconds: float, error: str) -> None:
        """See Observer."""
        assert seconds >= 0
        assert math.isfinite(seconds)
        if error:
            self.notes.append(f"{slot.trial_id}: {error}")

    def doing(self, text: str) -> None:
        """See Observer."""
        self.notes.append(text)

    def note(self, text: str) -> None:
        """See Observer."""
        self.notes.append(text)


@contextlib.contextmanager
def bench_on_paper(
    root: Path,
    scripts: Mapping[str, FakeScript],
    workload: Workload = DEMO,
    *,
    iterations: int = 2,
) -> Iterator[PaperBench]:
    """Open a run in ``root`` with a fake arm for each of ``scripts``."""
    clock = FakeClock()
    runtimes = {name: FakeRuntime(script, clock, name) for name, script in scripts.items()}
    site = Site(
        run="abc123",
        state=root,
        cache=root,
        rootfs=dry_run.rootfs(),
        network=dry_run.network(),
        limits=LIMITS,
        progress=lambda _: None,
    )
    with contextlib.ExitStack() as stack:
        engines: dict[str, Engine] = {
            name: stack.enter_context(runtime.prepare(site, frozenset({"default"})))
            for name, runtime in runtimes.items()
        }
        context = Context(
            run="abc123",
            run_id=RUN_ID,
            clock=clock,
            engines=engines,
            workloads={workload.name: workload},
            network=dry_run.network(),
            limits=LIMITS,
            size=Size(iterations=iterations, seconds=1),
            bits=dry_run.rootfs(),
            host=HOST,
            host_memory_bytes=1 << 40,
            peer=lambda: contextlib.nullcontext(_no_peer()),
        )
        directory = _open(root, scripts, workload)
        yield PaperBench(context, stack.enter_context(directory), runtimes)


def _no_peer() -> Agent:
    raise AssertionError("nothing on paper has a peer")


def _open(root: Path, names: Mapping[str, FakeScript], workload: Workload) -> RunDirectory:
    runs = root / "runs"
    if (runs / RUN_ID).exists():
        return RunDirectory.open(RUN_ID, runs)
    metric = workload.metrics[0]
    run = Run(
        schema=SCHEMA,
        run_id=RUN_ID,
        created_utc="2026-01-01T00:00:00Z",
        tarebench="0",
        command=(),
        seed=1,
        suite="quick",
        size={"iterations": 2, "seconds": 1},
        rounds={},
        blocks=100,
        emulated_blocks=2,
        arms=tuple(ArmRecord(name, "default", (), {}, {}) for name in names),
        workloads=(
            WorkloadRecord(
                name=workload.name,
                resource=workload.resource,
                title=workload.title,
                primary=metric.name,
                metrics=((metric.name, metric.unit, metric.direction),),
            ),
        ),
        skipped=(),
        limits={},
        rootfs_digest=dry_run.rootfs().digest,
        packages={},
        host={},
    )
    return RunDirectory.create(runs, run)
