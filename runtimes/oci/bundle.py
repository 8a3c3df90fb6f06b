"""Write an OCI runtime bundle: ``config.json`` of the runtime specification 1.0.2."""

from __future__ import annotations

import json
from pathlib import Path

from runtimes.oci import resources
from runtimes.oci.configuration import CallRule, Configuration, Filter, IdRange
from runtimes.oci.resources import Json

VERSION = "1.0.2"
CONFIG = "config.json"


def write(directory: Path, configuration: Configuration) -> Path:
    """Write ``config.json`` into an existing bundle directory; its path."""
    path = directory / CONFIG
    path.write_text(json.dumps(document(configuration), indent=1) + "\n")
    return path


def document(configuration: Configuration) -> dict[str, Json]:
    """The configuration as the specification lays it out."""
    one = configuration
    named: dict[str, Json] = {"hostname": one.hostname} if one.hostname else {}
    return {
        "ociVersion": VERSION,
        **named,
        "root": {"path": one.root, "readonly": one.root_read_only},
        "process": _process(one),
        "mounts": [
            {
                "destination": mount.destination,
                "type": mount.kind,
                "source": mount.source,
                "options": list(mount.options),
            }
            for mount in one.mounts
        ],
        "linux": _linux(one),
    }


def _process(one: Configuration) -> dict[str, Json]:
    kept: list[Json] = [f"CAP_{name}" for name in one.capabilities]
    limits: list[Json] = [
        {"type": each.kind, "soft": each.soft, "hard": each.hard} for each in one.limits
    ]
    return {
        "terminal": False,
        "user": {"uid": one.uid, "gid": one.gid},
        "args": list(one.argv),
        "env": [f"{name}={value}" for name, value in one.environment],
        "cwd": one.directory,
        "capabilities": {"bounding": kept, "effective": kept, "permitted": kept},
        **({"rlimits": limits} if limits else {}),
        "noNewPrivileges": one.no_new_privileges,
    }


def _linux(one: Configuration) -> dict[str, Json]:
    made: dict[str, Json] = {
        "namespaces": [
            {"type": kind, "path": path} if path else {"type": kind}
            for kind, path in one.namespaces
        ],
        "maskedPaths": list(one.masked),
        "readonlyPaths": list(one.read_only),
    }
    if one.uid_map or one.gid_map:
        made["uidMappings"] = _ids(one.uid_map)
        made["gidMappings"] = _ids(one.gid_map)
    if one.propagation:
        made["rootfsPropagation"] = one.propagation
    if one.cgroups_path:
        made["cgroupsPath"] = one.cgroups_path
    if one.bounds is not None:
        made["resources"] = resources.document(
            one.bounds, unified=one.unified, limits_swap=one.limits_swap
        )
    if one.filter is not None:
        made["seccomp"] = _seccomp(one.filter)
    return made


def _ids(ranges: tuple[IdRange, ...]) -> list[Json]:
    return [{"containerID": one.inside, "hostID": one.outside, "size": one.count} for one in ranges]


def _seccomp(one: Filter) -> dict[str, Json]:
    return {
        "defaultAction": one.default_action,
        "defaultErrnoRet": one.default_errno,
        "architectures": list(one.architectures),
        "syscalls": [_rule(rule) for rule in one.rules],
    }


def _rule(rule: CallRule) -> dict[str, Json]:
    made: dict[str, Json] = {"names": list(rule.names), "action": rule.action}
    if rule.errno is not None:
        made["errnoRet"] = rule.errno
    if rule.conditions:
        made["args"] = [
            {
                "index": each.index,
                "value": each.value,
                "valueTwo": each.second,
                "op": each.operator,
            }
            for each in rule.conditions
        ]
    return made
