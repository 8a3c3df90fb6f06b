"""Limits of a cgroup in the words of ``linux.resources``, and back.

What v1 and v2 weigh differently is said for the host's own version: the specification's words are
v1's, and ``unified`` names v2's files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from runtimes.linux.cgroups import Bounds, DeviceRule, IoLimit
from runtimes.linux.cgroups.base import PERIOD_US
from runtimes.linux.cgroups.devices import DEFAULT as DEFAULT_DEVICES
from runtimes.linux.cgroups.v1 import shares
from runtimes.linux.cpu_list import format_cpus, parse_cpus
from runtimes.oci.fields import BundleFault, Fields

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"

_THROTTLES = (
    ("throttleReadBpsDevice", "read_bytes_per_s"),
    ("throttleWriteBpsDevice", "write_bytes_per_s"),
    ("throttleReadIOPSDevice", "read_operations_per_s"),
    ("throttleWriteIOPSDevice", "write_operations_per_s"),
)
_KINDS = {"a": "cb"}
_EVERYBODYS_SHARES = 1024
_UNIFIED = ("cpu.weight", "memory.high", "io.weight")


def document(bounds: Bounds, *, unified: bool, limits_swap: bool) -> dict[str, Json]:
    """``linux.resources`` for a host with v2 (``unified``) or v1 controllers."""
    made: dict[str, Json] = {
        "cpu": _cpu(bounds, unified=unified),
        "memory": _memory(bounds, unified=unified, limits_swap=limits_swap),
        "pids": {} if bounds.pids_max is None else {"limit": bounds.pids_max},
        "blockIO": _io(bounds, unified=unified),
        "unified": dict(_files(bounds)) if unified else {},
        "devices": _devices(bounds),
    }
    return {name: value for name, value in made.items() if value}


def weighs(bounds: Bounds) -> bool:
    """Whether any limit is said differently for v2."""
    return any(True for _ in _files(bounds))


def _cpu(bounds: Bounds, *, unified: bool) -> dict[str, Json]:
    made: dict[str, Json] = {"cpus": format_cpus(bounds.cpus)} if bounds.cpus else {}
    if bounds.cpu_quota is not None:
        period_us = bounds.cpu_period_us
        made |= {"quota": round(bounds.cpu_quota * period_us), "period": period_us}
    elif bounds.cpu_period_us != PERIOD_US:
        made["period"] = bounds.cpu_period_us
    if bounds.memory_nodes:
        made["mems"] = format_cpus(bounds.memory_nodes)
    if bounds.cpu_weight is not None and not unified:
        made["shares"] = shares(bounds.cpu_weight)
    return made


def _memory(bounds: Bounds, *, unified: bool, limits_swap: bool) -> dict[str, Json]:
    made: dict[str, Json] = {}
    if bounds.memory_bytes is not None:
        made["limit"] = bounds.memory_bytes
        if limits_swap:  # memory and swap together
            made["swap"] = bounds.memory_bytes + bounds.swap_bytes
    if bounds.memory_high_bytes is not None and not unified:
        made["reservation"] = bounds.memory_high_bytes
    return made


def _io(bounds: Bounds, *, unified: bool) -> dict[str, Json]:
    made: dict[str, Json] = {}
    if bounds.io_weight is not None and not unified:
        made["weight"] = min(1000, max(10, bounds.io_weight))
    for name, field in _THROTTLES:
        rates: list[Json] = [
            {"major": one.major, "minor": one.minor, "rate": getattr(one, field)}
            for one in bounds.io
            if getattr(one, field) is not None
        ]
        if rates:
            made[name] = rates
    return made


def _files(bounds: Bounds) -> Iterator[tuple[str, Json]]:
    if bounds.cpu_weight is not None:
        yield "cpu.weight", str(bounds.cpu_weight)
    if bounds.memory_high_bytes is not None:
        yield "memory.high", str(bounds.memory_high_bytes)
    if bounds.io_weight is not None:
        yield "io.weight", f"default {bounds.io_weight}"


def _devices(bounds: Bounds) -> list[Json]:
    if bounds.devices is None:
        return []
    allowed: list[Json] = []
    # Type "a" in an allowing rule means everything to runc, whatever else the rule says.
    kinds = ((kind, rule) for rule in bounds.devices for kind in _KINDS.get(rule.kind, rule.kind))
    for kind, rule in kinds:
        one: dict[str, Json] = {"allow": True, "type": kind, "access": rule.access}
        if rule.major is not None:
            one["major"] = rule.major
        if rule.minor is not None:
            one["minor"] = rule.minor
        allowed.append(one)
    return [{"allow": False, "access": "rwm"}, *allowed]


def read(resources: Fields) -> tuple[Bounds | None, bool]:
    """The limits, and whether swap is limited with memory; ``None`` where there are none.

    Raises:
        BundleFault: a limit that ``ns`` does not set.
    """
    cpu, memory, pids = map(resources.inner, ("cpu", "memory", "pids"))
    block, unified = resources.inner("blockIO"), resources.inner("unified")
    for name in _UNIFIED:
        unified.ignore(name)
    limit, swap = memory.take("limit", int, 0), memory.take("swap", int, 0)
    if swap and not swap >= limit > 0:
        raise BundleFault(memory.at("swap"), "must be at least limit: it is memory and swap")
    bounds = Bounds(
        cpus=_numbers(cpu, "cpus"),
        cpu_quota=_quota(cpu),
        cpu_period_us=_period_us(cpu),
        memory_nodes=_numbers(cpu, "mems"),
        memory_bytes=limit if limit > 0 else None,
        memory_high_bytes=_positive(memory, "reservation") or _file(unified, "memory.high"),
        swap_bytes=max(0, swap - limit),
        cpu_weight=_weight(cpu) or _file(unified, "cpu.weight"),
        pids_max=_positive(pids, "limit"),
        io=_throttles(block),
        io_weight=_positive(block, "weight") or _file(unified, "io.weight", "default "),
        devices=_device_rules(resources),
    )
    for each in (cpu, memory, pids, block, unified):
        each.close()
    return (None if bounds == Bounds(()) else bounds), swap > 0 or limit <= 0


def _positive(fields: Fields, name: str) -> int | None:
    value = fields.take(name, int, 0)
    return value if value > 0 else None


def _file(unified: Fields, name: str, prefix: str = "") -> int | None:
    text = unified.text(name, "")
    digits = text.removeprefix(prefix)
    if text and not re.fullmatch(r"\d{1,19}", digits):
        raise BundleFault(unified.at(name), f"{text!r} is no number")
    return int(digits) if text else None


def _numbers(cpu: Fields, name: str) -> tuple[int, ...]:
    text = cpu.text(name, "")
    try:
        return parse_cpus(text)
    except ValueError as error:
        raise BundleFault(cpu.at(name), f"{text!r} is no list of {name}: {error}") from None


def _quota(cpu: Fields) -> float | None:
    quota = cpu.take("quota", int, 0)
    return quota / _period_us(cpu) if quota > 0 else None


def _period_us(cpu: Fields) -> int:
    """The kernel takes from a millisecond to a second (sched_cfs_bandwidth)."""
    period_us = cpu.take("period", int, 0) or PERIOD_US
    if not 1000 <= period_us <= 1_000_000:
        raise BundleFault(cpu.at("period"), f"{period_us} is not between 1000 and 1000000")
    return period_us


def _weight(cpu: Fields) -> int | None:
    value = _positive(cpu, "shares")
    return None if value is None else max(1, round(value * 100 / _EVERYBODYS_SHARES))


def _throttles(block: Fields) -> tuple[IoLimit, ...]:
    found: dict[tuple[int, int], dict[str, int]] = {}
    for name, field in _THROTTLES:
        for each in block.objects(name):
            device = each.take("major", int), each.take("minor", int)
            found.setdefault(device, {})[field] = each.take("rate", int)
            each.close()
    return tuple(IoLimit(*device, **rates) for device, rates in found.items())


def _device_rules(resources: Fields) -> tuple[DeviceRule, ...] | None:
    """Deny all, then allow some: what every engine writes.  Runtimes add the harmless devices."""
    rules: list[DeviceRule] = []
    denied = False
    for each in resources.objects("devices"):
        allow = each.take("allow", bool, False)  # noqa: FBT003  # the field's default
        kind, access = each.text("type", "a"), each.text("access", "rwm")
        major, minor = each.take("major", int, -1), each.take("minor", int, -1)
        each.close()
        everything = kind == "a" and major == minor == -1
        if not allow and not denied and not rules and everything:
            denied = True
        elif allow and not rules and everything:  # what --privileged says
            denied = False
        elif not allow and denied and not any(_meet(one, kind, major, minor) for one in rules):
            continue  # denied already
        elif allow and denied and kind in ("b", "c") and access and not set(access) - set("rwm"):
            _append(rules, DeviceRule(kind, _or_any(major), _or_any(minor), access))
        else:
            raise BundleFault(each.path, "ns denies all devices first and then allows some")
    if not denied:
        return None
    missing = [rule for rule in DEFAULT_DEVICES if rule not in rules]
    return (*rules, *missing)


def _meet(rule: DeviceRule, kind: str, major: int, minor: int) -> bool:
    """Whether some device is meant by both."""
    return ("a" in (kind, rule.kind) or kind == rule.kind) and all(
        own is None or other < 0 or own == other
        for own, other in ((rule.major, major), (rule.minor, minor))
    )


def _append(rules: list[DeviceRule], rule: DeviceRule) -> None:
    """Character and block devices of the same numbers, one after the other, are one rule."""
    if rules and rule.kind == "b" and rules[-1] == replace(rule, kind="c"):
        rules[-1] = replace(rule, kind="a")
    else:
        rules.append(rule)


def _or_any(number: int) -> int | None:
    return None if number < 0 else number
