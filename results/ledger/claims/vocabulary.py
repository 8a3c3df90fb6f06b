"""Which names a ledger may use: arms, groups of arms, workloads and their metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points

from results.records.records import Run, arm_name

GROUPS: Mapping[str, tuple[str, ...]] = {
    "containers": ("ns", "oci", "containerd", "docker"),
    "vms": ("kvm",),
}
"""Word → backends.  ``containers`` means the default profile of each, ``containers:host-net``
that profile of each."""

SINGULAR: Mapping[str, str] = {"containers": "container", "vms": "VM"}
"""The groups as they stand in a sentence."""

PLANNED = frozenset({"oci", "containerd"})
"""Backends of the groups that are not built yet: named in a claim, they are no error."""


@dataclass(frozen=True, slots=True)
class Known:
    """Names that exist."""

    profiles: Mapping[str, frozenset[str] | None]
    """Backend → its profiles; None where they are not known from here."""
    metrics: Mapping[str, frozenset[str] | None]
    """Workload → its metrics; None where they are not known from here."""
    extra: frozenset[str] = field(default_factory=frozenset)
    """Arms of an imported run, whatever they are called."""


def installed(run: Run | None = None) -> Known:
    """What the installed packages register, by name alone, and what ``run`` holds.

    Nothing of those packages is imported; what runtimes and workloads hold is for callers who
    may load them.
    """
    profiles: dict[str, frozenset[str] | None] = dict.fromkeys(_registered("tarebench.runtimes"))
    metrics: dict[str, frozenset[str] | None] = dict.fromkeys(_registered("tarebench.workloads"))
    known = Known(profiles, metrics)
    return known if run is None else widened(known, run)


def widened(known: Known, run: Run) -> Known:
    """``known`` with the arms, workloads and metrics of a run that others may have made."""
    metrics = dict(known.metrics)
    for workload in run.workloads:
        own = frozenset(name for name, _, _ in workload.metrics)
        before = metrics.get(workload.name, frozenset())
        metrics[workload.name] = None if before is None else before | own
    arms = frozenset(arm_name(arm.backend, arm.profile) for arm in run.arms)
    return Known(known.profiles, metrics, known.extra | arms)


def _registered(group: str) -> list[str]:
    return sorted({point.name for point in entry_points(group=group)})


def is_known_arm(name: str, known: Known) -> bool:
    """Whether ``name`` can be an arm or a group."""
    if name in known.extra:
        return True
    backend, colon, profile = name.partition(":")
    if colon and not profile:
        return False
    backends = [backend, *GROUPS.get(backend, ())]
    found = [known.profiles[each] for each in backends if each in known.profiles]
    if backend in GROUPS:
        found += [None] * any(each in PLANNED for each in GROUPS[backend])
        return not colon or any(each is None or profile in each for each in found)
    if not found:
        return backend in PLANNED
    return any(each is None or (profile or "default") in each for each in found)


def arm_names(known: Known) -> list[str]:
    """Names to show to somebody who wrote an unknown one."""
    return sorted({*GROUPS, *known.profiles, *known.extra})


def members(name: str, arms: Sequence[str]) -> tuple[str, ...]:
    """The arms of a run that ``name`` means, in the run's order."""
    backend, _, profile = name.partition(":")
    if backend not in GROUPS or name in arms:
        return tuple(arm for arm in arms if arm == name)
    wanted = {each + (f":{profile}" if profile else "") for each in GROUPS[backend]}
    return tuple(arm for arm in arms if arm in wanted)


def spoken(names: Iterable[str]) -> str:
    """Arms or groups as they stand in a sentence: ``VM``, ``container with host-net``."""
    words = []
    for name in names:
        backend, _, profile = name.partition(":")
        word = SINGULAR.get(backend)
        words.append(name if word is None else f"{word} with {profile}" if profile else word)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
