"""``ns``: the in-repo container runtime.

Python computes a typed plan (build.py, view.py), a small static C launcher executes it
(runtimes/launcher).  Nothing but the kernel stands between a box and the host: what a container
is made of can be read here, and each mechanism can be left out by profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from runtimes.base import Availability, Capability, Engine, Site
from runtimes.faults import RuntimeFault
from runtimes.linux import cgroups
from runtimes.ns import engine, host_support
from runtimes.ns.profile import NetworkMode, Profile
from runtimes.ns.profiles.catalogue import CATALOGUE
from runtimes.ns.profiles.waterfall import WATERFALL
from runtimes.variations import Step

_REACHED = frozenset({NetworkMode.BRIDGE, NetworkMode.ROUTED, NetworkMode.HOST})
_LIMITING = frozenset({"cpuset", "cpu", "memory"})


def _lacks(profile: Profile) -> frozenset[Capability]:
    lacking = set()
    if profile.network not in _REACHED:
        lacking.add(Capability.NETWORK)
    if not (profile.overlay or profile.pivot):  # the shared root has no place to mount on
        lacking.add(Capability.VOLUME)
    if not profile.overlay:
        lacking |= {Capability.ROOT, Capability.IMAGE}
    if profile.controllers is not None and not (profile.controllers >= _LIMITING):
        lacking.add(Capability.LIMITS)
    return frozenset(lacking)


class NamespaceRuntime:
    """Implements ``runtimes.base.Runtime``."""

    name = "ns"
    profiles: Mapping[str, str] = {name: one.summary for name, one in CATALOGUE.items()}
    capabilities = frozenset(
        {
            Capability.NETWORK,
            Capability.VOLUME,
            Capability.ROOT,
            Capability.IMAGE,
            Capability.LIMITS,
            Capability.STATS,
        }
    )
    lacking: Mapping[str, frozenset[Capability]] = {
        name: _lacks(one) for name, one in CATALOGUE.items()
    }
    steps = tuple(Step(one.name, one.mechanism, one.added) for one in WATERFALL)

    def availability(self, options: Mapping[str, str]) -> Availability:
        """See Runtime."""
        del options
        return host_support.availability()

    def prepare(self, site: Site, profiles: frozenset[str]) -> AbstractContextManager[Engine]:
        """See Runtime."""
        return engine.prepared(site, profiles)

    def clean(self, state: Path, run: str) -> list[str]:
        """See Runtime.

        Mounts and interfaces went with their namespaces when the cgroups were emptied.
        """
        try:
            removed = cgroups.usable().remove_all(run)
        except RuntimeFault as fault:
            removed = [f"cgroups of run {run} not removed: {fault}"]
        if state.exists():
            engine.remove_tree(state)
            removed.append(f"directory {state}")
        return removed
