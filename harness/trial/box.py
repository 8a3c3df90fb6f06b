"""One box's life inside a trial: start, first byte, checks, stop, remove, each with its instant."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.errors import HarnessFault
from harness.trial import throttling
from harness.trial.context import Context
from runtimes.base import Instance, InstanceSpec, OwnClock
from runtimes.linux import trees
from runtimes.linux.cpu_list import parse_cpus
from runtimes.resources import LimitsRead
from runtimes.variations import is_cold

FIRST_BYTE_S = 180.0
"""A full VM that is emulated on a busy host takes more than a minute."""
STOP_S = 30.0


@dataclass(slots=True)
class Box:
    """A running instance and what is known of it so far."""

    backend: str
    instance: Instance
    marks: dict[str, int] = field(default_factory=dict)
    """Phase → instant, ns on the host's monotonic clock."""
    facts: dict[str, str] = field(default_factory=dict)
    inside: LimitsRead = field(default_factory=lambda: LimitsRead(None, None, None))
    outside: LimitsRead = field(default_factory=lambda: LimitsRead(None, None, None))
    program_digest: str = ""
    durations: list[tuple[int, int]] = field(default_factory=list)
    """Of each job: by the box's clock and by the host's, ns."""
    own_ns: dict[str, int] = field(default_factory=dict)
    """Durations that it has told by a clock of its own."""
    cold: bool = False
    """Its arm's caches are cold when it works."""
    throttled_ns: int | None = None
    """How long its CPU quota held it back, just before it was stopped."""


@contextlib.contextmanager
def started(context: Context, backend: str, profile: str, *, volume: bool = False) -> Iterator[Box]:
    """Start a box and wait for its first byte; stop and remove it at the end, come what may.

    With ``volume``, the box has a fresh directory on the host's disk; it is made before the
    request and removed after the box.  A cold arm's box is asked for when the host's caches are.

    The marks are complete only after the context has ended: ``request``, the runtime's own,
    ``started`` (its call returned), ``first_byte``, ``stop_request``, ``stopped``, ``removed``.
    """
    spec = context.spec(profile, volume=volume)
    cold = is_cold(profile)
    with _volume(spec):
        if cold:
            context.chill()
        with _started(context, backend, spec) as box:
            box.cold = cold
            yield box


@contextlib.contextmanager
def _volume(spec: InstanceSpec) -> Iterator[None]:
    if spec.volume is None:
        yield
        return
    spec.volume.mkdir(parents=True)
    try:
        yield
    finally:
        trees.remove(spec.volume)


@contextlib.contextmanager
def _started(context: Context, backend: str, spec: InstanceSpec) -> Iterator[Box]:
    clock = context.clock
    request_ns = clock.now_ns()
    instance = context.engines[backend].start(spec)
    box = Box(backend, instance, {"request": request_ns})
    try:
        box.marks["started"] = clock.now_ns()
        box.marks["first_byte"] = instance.agent.hello(FIRST_BYTE_S)
        _take_marks(box)
        yield box
        end(context, box)
    except BaseException as error:
        if isinstance(error, Exception):
            _keep_diagnostics(error, instance)
        raise
    finally:
        instance.remove()
        box.marks.setdefault("removed", clock.now_ns())


def end(context: Context, box: Box) -> None:
    """Stop and remove the box, and mark each; what ``started`` does unless it is done already."""
    if "removed" in box.marks:
        return
    box.throttled_ns = throttling.held_back_ns(context.cgroups)
    box.marks["stop_request"] = context.clock.now_ns()
    box.instance.stop(STOP_S)
    box.marks["stopped"] = context.clock.now_ns()
    box.instance.remove()
    box.marks["removed"] = context.clock.now_ns()
    _take_marks(box)


def _take_marks(box: Box) -> None:
    """The runtime's own marks; again at the end, since some are made while a box stops."""
    box.marks.update({name: at for name, at in box.instance.marks.items() if name not in box.marks})


def inspect(context: Context, box: Box, program: str) -> None:
    """Read back, before any work: limits from inside and outside, and the program's digest."""
    agent = box.instance.agent
    box.facts = agent.facts()
    box.program_digest = agent.digest(program)
    box.outside = box.instance.limits()
    if isinstance(box.instance, OwnClock):
        box.own_ns = dict(box.instance.durations_ns())
    box.inside = limits_inside(box.facts, context.host_memory_bytes)


def limits_inside(facts: dict[str, str], host_memory_bytes: int) -> LimitsRead:
    """Limits as the agent sees them; ``None`` for what cannot be seen from inside.

    A container sees its host's memory size, which says nothing of its limit; a guest sees its own.
    """
    memory = _number(facts, "cgroup_memory_max_bytes")
    if memory is None:
        total = _number(facts, "memory_total_bytes")
        memory = None if total is None or total >= host_memory_bytes else total
    quota, free = _number(facts, "cgroup_cpu_max"), _number(facts, "disk_free_bytes")
    return LimitsRead(
        cpus=_cpus(facts.get("affinity", "")),
        cpu_quota=quota,
        memory_bytes=None if memory is None else int(memory),
        disk_bytes=None if free is None else int(free),
    )


def _cpus(text: str) -> tuple[int, ...] | None:
    try:
        return parse_cpus(text) or None
    except ValueError as error:
        raise HarnessFault(
            f"the box reports affinity={text[:40]!r}, which is no list of CPUs: {error}",
            hint="the agent in the box is not ours: invoke clean --cache",
        ) from None


def _number(facts: dict[str, str], name: str) -> float | None:
    text = facts.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise HarnessFault(
            f"the box reports {name}={text[:40]!r}, which is no number",
            hint="the agent in the box is not ours: invoke clean --cache",
        )
    return value


def _keep_diagnostics(error: Exception, instance: Instance) -> None:
    """The box's own last words before those of what failed in it: of a guest, its console's end."""
    tail, shown = str(getattr(error, "tail", "")), instance.diagnostics()
    if shown not in tail:
        with contextlib.suppress(AttributeError):  # exceptions with slots take no attribute
            error.tail = "\n".join(filter(None, (shown, tail)))  # type: ignore[attr-defined]
