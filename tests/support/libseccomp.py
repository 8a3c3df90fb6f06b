"""The default filter as libseccomp compiles it: what the product's own is held against."""

from __future__ import annotations

import errno
import os
import platform
from types import ModuleType

from runtimes.ns.seccomp import calls, compiler
from runtimes.oci.configuration import Condition
from runtimes.oci.filters import default_filter

_SUB_ARCHITECTURES = {"x86_64": ("X86", "X32"), "aarch64": ("ARM",)}


def oracle(library: ModuleType) -> bytes:
    """The same rules through pyseccomp, as runc and crun would load them."""
    machine = platform.machine()
    wanted = library.SyscallFilter(library.ERRNO(errno.EPERM))
    for architecture in _SUB_ARCHITECTURES[machine]:
        wanted.add_arch(getattr(library.Arch, architecture))
    for name in (*calls.ALLOWED, *calls.BY_ARCHITECTURE[machine]):
        number = compiler.resolve(library, name)
        if number is not None:
            wanted.add_rule(library.ALLOW, number)
    wanted.add_rule(library.ERRNO(errno.ENOSYS), "socketcall")
    for persona in calls.PERSONALITIES:
        wanted.add_rule(library.ALLOW, "personality", library.Arg(0, library.EQ, persona))
    for one in _families():
        wanted.add_rule(
            library.ALLOW, "socket", library.Arg(0, library.MASKED_EQ, one.value, one.second)
        )
    no_namespace = library.Arg(0, library.MASKED_EQ, calls.NAMESPACE_FLAGS, 0)
    wanted.add_rule(library.ALLOW, "clone", no_namespace)
    wanted.add_rule(library.ERRNO(errno.ENOSYS), "clone3")
    with os.fdopen(os.memfd_create("filter"), "w+b") as file:
        wanted.export_bpf(file)
        file.seek(0)
        return compiler.newer_is_missing(machine, compiler.highest(library)) + file.read()


def _families() -> list[Condition]:
    """What bundles say of address families."""
    rules = default_filter().rules
    return [one for rule in rules if rule.names == ("socket",) for one in rule.conditions]
