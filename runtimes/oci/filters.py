"""The seccomp profile of ``ns`` in the words of the OCI specification."""

from __future__ import annotations

import errno
import platform

from runtimes.namespaces import seccomp_calls as calls
from runtimes.oci.configuration import CallRule, Condition, Filter

ALLOW = "SCMP_ACT_ALLOW"
REFUSE = "SCMP_ACT_ERRNO"

_ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}


def default_filter(machine: str = "") -> Filter:
    """The rules that runtimes/namespaces/seccomp.py compiles, call for call.

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
            CallRule(("socket",), ALLOW, (Condition(0, "SCMP_CMP_NE", calls.AF_VSOCK),)),
            CallRule(("clone",), ALLOW, (no_namespace,)),
            CallRule(("clone3",), REFUSE, errno=errno.ENOSYS),
        ),
    )
