"""What a bundle asks for, as the command line takes it: paths, cgroups, the compiled filter."""

from __future__ import annotations

import posixpath

from runtimes.faults import RuntimeFault
from runtimes.oci.configuration import Configuration
from runtimes.standalone.oci.command.containers import CGROUPS
from runtimes.standalone.oci.seccomp import compile_rules


def cgroup_path(one: Configuration, name: str) -> str:
    """Where the container's cgroups are, below every hierarchy's mount point.

    Raises:
        RuntimeFault: it is meant for systemd, or for the hierarchy itself.
    """
    given = one.cgroups_path
    if given.count(":") == 2 and "/" not in given:
        raise RuntimeFault(
            f"cgroupsPath {given}: ns makes cgroups itself, it does not ask systemd",
            hint="for Docker: --exec-opt native.cgroupdriver=cgroupfs",
        )
    below = "" if given.startswith("/") else f"/{CGROUPS}/"
    path = posixpath.normpath(f"/{below}{given or name}").strip("/")
    if not path or (not given.startswith("/") and not path.startswith(f"{CGROUPS}/")):
        raise RuntimeFault(f"cgroupsPath {given!r} is no place for a container")
    return path


def filter_of(one: Configuration) -> bytes:
    """The program of its seccomp filter; empty where it has none.

    Raises:
        RuntimeFault: libseccomp is missing, or does not know a word of it.
    """
    return compile_rules(one.filter) if one.filter else b""
