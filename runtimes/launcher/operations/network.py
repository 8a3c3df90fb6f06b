# ruff: noqa: D102  # thing, numbers and strings are documented once, in Operation
"""Operations of rtnetlink (network.c)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import ClassVar

from runtimes.launcher.operations.base import Plain


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
    """Make a veth pair: one end on the bridge, the other in the child."""

    CODE: ClassVar[int] = 17
    verb: ClassVar[str] = "join by veth"
    bridge: str
    outside: str
    inside: str
    mtu: int
    mac: str

    @property
    def thing(self) -> str:
        return f"{self.inside} in the box and {self.outside} on bridge {self.bridge}"

    def numbers(self) -> tuple[int, ...]:
        return (self.mtu, int(self.mac.replace(":", ""), 16))

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
        gateway = int(ipaddress.IPv4Address(self.gateway)) if self.gateway else 0
        return (int(ipaddress.IPv4Address(self.address)), self.prefix_length, gateway)

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.interface,)


@dataclass(frozen=True, slots=True)
class RemoveLink(Plain):
    """Remove a network interface; already gone is fine."""

    CODE: ClassVar[int] = 27
    verb: ClassVar[str] = "remove interface"
    name: str

    @property
    def thing(self) -> str:
        return self.name

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.name,)
