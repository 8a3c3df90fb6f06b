"""Read an OCI runtime bundle: what ``ns`` does is taken over, everything else is refused by name.

A field that is ignored may be a restriction that its author relied upon: so the reader knows every
field that it passes over, and refuses those it does not know.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from runtimes.oci import resources
from runtimes.oci.bundle import CONFIG
from runtimes.oci.configuration import (
    CallRule,
    Condition,
    Configuration,
    Filter,
    IdRange,
    MountPoint,
)
from runtimes.oci.fields import BundleFault, Fields
from runtimes.standalone.oci.mounts import PROPAGATION, check_mount
from runtimes.standalone.oci.read_host import (
    read_annotations,
    read_devices,
    read_hooks,
    read_sysctls,
)
from runtimes.standalone.oci.read_process import read_id, with_process

LARGEST_BYTES = 4 << 20
NAMESPACES = ("mount", "pid", "network", "ipc", "uts", "user", "cgroup", "time")
_JOINED = ("network", "pid", "ipc", "uts", "cgroup")
"""Namespaces that may be given by path."""
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
    top.refuse("solaris", "windows", "vm", "zos", why=_ELSEWHERE)
    top.refuse("domainname", why="ns sets no NIS domain")
    root, linux = top.inner("root"), top.inner("linux")
    limits = linux.inner("resources")
    unified = limits.has("unified")
    bounds, limits_swap = resources.read(limits)
    namespaces = _namespaces(linux)
    made = Configuration(
        argv=(),
        environment=(),
        root=root.text("path"),
        root_read_only=root.take("readonly", bool, False),  # noqa: FBT003  # the field's default
        hostname=top.text("hostname", ""),
        namespaces=namespaces,
        uid_map=_ids(linux, "uidMappings"),
        gid_map=_ids(linux, "gidMappings"),
        mounts=tuple(_mount(each) for each in top.objects("mounts")),
        propagation=_propagation(linux),
        masked=linux.texts("maskedPaths"),
        read_only=linux.texts("readonlyPaths"),
        filter=_filter(linux),
        bounds=bounds,
        unified=unified,
        limits_swap=limits_swap,
        cgroups_path=linux.text("cgroupsPath", ""),
        sysctls=read_sysctls(linux, namespaces),
        devices=read_devices(linux),
        hooks=read_hooks(top),
        annotations=read_annotations(top),
    )
    configuration = with_process(made, top.inner("process"))
    _refuse_the_rest(linux)
    for each in (root, limits, linux, top):
        each.close()
    _check_whole(configuration)
    return configuration


def _refuse_the_rest(linux: Fields) -> None:
    linux.refuse("intelRdt", "personality", "mountLabel", "timeOffsets", why="ns does not set it")


def _propagation(linux: Fields) -> str:
    word = linux.text("rootfsPropagation", "")
    if word not in PROPAGATION:
        raise BundleFault(linux.at("rootfsPropagation"), f"{word!r} is none")
    return word if PROPAGATION[word] else ""


def _check_whole(one: Configuration) -> None:
    if not one.makes("mount"):
        raise BundleFault("$.linux.namespaces", "has no mount namespace, which ns always makes")
    if one.makes("user") != bool(one.uid_map):
        raise BundleFault("$.linux.uidMappings", "must be there if and only if a user namespace is")
    if bool(one.uid_map) != bool(one.gid_map):
        raise BundleFault("$.linux.gidMappings", "must be there if and only if uidMappings are")
    if one.hostname and not one.makes("uts"):
        raise BundleFault("$.hostname", "would be the host's: there is no UTS namespace")
    joined = [kind for kind, path in one.namespaces if path and kind != "network"]
    if joined and one.uid_map:
        raise BundleFault(
            "$.linux.namespaces", f"{joined[0]} of another user namespace than its own"
        )


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
        found.append(
            IdRange(read_id(each, "containerID"), read_id(each, "hostID"), read_id(each, "size"))
        )
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
