"""What an OCI configuration wants of the host beyond a box: hooks, kernel settings, devices."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from runtimes.ns.mounts import mount_plan
from runtimes.oci.configuration import Device, Hook, Hooks
from runtimes.oci.fields import BundleFault, Fields
from runtimes.standalone.oci.read_process import read_id

_OF_NAMESPACE = (
    ("network", r"net\..+"),
    ("ipc", r"kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)"),
    ("ipc", r"fs\.mqueue\..+"),
)
"""Kernel settings that are a namespace's own; all others would be the host's."""
_LONGEST_S = 86400
_KINDS = {"c": "c", "u": "c", "b": "b", "p": "p"}
"""Types of devices, and the kinds of nodes that they are."""


def read_hooks(top: Fields) -> Hooks:
    """``hooks``.

    Raises:
        BundleFault: malformed.
    """
    hooks = top.inner("hooks")
    found = Hooks(
        *(
            tuple(_hook(each) for each in hooks.objects(name))
            for name in ("prestart", "createRuntime", "createContainer", "startContainer",
                         "poststart", "poststop")
        )
    )  # fmt: skip
    hooks.close()
    return found


def _hook(fields: Fields) -> Hook:
    path = fields.text("path")
    if not path.startswith("/"):
        raise BundleFault(fields.at("path"), f"{path!r} is not an absolute path")
    timeout_s = fields.take("timeout", int, 0)
    if not 0 <= timeout_s <= _LONGEST_S:
        raise BundleFault(fields.at("timeout"), f"is not between 0 and {_LONGEST_S}")
    hook = Hook(path, fields.texts("args") or (path,), fields.texts("env"), timeout_s)
    fields.close()
    return hook


def read_sysctls(
    linux: Fields, namespaces: Sequence[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """``linux.sysctl``: only what belongs to namespaces that the container makes.

    Raises:
        BundleFault: it would be the host's.
    """
    made = {kind for kind, path in namespaces if not path}
    fields = linux.inner("sysctl")
    found = []
    for name in fields.content:
        if not re.fullmatch(r"[\w\-*]+(\.[\w\-*]+)+", name):
            raise BundleFault(fields.at(name), "is no kernel setting")
        if not any(kind in made and re.fullmatch(own, name) for kind, own in _OF_NAMESPACE):
            raise BundleFault(fields.at(name), "belongs to no namespace that the container makes")
        found.append((name, fields.text(name)))
    return tuple(found)


def read_devices(linux: Fields) -> tuple[Device, ...]:
    """``linux.devices``, without those that every box has.

    Raises:
        BundleFault: not a device, or not below /dev.
    """
    own = {f"/dev/{name}" for name, *_ in (*mount_plan.DEVICES, *mount_plan.LINKS)}
    found = []
    for each in linux.objects("devices"):
        path, kind = each.text("path"), each.text("type")
        if not path.startswith("/dev/") or posixpath.normpath(path) != path:
            raise BundleFault(each.at("path"), f"{path!r} is not below /dev")
        if kind not in _KINDS:
            raise BundleFault(each.at("type"), f"ns makes {', '.join(_KINDS)}, not {kind!r}")
        mode = each.take("fileMode", int, 0o666) & 0o777
        default = 0 if kind == "p" else None
        major, minor = each.take("major", int, default), each.take("minor", int, default)
        if not 0 <= major < 1 << 12 or not 0 <= minor < 1 << 20:
            raise BundleFault(each.at("major"), f"{major}:{minor} is no device")
        owner = read_id(each, "uid"), read_id(each, "gid")
        each.close()
        if path not in own:
            found.append(Device(path, _KINDS[kind], major, minor, mode, *owner))
    return tuple(found)


def read_annotations(top: Fields) -> tuple[tuple[str, str], ...]:
    """``annotations``, which the container's state repeats.

    Raises:
        BundleFault: not a map of strings.
    """
    fields = top.inner("annotations")
    return tuple((name, fields.text(name)) for name in fields.content)
