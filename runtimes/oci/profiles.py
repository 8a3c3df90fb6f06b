"""Profiles of the OCI backend: which runtime runs which configuration of ``ns``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.linux import cgroups

VERSION_S = 10.0
OURS = "tarebench-ns"
"""Not found on the host but made for a run, by whoever is registered for it."""
GROUP = "tarebench.oci_runtimes"
"""Entry points that make an OCI runtime: called with the path that it is to have."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One runtime, and the ``ns`` profile whose configuration it is given."""

    summary: str
    program: str
    like: str


PROFILES: Mapping[str, Profile] = {
    "default": Profile("runc on the configuration of ns:default", "runc", "default"),
    "no-userns": Profile(
        "runc on the configuration of ns:no-userns, as Docker has it", "runc", "no-userns"
    ),
    "crun": Profile("crun (C) on the configuration of ns:default", "crun", "default"),
    "youki": Profile("youki (Rust) on the configuration of ns:default", "youki", "default"),
    "ns": Profile("ns by its own OCI command line, a process for each command", OURS, "default"),
}

_PACKAGES = {"runc": "apt-get install runc", "crun": "apt-get install crun"}


def program(profile: Profile) -> Path:
    """The profile's runtime on this host.

    Raises:
        RuntimeFault: not installed, or known to refuse this host; with the reason.
    """
    found = process.find(profile.program)
    if found is None:
        raise RuntimeFault(
            f"{profile.program} is not installed",
            hint=_PACKAGES.get(profile.program, f"put {profile.program} into /usr/local/bin"),
        )
    if profile.program == "crun" and cgroups.detect().version == "hybrid":
        raise RuntimeFault(
            "crun refuses hosts with hybrid cgroups (v1 controllers beside a v2 mount)",
            hint="use the default profile (runc), or boot with systemd.unified_cgroup_hierarchy=1",
        )
    return found


def ours(directory: Path) -> Path:
    """The command line of ns, as a program of its own below ``directory``.

    Raises:
        RuntimeFault: nothing is registered that makes it.
    """
    makers = entry_points(group=GROUP, name=OURS)
    if not makers:
        raise RuntimeFault(
            f"nothing makes the OCI runtime {OURS}",
            hint="install the project with ./bootstrap: entry points come with the installation",
        )
    directory.mkdir()
    next(iter(makers)).load()(directory / OURS)
    return directory / OURS


def versions(runtime: Path) -> dict[str, str]:
    """Versions that ``runtime --version`` names: its own, and of what it is linked to.

    Raises:
        CommandFailed: it does not even say its version.
    """
    done = process.run([str(runtime), "--version"], timeout_s=VERSION_S)
    return parse_versions(runtime.name, done.stdout.decode("utf-8", "replace"))


def parse_versions(name: str, text: str) -> dict[str, str]:
    """``runc version 1.1.5`` and ``libseccomp: 2.5.4`` lines."""
    own = re.search(rf"^{re.escape(name)} (?:version )?(\S+)", text, re.MULTILINE)
    library = re.search(r"^libseccomp: (\S+)", text, re.MULTILINE)
    found = {name: own[1] if own else "unknown"}
    return found | ({f"{name}.libseccomp": library[1]} if library else {})
