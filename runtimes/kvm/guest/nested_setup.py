"""What one guest is told to make inside, as files of its initramfs, and what it is to say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtimes.base import InstanceSpec
from runtimes.faults import RuntimeFault
from runtimes.kvm.boot import initramfs
from runtimes.kvm.guest.console import ONLY_USER_SPACE
from runtimes.kvm.nested import docker, plans, readback
from runtimes.kvm.profiles.machine import Platform, Start
from runtimes.kvm.profiles.specs import SPECS
from runtimes.resources import LimitsRead

_BY_INIT = {**ONLY_USER_SPACE, readback.CONTAINED: "contained", readback.LIMITS: "limited"}
_BY_ENGINE = {**ONLY_USER_SPACE, readback.ENGINE: "engine", readback.LIMITS: "limited"}


@dataclass(frozen=True, slots=True)
class GuestSetup:
    """Nothing, for a guest that is the box itself."""

    entries: tuple[initramfs.Entry, ...] = ()
    words: Mapping[bytes, str] = field(default_factory=lambda: ONLY_USER_SPACE)
    """For the console: see ConsoleWatch."""
    plans: plans.Requests = ()

    @property
    def is_nested(self) -> bool:
        """Whether the box is a container in the guest."""
        return bool(self.entries)

    def write(self, shared: Path, target: Path) -> None:
        """Make the guest's own initramfs of the shared one.

        Raises:
            RuntimeFault: no space.
        """
        try:
            initramfs.appended(shared, self.entries, target)
        except OSError as error:
            raise RuntimeFault(
                f"cannot make the guest's initramfs {target}: {error.strerror}",
                hint="free space where TAREBENCH_STATE is, or set it elsewhere",
            ) from None

    def limits(self, outer: LimitsRead, console: str, spec: InstanceSpec) -> LimitsRead:
        """What binds the inner box, as its guest has told.

        Raises:
            RuntimeFault: it has told nothing.
        """
        inner = readback.limits(console)
        if inner is None:
            raise RuntimeFault(
                f"the guest {spec.name} does not say which limits its container has",
                hint="the end of its console is in the tail",
                tail=console,
            )
        return readback.narrowed(outer, inner, spec.limits)


def given(platform: Platform, start: Start, spec: InstanceSpec, program: bytes) -> GuestSetup:
    """The setup of ``spec``'s guest.

    Args:
        platform: of the run.
        start: what the guest starts from.
        spec: the instance.
        program: the seccomp filter of ``ns``.
    """
    match SPECS[spec.profile].nested:
        case "ns":
            wire = plans.Wire(platform.prefix_length, platform.gateway, platform.mtu)
            asked = plans.requests(spec, platform.run, wire, program)
            return GuestSetup((initramfs.regular("plans", plans.pack(asked)),), _BY_INIT, asked)
        case "docker":
            told = docker.container(spec, start.nested_image)
            engine = docker.engine(platform.mtu)
            files = {"engine": engine, "container": told}
            entries = (initramfs.regular(name, data) for name, data in files.items())
            return GuestSetup(tuple(entries), _BY_ENGINE)
        case "":
            return GuestSetup()
