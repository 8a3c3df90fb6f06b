"""``containerd``: the configuration of ``ns`` through containerd, its shim and runc.

One tier above ``oci``: what a start costs more than there is what containerd and its shim do.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from runtimes import process
from runtimes.base import Availability, Capability, Engine, Site
from runtimes.containerd import daemon, engine
from runtimes.oci import OciRuntime


class ContainerdRuntime:
    """Implements ``runtimes.base.Runtime``."""

    name = "containerd"
    profiles: Mapping[str, str] = {
        "default": "containerd and runc on the configuration of ns:default",
        "no-userns": "containerd and runc on the configuration of ns:no-userns, as Docker has it",
    }
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
        """See Runtime."""
        missing = [
            name
            for name in ("containerd", "ctr", "containerd-shim-runc-v2", "unshare", "nsenter")
            if process.find(name) is None
        ]
        if missing:
            return Availability(
                ok=False,
                reason=f"not installed: {', '.join(missing)}",
                fix="apt-get install containerd util-linux",
            )
        return OciRuntime().availability(options)

    def prepare(self, site: Site, profiles: frozenset[str]) -> AbstractContextManager[Engine]:
        """See Runtime."""
        return engine.prepared(site, profiles)

    def clean(self, state: Path, run: str) -> list[str]:
        """See Runtime."""
        removed = daemon.sweep(daemon.directory_of(run))
        return removed + OciRuntime().clean(state, run)
