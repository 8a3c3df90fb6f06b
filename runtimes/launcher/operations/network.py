# ruff: noqa: D102  # thing, numbers and strings are documented once, in Operation
"""Operations of rtnetlink (network.c)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import ClassVar

from runtimes.launcher.operations.base import Plain


def _number(address: str) -> int:
    return int(ipaddress.IPv4Address(address)) if address else 0


@dataclass(frozen=True, slots=True)
class Loopback(Plain):
    """Bring the loopback interface up."""

    CODE: ClassVar[int] = 16
    verb: ClassVar[str] = "bring up"

    @property
    def thing(self) -> str:
        return "interface lo"


@dataclass(frozen=True, slots=True)
class Veth(Plain):
    """Make a veth pair: one end on the bridge or at a route's end, the other in the child."""

    CODE: ClassVar[int] = 17
    verb: ClassVar[str] = "join by veth"
    bridge: str
    outside: str
    inside: str
    mtu: int
    mac: str
    routed: str = ""
    """The box's address, where it is to be reached by a route to our end; else none is made."""

    @property
    def thing(self) -> str:
        where = f"on bridge {self.bridge}" if self.bridge else self.routed and f"to {self.routed}"
        return f"{self.inside} in the box and {self.outside} {where or 'on no bridge'}"

    def numbers(self) -> tuple[int, ...]:
        return (self.mtu, int(self.mac.replace(":", ""), 16), _number(self.routed))

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.bridge, self.outside, self.inside)


@dataclass(frozen=True, slots=True)
class Address(Plain):
    """Give an interface its address and the default route."""

    CODE: ClassVar[int] = 18
    verb: ClassVar[str] = "give address"
    interface: str
    address: str
    prefix_length: int
    gateway: str = ""

    @property
    def thing(self) -> str:
        return f"{self.address}/{self.prefix_length} to {self.interface}, gateway {self.gateway}"

    def numbers(self) -> tuple[int, ...]:
        return (_number(self.address), self.prefix_length, _number(self.gateway))

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.interface,)
