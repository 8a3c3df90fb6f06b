"""The seccomp profile of ``ns`` in the words of the OCI specification."""

from __future__ import annotations

import errno
import platform

from runtimes.ns.seccomp import calls
from runtimes.oci.configuration import CallRule, Condition, Filter

ALLOW = "SCMP_ACT_ALLOW"
REFUSE = "SCMP_ACT_ERRNO"

_ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}


def default_filter(machine: str = "") -> Filter:
    """The rules that runtimes/ns/seccomp/compiler.py compiles, call for call.

    Args:
        machine: as uname(2) names it; this one by default.
    """
    machine = machine or platform.machine()
    names = (*calls.ALLOWED, *calls.BY_ARCHITECTURE.get(machine, ()))
    no_namespace = Condition(0, "SCMP_CMP_MASKED_EQ", calls.NAMESPACE_FLAGS, 0)
    return Filter(
        default_action=REFUSE,
        default_errno=errno.EPERM,
        architectures=_ARCHITECTURES.get(machine, ()),
        rules=(
            CallRule(tuple(sorted(names)), ALLOW),
            *(
                CallRule(("personality",), ALLOW, (Condition(0, "SCMP_CMP_EQ", persona),))
                for persona in calls.PERSONALITIES
            ),
            # Before the rules for socket, each of which libseccomp would have mean "and socketcall,
            # whatever its pointer points to"; and with another errno than the default one, or runc
            # leaves the rule out.
            CallRule(("socketcall",), REFUSE, errno=errno.ENOSYS),
            *(CallRule(("socket",), ALLOW, (condition,)) for condition in _families()),
            CallRule(("clone",), ALLOW, (no_namespace,)),
            CallRule(("clone3",), REFUSE, errno=errno.ENOSYS),
        ),
    )


def _families() -> list[Condition]:
    """The address families that may be had, as few ranges that a mask of 32 bits can tell.

    The kernel takes 32 bits of the argument: "not 40" would be true of 40 + 2^32.
    """
    found: list[Condition] = []
    first = 0
    while first < calls.FAMILIES:
        size = calls.FAMILIES
        while first % size or set(range(first, first + size)) & set(calls.REFUSED_FAMILIES):
            size //= 2
            if not size:
                break
        if size:
            mask = 0xFFFFFFFF & ~(size - 1)
            found.append(Condition(0, "SCMP_CMP_MASKED_EQ", mask, first))
        first += size or 1
    return found
