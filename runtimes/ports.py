"""Names of the bridge's ports, and the hardware addresses behind them: they follow from the slot.

The testbed lets each port show its own box's addresses only, and has to know them beforehand.
"""

from __future__ import annotations

import enum

_SECOND = 0x04


class Kind(enum.Enum):
    """Whose port it is."""

    NS = "n"
    OCI = "o"
    """containerd's too."""
    VM = "v"


def name(run: str, kind: Kind, slot: int) -> str:
    """Unique in the host-side namespace, at most 15 characters."""
    return f"tb{run}{kind.value}{slot}"


def second_mac(mac: str) -> str:
    """Of a container in a guest: one beside the guest's own ``mac``, on the same bridge."""
    first, _, rest = mac.partition(":")
    return f"{int(first, 16) ^ _SECOND:02x}:{rest}"
