"""What an OCI configuration can say of a box, as far as ``ns`` does it too.

The middle between a box of ours and a ``config.json``: describe.py makes one from a box,
bundle.py and read.py translate it to and from the document, plan.py makes an ``ns`` plan of it.
Terms are those of the runtime specification (https://github.com/opencontainers/runtime-spec).
"""

from __future__ import annotations

from dataclasses import dataclass

from runtimes.linux.cgroups import Bounds


@dataclass(frozen=True, slots=True)
class MountPoint:
    """One entry of ``mounts``; they are mounted in order."""

    destination: str
    kind: str
    """Type of file system; ``bind`` for a bind mount."""
    source: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IdRange:
    """``count`` ids from ``inside`` on are those from ``outside`` on."""

    inside: int
    outside: int
    count: int


@dataclass(frozen=True, slots=True)
class Condition:
    """A test on one argument of a system call."""

    index: int
    operator: str
    """``SCMP_CMP_EQ``, ``SCMP_CMP_NE`` or ``SCMP_CMP_MASKED_EQ`` …"""
    value: int
    """For MASKED_EQ: the mask."""
    second: int = 0
    """For MASKED_EQ: what the masked argument must be."""


@dataclass(frozen=True, slots=True)
class CallRule:
    """What to do with some calls, where all conditions hold."""

    names: tuple[str, ...]
    action: str
    conditions: tuple[Condition, ...] = ()
    errno: int | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """A seccomp profile."""

    default_action: str
    default_errno: int
    architectures: tuple[str, ...]
    rules: tuple[CallRule, ...]


@dataclass(frozen=True, slots=True)
class ResourceLimit:
    """One of ``process.rlimits``."""

    kind: str
    """``RLIMIT_NOFILE`` …"""
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class HeldCapabilities:
    """What a program holds, where that is not just its bounding set; names without ``CAP_``."""

    effective: tuple[str, ...]
    permitted: tuple[str, ...]
    inheritable: tuple[str, ...] = ()
    ambient: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """One of ``linux.devices``."""

    path: str
    kind: str
    """``c``, ``b`` or ``p``."""
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Hook:
    """A program to run at a point of the life of a container."""

    path: str
    argv: tuple[str, ...]
    environment: tuple[str, ...]
    timeout_s: int
    """0: as long as it likes."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """By point of the container's life, in the specification's order."""

    prestart: tuple[Hook, ...] = ()
    create_runtime: tuple[Hook, ...] = ()
    create_container: tuple[Hook, ...] = ()
    start_container: tuple[Hook, ...] = ()
    poststart: tuple[Hook, ...] = ()
    poststop: tuple[Hook, ...] = ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """One container, as an OCI configuration has it."""

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    root: str
    """Path of the root file system; relative to the bundle, or absolute."""
    directory: str = "/"
    root_read_only: bool = False
    hostname: str = ""
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    """Further ones."""
    umask: int = 0o022
    namespaces: tuple[tuple[str, str], ...] = ()
    """Type and path; an empty path makes a new one."""
    uid_map: tuple[IdRange, ...] = ()
    gid_map: tuple[IdRange, ...] = ()
    mounts: tuple[MountPoint, ...] = ()
    propagation: str = ""
    """Of the root; empty where nothing is said of it."""
    masked: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    """Kept in the bounding set, and in the effective and permitted ones, without ``CAP_``."""
    held: HeldCapabilities | None = None
    """Where the other sets differ."""
    no_new_privileges: bool = True
    filter: Filter | None = None
    bounds: Bounds | None = None
    unified: bool = False
    """Whether some limits name files of cgroup v2, which v1 hosts do not have."""
    limits_swap: bool = True
    """Whether memory plus swap is limited to the same: a v1 kernel may not account for swap."""
    cgroups_path: str = ""
    limits: tuple[ResourceLimit, ...] = ()
    terminal: bool = False
    rows: int = 0
    columns: int = 0
    oom_score_adjustment: int = 0
    sysctls: tuple[tuple[str, str], ...] = ()
    devices: tuple[Device, ...] = ()
    """Beside the six that every box has."""
    hooks: Hooks = Hooks()
    annotations: tuple[tuple[str, str], ...] = ()

    def makes(self, namespace: str) -> bool:
        """Whether it has a namespace of this type, new or joined."""
        return any(kind == namespace for kind, _ in self.namespaces)
