"""A runtime that starts nothing: deterministic, scripted, for tests and for a look at the tool.

Its boxes answer over the agent's real protocol, from memory.  What they measure is made up, so
every sample carries the condition ``simulated``.
"""

from __future__ import annotations

import collections
import contextlib
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from runtimes.agent.channel import PROTOCOL_VERSION, Agent
from runtimes.base import Availability, Capability, InstanceSpec, Site
from runtimes.fake.agent import Answers, FakeStream
from runtimes.fake.script import (
    DEMO_ARGV,
    Clock,
    FakeClock,
    FakeScript,
    Fault,
    HostClock,
    Line,
    Reply,
    Step,
)
from runtimes.fake.tools import REPERTOIRE
from runtimes.resources import InstanceStats, LimitsRead

__all__ = [
    "DEMO_ARGV",
    "FakeClock",
    "FakeEngine",
    "FakeInstance",
    "FakeRuntime",
    "FakeScript",
    "Fault",
    "Line",
    "Reply",
]


class FakeInstance:
    """One box that is not there."""

    def __init__(self, engine: FakeEngine, spec: InstanceSpec) -> None:
        self.spec = spec
        self.marks: Mapping[str, int] = {}
        self._engine = engine
        self._script = engine.script
        self._calls: collections.Counter[str] = collections.Counter()
        self._running = False
        self._removed = False
        self.agent: Agent

    def boot(self) -> None:
        """Pretend to start."""
        clock, script = self._engine.clock, self._script
        self.step("start")
        clock.sleep(script.start_delay_ns / 1e9)
        answers = Answers(self.step, self._facts, self._digest, self._engine.reply)
        stream = FakeStream(answers, clock, clock.now_ns() + script.first_byte_delay_ns)
        self.agent = Agent(stream, clock=clock.now_ns)
        self.marks = {"created": clock.now_ns()}
        self._running = True

    def step(self, step: Step) -> None:
        """Note the step; raise where the script says so."""
        self._calls[step] += 1
        self._engine.note(step, self.spec.name, self._calls[step])

    def limits(self) -> LimitsRead:
        """See Instance."""
        self.step("limits")
        return self._limits()

    def stats(self) -> InstanceStats:
        """See Instance."""
        self.step("stats")
        return self._script.stats

    def address(self) -> tuple[str, int]:
        """See Instance.  Nothing listens there."""
        return self._engine.site.network.host_address, self.spec.lease.port

    def diagnostics(self) -> str:
        """See Instance."""
        return f"{self.spec.name}: a fake box has no console"

    def wait(self, timeout_s: float) -> int:
        """See Instance."""
        if self._running:
            self._engine.clock.sleep(timeout_s)
            raise TimeoutError
        return 0

    def stop(self, timeout_s: float) -> None:
        """See Instance."""
        self.step("stop")
        self._engine.clock.sleep(min(timeout_s, self._script.stop_delay_ns / 1e9))
        self.agent.close()
        self._running = False

    def remove(self) -> None:
        """See Instance."""
        if self._removed:
            return
        self.step("remove")
        self._engine.clock.sleep(self._script.remove_delay_ns / 1e9)
        self.agent.close()
        self._engine.living.pop(self.spec.name, None)
        self._running = False
        self._removed = True

    def _limits(self) -> LimitsRead:
        asked = self.spec.limits
        return self._script.limits or LimitsRead(
            asked.cpus,
            asked.cpu_quota,
            asked.memory_bytes,
            asked.pids_max,
            asked.disk_bytes or None,
        )

    def _facts(self) -> Mapping[str, str]:
        limits = self._limits()
        read = {
            "affinity": None if limits.cpus is None else ",".join(map(str, limits.cpus)),
            "cgroup_cpu_max": limits.cpu_quota,
            "cgroup_memory_max_bytes": limits.memory_bytes,
            "disk_free_bytes": limits.disk_bytes,
        }
        return {
            "protocol": str(PROTOCOL_VERSION),
            "pid": "1",
            "hostname": self.spec.name,
            "rootfs_digest": self._engine.bits()["rootfs"],
            **{key: str(value) for key, value in read.items() if value is not None},
            **self._script.facts,
        }

    def _digest(self, path: str) -> str:
        fixed = self._script.program_digest
        return self._engine.site.rootfs.program_digest(path) if fixed is None else fixed


class FakeEngine:
    """Starts fake boxes and keeps count of them.

    Attributes:
        living: instances that have been started and not removed, by name.
    """

    def __init__(self, runtime: FakeRuntime, site: Site) -> None:
        self.site = site
        self.script = runtime.script
        self.clock = runtime.clock
        self.versions: Mapping[str, str] = {runtime.name: "1"}
        self.living: dict[str, FakeInstance] = {}
        self._events = runtime.events
        self._replies = {**REPERTOIRE, **self.script.replies}
        self._turns: collections.Counter[tuple[str, ...]] = collections.Counter()

    def start(self, spec: InstanceSpec) -> FakeInstance:
        """See Engine."""
        instance = FakeInstance(self, spec)
        instance.boot()
        self.living[spec.name] = instance
        return instance

    def daemon_pids(self) -> tuple[int, ...]:
        """See Engine: there are none."""
        return ()

    def conditions(self, profile: str) -> frozenset[str]:
        """See Engine; the same for every ``profile``."""
        del profile
        return self.script.conditions

    def bits(self) -> Mapping[str, str]:
        """See Engine."""
        fixed = self.script.rootfs_digest
        return {"rootfs": self.site.rootfs.digest if fixed is None else fixed}

    def reply(self, argv: Sequence[str]) -> Reply | None:
        """How the next command ``argv`` goes."""
        known = [words for words in self._replies if tuple(argv[: len(words)]) == words]
        if not known:
            return None
        words = max(known, key=len)
        turn = self._turns[words]
        self._turns[words] += 1
        replies = self._replies[words]
        return replies[turn % len(replies)]

    def note(self, step: Step, name: str, call: int) -> None:
        """Write the step down, then raise its scripted fault, if it has one."""
        self._events.append(f"{step} {name}")
        for fault in self.script.faults:
            if (
                fault.step == step
                and fault.call in (0, call)
                and fnmatch.fnmatchcase(name, fault.instance)
            ):
                raise fault.error


class FakeRuntime:
    """See Runtime.

    Attributes:
        events: every step so far, as ``start tb-3fa9c1-0``, for tests to look at.
    """

    def __init__(
        self, script: FakeScript | None = None, clock: Clock | None = None, name: str = "fake"
    ) -> None:
        self.name = name
        self.script = script or FakeScript()
        self.clock = clock or HostClock()
        self.profiles: Mapping[str, str] = self.script.profiles
        self.capabilities: frozenset[Capability] = self.script.capabilities
        self.events: list[str] = []

    def availability(self, options: Mapping[str, str]) -> Availability:
        """See Runtime."""
        del options
        fix = "" if self.script.available else "give it another script"
        return Availability(self.script.available, self.script.reason, fix)

    def prepare(self, site: Site, profiles: frozenset[str]) -> AbstractContextManager[FakeEngine]:
        """See Runtime."""
        del profiles
        return self._prepared(site)

    def clean(self, state: Path, run: str) -> list[str]:
        """See Runtime: a fake box leaves nothing."""
        del state, run
        return []

    @contextlib.contextmanager
    def _prepared(self, site: Site) -> Iterator[FakeEngine]:
        engine = FakeEngine(self, site)
        engine.note("prepare", self.name, 1)
        try:
            yield engine
        finally:
            for instance in list(engine.living.values()):
                instance.remove()
