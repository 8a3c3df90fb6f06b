"""What this process may do on the host."""

from __future__ import annotations

import enum
import os
from pathlib import Path

from runtimes.linux.ids.maps import WHOLE, parse

_UIDS = Path("/proc/self/uid_map")


class Rights(enum.Enum):
    """From most to least."""

    HOST_ROOT = "root"
    """Root of the host's own user namespace."""
    OWN_ROOT = "root of a user namespace"
    """All capabilities over what was made in it, none over the host: what entering.py gives."""
    USER = "user"


def held() -> Rights:
    """The rights of this process now: entering a user namespace changes them."""
    if os.geteuid() != 0:
        return Rights.USER
    try:
        whole = parse(_UIDS.read_text()) == WHOLE
    except OSError:  # a kernel without user namespaces
        whole = True
    return Rights.HOST_ROOT if whole else Rights.OWN_ROOT


def is_host_root() -> bool:
    """Whether taps, cgroups and devices of the host are ours to make."""
    return held() is Rights.HOST_ROOT
