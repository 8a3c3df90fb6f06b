"""``oci``: the same boxes as ``ns``, made by other people's OCI runtimes.

The bundle's ``config.json`` is written from an ``ns`` box (describe.py, bundle.py), so that runc,
crun or youki run *the identical configuration*: what differs is who carries it out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from runtimes.base import DEFAULT_PROFILE, Availability, Capability, Engine, Site
from runtimes.faults import RuntimeFault
from runtimes.linux import cgroups
from runtimes.linux.ids.rights import is_host_root
from runtimes.ns.engine import remove_tree
from runtimes.oci import engine, profiles
from runtimes.oci.instance import delete
from runtimes.oci.profiles import PROFILES


class OciRuntime:
    """Implements ``runtimes.base.Runtime``."""

    name = "oci"
    profiles: Mapping[str, str] = {name: one.summary for name, one in PROFILES.items()}
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

    def availability(self, options: Mapping[str, str]) -> Availability:
        """See Runtime.  Of the default profile; ``prepare`` tells about the others."""
        del options
        if not is_host_root():
            return Availability(ok=False, reason="not root", fix="run as root")
        try:
            program = profiles.program(PROFILES[DEFAULT_PROFILE])
            hierarchy = cgroups.detect()
        except RuntimeFault as fault:
            return Availability(ok=False, reason=str(fault), fix=fault.hint)
        return Availability(ok=True, reason=f"{program}, cgroups {hierarchy.version}")

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
        removed += _delete_all(state / engine.ROOT)
        if state.exists():
            remove_tree(state)
            removed.append(f"directory {state}")
        return removed


def _delete_all(root: Path) -> list[str]:
    """Let a runtime forget its containers; without one its state just goes with the directory."""
    with contextlib.suppress(FileNotFoundError, RuntimeFault):
        runtime = profiles.program(PROFILES[DEFAULT_PROFILE])
        names = sorted(each.name for each in root.iterdir())
        for name in names:
            delete(runtime, root, name)
        return [f"container {name}" for name in names]
    return []
