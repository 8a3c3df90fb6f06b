"""What differs between two runs beside their figures: it may be what changed them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from results.records.records import Run, arm_name

HOST = (
    ("cpu", "the CPU"),
    ("kernel", "the kernel"),
    ("architecture", "the architecture"),
    ("memory_bytes", "the memory"),
    ("distribution", "the distribution"),
    ("cgroup", "the cgroup version"),
    ("clock_source", "the clock source"),
    ("virtualisation", "the virtualisation"),
    ("mitigations", "the mitigations"),
    ("transparent_hugepages", "transparent huge pages"),
    ("command_line", "the kernel's command line"),
    ("cpu_model", "the CPU"),
    ("cpu_count", "the number of CPUs"),
    ("hostname", "the host's name"),
    ("python", "the version of Python"),
)
VALUE_LIMIT = 100
TWO_RUNS = (
    "A and B are two runs, so nothing is paired: what differs between invocations (a reboot, the "
    "layout of memory, the weather) counts as change"
)


def differences(a: Run, b: Run) -> tuple[str, ...]:
    """A sentence for each fact in which ``a`` and ``b`` differ."""
    if a.run_id == b.run_id:
        return ()
    return TWO_RUNS, *_said(a, b)


def _said(a: Run, b: Run) -> Iterator[str]:
    for name, words in HOST:
        yield from _differs(words, a.host.get(name), b.host.get(name))
    for words, one, other in (
        ("the limits", a.limits, b.limits),
        ("the root filesystem", a.rootfs_digest, b.rootfs_digest),
        ("the version of tarebench", a.tarebench, b.tarebench),
        ("the suite", a.suite, b.suite),
        ("the size of the work", dict(a.size), dict(b.size)),
        ("the source", a.source.partition(" ")[0], b.source.partition(" ")[0]),
    ):
        yield from _differs(words, one, other)
    theirs = {arm_name(arm.backend, arm.profile): arm for arm in b.arms}
    for arm in a.arms:
        name = arm_name(arm.backend, arm.profile)
        if name in theirs:
            yield from _differs(f"{name}: the versions", arm.versions, theirs[name].versions)
            yield from _differs(
                f"{name}: the conditions", list(arm.conditions), list(theirs[name].conditions)
            )


def _differs(words: str, one: Any, other: Any) -> Iterator[str]:  # noqa: ANN401  # JSON of any kind
    if one == other:
        return
    if not one or not other:
        yield f"{words}: known of {'B' if one in (None, '', {}, []) else 'A'} only"
        return
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            before, after = one.get(key), other.get(key)
            if before != after:
                yield f"{words}, {_short(key)}: {_short(before)}, then {_short(after)}"
        return
    yield f"{words}: {_short(one)}, then {_short(other)}"


def _short(value: object) -> str:
    text = "not known" if value in (None, "") else " ".join(str(value).split())
    return text if len(text) <= VALUE_LIMIT else text[: VALUE_LIMIT - 1] + "…"
