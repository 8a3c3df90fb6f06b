"""Compile a configuration's filter to the program that the kernel loads, through libseccomp."""

from __future__ import annotations

import os
import platform
from types import ModuleType

from runtimes.faults import RuntimeFault
from runtimes.ns.seccomp.compiler import highest, newer_is_missing, resolve
from runtimes.oci.configuration import CallRule, Condition, Filter

_ACTIONS = ("ALLOW", "LOG", "TRAP", "KILL", "KILL_PROCESS")
_NATIVE = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}


def compile_rules(one: Filter) -> bytes:
    """An array of ``struct sock_filter``.

    Raises:
        RuntimeFault: libseccomp is missing, or a word in the filter is unknown to it.
    """
    try:
        import pyseccomp  # noqa: PLC0415  # loads a shared library: only where a filter is wanted
    except (ImportError, RuntimeError, OSError) as error:
        raise RuntimeFault(
            f"libseccomp cannot be loaded: {error}", hint="apt-get install libseccomp2"
        ) from None
    made = pyseccomp.SyscallFilter(_action(pyseccomp, one.default_action, one.default_errno))
    for name in one.architectures:
        if name != _NATIVE.get(platform.machine()):
            made.add_arch(_word(pyseccomp.Arch, name.removeprefix("SCMP_ARCH_")))
    for rule in one.rules:
        action = _action(pyseccomp, rule.action, rule.errno)
        if action == _action(pyseccomp, one.default_action, one.default_errno):
            continue  # libseccomp refuses a rule that says what holds anyway
        _add(pyseccomp, made, rule, action)
    with os.fdopen(os.memfd_create("filter"), "w+b") as file:
        made.export_bpf(file)
        file.seek(0)
        return newer_is_missing(platform.machine(), highest(pyseccomp)) + file.read()


def _add(library: ModuleType, made: object, rule: CallRule, action: int) -> None:
    arguments = [_argument(library, each) for each in rule.conditions]
    for name in rule.names:
        number = resolve(library, name)
        if number is not None:  # a call that this architecture does not have needs no rule
            made.add_rule(action, number, *arguments)  # type: ignore[attr-defined]


def _argument(library: ModuleType, one: Condition) -> object:
    operator = _word(library, one.operator.removeprefix("SCMP_CMP_"))
    if one.operator == "SCMP_CMP_MASKED_EQ":
        return library.Arg(one.index, operator, one.value, one.second)
    return library.Arg(one.index, operator, one.value)


def _action(library: ModuleType, name: str, errno: int | None) -> int:
    word = name.removeprefix("SCMP_ACT_")
    if word == "ERRNO":
        return int(library.ERRNO(1 if errno is None else errno))
    if word not in _ACTIONS:
        raise RuntimeFault(f"seccomp action {name} is not supported by ns")
    return _word(library, word)


def _word(library: object, name: str) -> int:
    value = getattr(library, name, None)
    if not isinstance(value, int) or not name.isupper():
        raise RuntimeFault(f"libseccomp does not know {name}")
    return int(value)
