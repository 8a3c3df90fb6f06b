"""What a run is asked to do: names from the command line turned into arms and workloads."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence

from harness.errors import UsageFault
from harness.plan.schedule import Arm
from harness.plan.suites import choose
from runtimes import variations
from runtimes.base import DEFAULT_PROFILE, Runtime
from workloads.base import Workload

ALL = "all"
BASELINE = Arm("native")
SECOND_BASELINE = Arm("native", "aa")
"""Native once more: native against native shows the smallest effect this machine can show."""
COLD_BASELINE = Arm("native", variations.COLD)
"""What cold arms are to be held against."""
IF_POSSIBLE = "?"
"""After a name: left out where it is not installed or cannot run."""
DEMONSTRATION = "fake"
"""Starts nothing; never part of ``all``."""


def split(text: str) -> list[str]:
    """``a, b,,c`` → ``[a, b, c]``."""
    return [part.strip() for part in text.split(",") if part.strip()]


def choose_arms(
    text: str, runtimes: Mapping[str, Runtime], beside_all: str = ""
) -> tuple[list[Arm], bool]:
    """Arms named by ``--backend``, and whether one of them may be missing.

    ``docker:host-net`` is a profile, ``ns:wf-*`` every profile of that form, ``docker:cold`` and
    ``docker:host-net:cold`` the same with cold caches, ``oci?`` a backend that is left out where it
    cannot run, and ``all`` every backend that can.  Native and its twin are added wherever a real
    box is measured: every ratio is to native; and native with cold caches where any arm has them.

    Args:
        text: of ``--backend``.
        runtimes: registered ones.
        beside_all: arms that ``all`` stands for beside each backend in its default profile.

    Raises:
        UsageFault: unknown backend or profile, with the valid names.
    """
    named = split(text)
    if not named:
        raise UsageFault("--backend names nothing", hint=f"valid: all, {', '.join(runtimes)}")
    arms: list[Arm] = []
    for name in named:
        if name == ALL:
            arms += [Arm(each) for each in runtimes if each != DEMONSTRATION]
            arms += _offered(split(beside_all), runtimes)
        else:
            arms += _arms_of(name, runtimes)
    if any(arm.backend != DEMONSTRATION for arm in arms) and BASELINE.backend in runtimes:
        arms += [BASELINE, SECOND_BASELINE]
        arms += [COLD_BASELINE] * any(variations.is_cold(arm.profile) for arm in arms)
    return sorted(set(arms)), any(name == ALL or name.endswith(IF_POSSIBLE) for name in named)


def required(text: str) -> frozenset[str]:
    """Backends named by ``--backend`` without which there is no run."""
    names = (name for name in split(text) if name != ALL and not name.endswith(IF_POSSIBLE))
    return frozenset(name.partition(":")[0] for name in names)


def _offered(names: Iterable[str], runtimes: Mapping[str, Runtime]) -> list[Arm]:
    """Those of ``names`` that a registered runtime has a profile for."""
    arms = (Arm(*name.split(":", 1)) for name in names)
    return [
        arm for arm in arms
        if arm.backend in runtimes and arm.profile in runtimes[arm.backend].profiles
    ]  # fmt: skip


def _arms_of(name: str, runtimes: Mapping[str, Runtime]) -> list[Arm]:
    backend, _, profile = name.removesuffix(IF_POSSIBLE).partition(":")
    if name.endswith(IF_POSSIBLE) and backend not in runtimes:
        return []
    choose(backend, {**dict.fromkeys(runtimes, 0), ALL: 0}, "backend")
    own, valid = runtimes[backend].profiles, variations.profiles(runtimes[backend])
    among = valid if variations.is_cold(profile) else own
    found = fnmatch.filter(among, profile) if "*" in profile else []
    if not found:
        chosen = profile or DEFAULT_PROFILE
        found = [chosen if chosen in valid else choose(chosen, own, f"{backend} profile")]
    return [Arm(backend, each) for each in found]


def choose_workloads(text: str, registered: Mapping[str, Workload]) -> dict[str, Workload]:
    """Workloads named by ``--workload``: full names, whole resources (``cpu``), or ``all``.

    Raises:
        UsageFault: unknown name, with the valid ones.
    """
    chosen: dict[str, Workload] = {}
    for name in split(text):
        if name == ALL:
            chosen.update(registered)
            continue
        of_resource = {key: each for key, each in registered.items() if each.resource == name}
        if not of_resource:
            choose(name, registered, "workload")
        chosen.update(of_resource or {name: registered[name]})
    if not chosen:
        raise UsageFault("--workload names nothing", hint=f"valid: all, {', '.join(registered)}")
    return dict(sorted(chosen.items()))


def profiles_of(arms: Iterable[Arm], backend: str) -> frozenset[str]:
    """Profiles of ``backend`` among ``arms``."""
    return frozenset(arm.profile for arm in arms if arm.backend == backend)


def backends_of(arms: Sequence[Arm]) -> list[str]:
    """Backends of ``arms``, each once, in order."""
    return list(dict.fromkeys(arm.backend for arm in arms))
