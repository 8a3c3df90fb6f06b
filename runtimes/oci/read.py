"""Read an OCI runtime bundle: what ``ns`` does is taken over, everything else is refused by name.

A field that is ignored may be a restriction that its author relied upon: so the reader knows every
field that it passes over, and refuses those it does not know.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from runtimes.namespaces.capabilities import NUMBERS
from runtimes.oci import resources
from runtimes.oci.bundle import CONFIG
from runtimes.oci.configuration import (
    CallRule,
    Condition,
    Configuration,
    Filter,
    IdRange,
    MountPoint,
    ResourceLimit,
)
from runtimes.oci.fields import BundleFault, Fields
from runtimes.oci.mounts import check_mount

LARGEST_BYTES = 4 << 20
NAMESPACES = ("mount", "pid", "network", "ipc", "uts", "user", "cgroup", "time")
_JOINED = ("network",)
"""Namespaces that may be given by path."""
_HOOKS = "hooks run programs on the host at every phase: ns runs none"
_ELSEWHERE = "only Linux containers are supported"


def read(directory: Path) -> Configuration:
    """The configuration in a bundle directory.

    Raises:
        BundleFault: missing, malformed, or asking for what ``ns`` does not do; with the path.
    """
    path = directory / CONFIG
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise BundleFault("$", f"cannot be read: {error.strerror}") from None
    if len(text) > LARGEST_BYTES:
        raise BundleFault("$", f"is larger than {LARGEST_BYTES >> 20} MiB")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleFault("$", f"is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise BundleFault("$", "is not an object")
    return parse(content)


def parse(content: dict[str, object]) -> Configuration:
    """The configuration in a parsed document.

    Raises:
        BundleFault: see ``read``.
    """
    top = Fields("$", content)
    if not re.fullmatch(r"1\.\d+\.\d+(-.*)?", top.text("ociVersion")):
        raise BundleFault("$.ociVersion", f"is {top.text('ociVersion')!r}, not 1.x.y")
    top.ignore("annotations")
    top.refuse("hooks", why=_HOOKS)
    top.refuse("solaris", "windows", "vm", "zos", why=_ELSEWHERE)
    top.refuse("domainname", why="ns sets no NIS domain")
    root, process, linux = top.inner("root"), top.inner("process"), top.inner("linux")
    user, rights = process.inner("user"), process.inner("capabilities")
    limits = linux.inner("resources")
    unified = limits.has("unified")
    bounds, limits_swap = resources.read(limits)
    configuration = Configuration(
        argv=_argv(process),
        environment=_environment(process),
        root=root.text("path"),
        root_read_only=root.take("readonly", bool, False),  # noqa: FBT003  # the field's default
        directory=_directory(process),
        hostname=top.text("hostname", ""),
        uid=_id(user, "uid"),
        gid=_id(user, "gid"),
        namespaces=_namespaces(linux),
        uid_map=_ids(linux, "uidMappings"),
        gid_map=_ids(linux, "gidMappings"),
        mounts=tuple(_mount(each) for each in top.objects("mounts")),
        masked=linux.texts("maskedPaths"),
        read_only=linux.texts("readonlyPaths"),
        capabilities=_capabilities(rights),
        no_new_privileges=process.take("noNewPrivileges", bool, False),  # noqa: FBT003  # as above
        filter=_filter(linux),
        bounds=bounds,
        unified=unified,
        limits_swap=limits_swap,
        cgroups_path=linux.text("cgroupsPath", ""),
        limits=tuple(_limit(each) for each in process.objects("rlimits")),
    )
    _refuse_the_rest(process, linux, user)
    for each in (root, user, rights, limits, process, linux, top):
        each.close()
    _check_whole(configuration)
    return configuration


def _refuse_the_rest(process: Fields, linux: Fields, user: Fields) -> None:
    process.refuse("terminal", why="ns gives a box pipes, not a terminal: set it to false")
    process.refuse("apparmorProfile", "selinuxLabel", why="ns sets no security labels")
    process.refuse("oomScoreAdj", "ioPriority", "scheduler", why="ns leaves it as it is")
    process.ignore("consoleSize", "commandLine")
    user.refuse("additionalGids", "umask", why="ns has no further groups and umask 022")
    linux.refuse("devices", why="ns makes the six default devices only")
    linux.refuse("sysctl", why="ns sets no sysctl")
    linux.refuse("intelRdt", "personality", "mountLabel", "timeOffsets", why="ns does not set it")
    if linux.text("rootfsPropagation", "private") not in ("private", "rprivate"):
        raise BundleFault("$.linux.rootfsPropagation", "no mount of ns propagates: use private")


def _check_whole(one: Configuration) -> None:
    if not one.makes("mount"):
        raise BundleFault("$.linux.namespaces", "has no mount namespace, which ns always makes")
    if one.makes("user") != bool(one.uid_map):
        raise BundleFault("$.linux.uidMappings", "must be there if and only if a user namespace is")
    if one.uid_map != one.gid_map:
        raise BundleFault("$.linux.gidMappings", "must equal uidMappings: ns has one map")
    if one.hostname and not one.makes("uts"):
        raise BundleFault("$.hostname", "would be the host's: there is no UTS namespace")


def _argv(process: Fields) -> tuple[str, ...]:
    argv = process.texts("args")
    if not argv or not argv[0].startswith("/"):
        raise BundleFault("$.process.args", "must begin with an absolute path: ns searches no PATH")
    return argv


def _environment(process: Fields) -> tuple[tuple[str, str], ...]:
    pairs = [text.partition("=") for text in process.texts("env")]
    for index, (name, equals, _) in enumerate(pairs):
        if not name or not equals:
            raise BundleFault(f"$.process.env[{index}]", "is not NAME=value")
    return tuple((name, value) for name, _, value in pairs)


def _directory(process: Fields) -> str:
    directory = process.text("cwd")
    if not directory.startswith("/"):
        raise BundleFault("$.process.cwd", "is not an absolute path")
    return directory


def _id(fields: Fields, name: str) -> int:
    value = fields.take(name, int, 0)
    if not 0 <= value < 2**32 - 1:
        raise BundleFault(fields.at(name), "is no id")
    return value


def _namespaces(linux: Fields) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for each in linux.objects("namespaces"):
        kind, path = each.text("type"), each.text("path", "")
        if kind not in NAMESPACES or kind in found:
            raise BundleFault(each.at("type"), f"{kind!r} is unknown or there twice")
        if path and kind not in _JOINED:
            raise BundleFault(each.at("path"), f"ns joins no {kind} namespace, it makes one")
        found[kind] = path
        each.close()
    return tuple(found.items())


def _ids(linux: Fields, name: str) -> tuple[IdRange, ...]:
    found = []
    for each in linux.objects(name):
        found.append(IdRange(_id(each, "containerID"), _id(each, "hostID"), _id(each, "size")))
        each.close()
    return tuple(found)


def _mount(fields: Fields) -> MountPoint:
    mount = MountPoint(
        fields.text("destination"),
        fields.text("type", "bind"),
        fields.text("source", ""),
        fields.texts("options"),
    )
    fields.refuse("uidMappings", "gidMappings", why="ns maps the root only")
    fields.close()
    check_mount(fields, mount)
    return mount


def _capabilities(rights: Fields) -> tuple[str, ...]:
    bounding, effective, permitted = map(rights.texts, ("bounding", "effective", "permitted"))
    for index, name in enumerate(bounding):
        if name.removeprefix("CAP_") not in NUMBERS:
            raise BundleFault(f"$.process.capabilities.bounding[{index}]", f"unknown: {name!r}")
    if not set(bounding) == set(effective) == set(permitted):
        raise BundleFault(
            "$.process.capabilities", "bounding, effective and permitted must be the same for ns"
        )
    for name in ("inheritable", "ambient"):
        rights.refuse(name, why="ns leaves this set empty")
    wanted = {name.removeprefix("CAP_") for name in bounding}
    return tuple(name for name in NUMBERS if name in wanted)


def _limit(fields: Fields) -> ResourceLimit:
    limit = ResourceLimit(fields.text("type"), fields.take("soft", int), fields.take("hard", int))
    if limit.kind not in RESOURCES or not 0 <= limit.soft <= limit.hard < 2**64:
        raise BundleFault(fields.path, f"{limit.kind} {limit.soft}:{limit.hard} is no limit")
    fields.close()
    return limit


def _filter(linux: Fields) -> Filter | None:
    if not linux.has("seccomp"):
        linux.ignore("seccomp")
        return None
    one = linux.inner("seccomp")
    one.refuse("flags", "listenerPath", "listenerMetadata", why="ns loads plain filters only")
    found = Filter(
        one.text("defaultAction"),
        one.take("defaultErrnoRet", int, 1),
        one.texts("architectures"),
        tuple(_rule(each) for each in one.objects("syscalls")),
    )
    one.close()
    return found


def _rule(fields: Fields) -> CallRule:
    conditions = []
    for each in fields.objects("args"):
        conditions.append(
            Condition(
                each.take("index", int),
                each.text("op"),
                each.take("value", int),
                each.take("valueTwo", int, 0),
            )
        )
        each.close()
    errno = fields.take("errnoRet", int, -1)
    rule = CallRule(
        fields.texts("names"),
        fields.text("action"),
        tuple(conditions),
        errno if errno >= 0 else None,
    )
    fields.close()
    return rule


_RESOURCES = (
    "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO "
    "RTTIME"
)
RESOURCES = {f"RLIMIT_{name}": number for number, name in enumerate(_RESOURCES.split())}
"""Numbers of setrlimit(2), the same on x86_64 and aarch64."""
