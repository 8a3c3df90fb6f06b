"""The Docker backend as the trial engine sees it.

The SDK is an optional extra: it is imported only once a run is prepared or cleaned.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from runtimes import process
from runtimes.base import Availability, Capability, Engine, Site
from runtimes.docker import locate, sweep
from runtimes.docker.request import PROFILES
from runtimes.faults import RuntimeFault
from runtimes.linux.ids.rights import is_host_root

_INSTALL = "run ./bootstrap, or: apt-get install docker.io"
_SDK = "run ./bootstrap, or: pip install 'tarebench[docker]'"


class DockerRuntime:
    """Containers through the Engine API."""

    name: str = "docker"
    profiles: Mapping[str, str] = PROFILES
    capabilities: frozenset[Capability] = frozenset(
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
        """Whether the SDK is there, and a daemon answers or can be started."""
        if not is_host_root():
            return Availability(
                ok=False,
                reason="its containers are put on the test network, which needs root",
                fix="run as root",
            )
        if importlib.util.find_spec("docker") is None:
            return Availability(ok=False, reason="the Docker SDK for Python is missing", fix=_SDK)
        try:
            address = locate.choose(options, os.environ)
        except RuntimeFault as fault:
            return Availability(ok=False, reason=str(fault), fix=fault.hint)
        if address is not None:
            return Availability(ok=True, reason=f"a daemon answers at {address}")
        return _private_availability()

    def prepare(self, site: Site, profiles: frozenset[str]) -> AbstractContextManager[Engine]:
        """A daemon with the run's image."""
        unknown = profiles - PROFILES.keys()
        if unknown:
            raise RuntimeFault(
                f"docker has no profile {', '.join(sorted(unknown))}",
                hint=f"it has: {', '.join(PROFILES)}",
            )
        from runtimes.docker.engine import prepared  # noqa: PLC0415  # the SDK is optional

        return prepared(site)

    def clean(self, state: Path, run: str) -> list[str]:
        """End the run's private daemon; remove the run's objects from the user's."""
        removed = sweep.private_daemon(run)
        removed += sweep.unmount_below(state)
        with contextlib.suppress(RuntimeFault):
            removed += _clean_users_daemon(state, run)
        return removed


def _private_availability() -> Availability:
    missing = [
        name
        for name in ("dockerd", "containerd", "runc", "nsenter", "unshare")
        if process.find(name) is None
    ]
    if missing:
        reason = f"no Docker daemon answers, and to start one there is no {', '.join(missing)}"
        return Availability(ok=False, reason=reason, fix=_INSTALL)
    return Availability(ok=True, reason="no daemon answers; a private one is started for the run")


def _clean_users_daemon(state: Path, run: str) -> list[str]:
    address = _recorded_address(state) or locate.choose({}, os.environ)
    if address is None or importlib.util.find_spec("docker") is None:
        return []
    if not locate.answers(locate.socket_path(address)):
        return []
    from runtimes.docker import api, ours  # noqa: PLC0415  # the SDK is optional

    client = api.connect(address)
    try:
        return ours.remove(client, run)
    finally:
        client.close()


def _recorded_address(state: Path) -> str:
    try:
        return (state / locate.ADDRESS_FILE).read_text().strip()
    except OSError:
        return ""
