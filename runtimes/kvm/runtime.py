"""The kvm backend: whether it can run here, and cleaning up after a run that was killed."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from runtimes import directories
from runtimes.base import Availability, Capability, Engine, Site
from runtimes.faults import RuntimeFault
from runtimes.kvm import host
from runtimes.kvm.boot import proof
from runtimes.kvm.boot.kernel import choose
from runtimes.kvm.profiles.specs import LACKING, PROFILES
from runtimes.linux.ids.rights import is_host_root
from runtimes.process import find

EXTRA_HINT = "install the kvm extra: apt-get install libvirt-dev gcc; pip install libvirt-python"
TOOLS: Mapping[str, str] = {
    "qemu-img": "qemu-utils",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
}


class KvmRuntime:
    """Virtual machines through libvirt.  Implements runtimes.base.Runtime."""

    name = "kvm"
    profiles = PROFILES
    capabilities = frozenset(
        {
            Capability.NETWORK,
            Capability.VOLUME,
            Capability.ROOT,
            Capability.IMAGE,
            Capability.LIMITS,
            Capability.STATS,
        }
    )

    lacking: Mapping[str, frozenset[Capability]] = LACKING

    def availability(self, options: Mapping[str, str]) -> Availability:
        """Whether libvirt, QEMU, a kernel and the rights are there.  Boots nothing."""
        try:
            summary = self._check(options)
        except RuntimeFault as fault:
            return Availability(ok=False, reason=str(fault), fix=fault.hint)
        return outlook(
            summary, proof.objection_to(proof.DEVICE) or proof.latest(directories.cache() / "kvm")
        )

    def _check(self, options: Mapping[str, str]) -> str:
        if not is_host_root():
            raise RuntimeFault("guests with taps and cgroups need root", hint="run it with sudo")
        if importlib.util.find_spec("libvirt") is None:
            raise RuntimeFault("libvirt-python is not installed", hint=EXTRA_HINT)
        uri = options.get("libvirt_uri", "")
        check_uri(uri)
        if not uri and not host.has_qemu_user():
            raise RuntimeFault(
                f"libvirt's QEMU driver does not start without the user {host.QEMU_USER}",
                hint="apt-get install libvirt-daemon-system, which makes it",
            )
        for tool, package in TOOLS.items():
            if find(tool) is None:
                raise RuntimeFault(f"no {tool}", hint=f"apt-get install {package}")
        name = host.architecture()
        host.emulator(name)
        kernel = choose()
        kind = host.read_virtualisation(name)
        return f"QEMU, {kind.kind}, guest kernel {kernel.release}"

    def prepare(self, site: Site, profiles: frozenset[str]) -> AbstractContextManager[Engine]:
        """See runtimes.kvm.preparation; imported here, so that doctor needs no libvirt."""
        # The embedded driver logs to our standard error unless told so before it is loaded; what
        # it has to say reaches us as exceptions, and QEMU's words are in its own log.
        os.environ.setdefault("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null")
        from runtimes.kvm import preparation  # noqa: PLC0415  # an optional dependency

        uri = site.options.get("libvirt_uri", "")
        check_uri(uri)
        preparation.check(profiles, host.architecture(), daemon=bool(uri))
        return preparation.prepared(site, profiles)

    def clean(self, state: Path, run: str) -> list[str]:
        """See runtimes.kvm.leftovers."""
        from runtimes.kvm.leftovers import clean  # noqa: PLC0415  # kept with prepare

        return clean(state, run)


def outlook(summary: str, proved: proof.Proof | None) -> Availability:
    """What the last probe of this boot promises: VMs, emulated VMs, or nothing yet.

    An emulated guest shows that everything works, and nothing about speed.
    """
    if proved is None:
        return Availability(
            ok=True,
            reason=summary,
            fix="the first run with kvm boots a probe",
            caution=f"not yet proved in this boot of the host that a guest boots; {summary}",
        )
    if not proved.works:
        return Availability(
            ok=True,
            reason=summary,
            fix=proved.remedy or "judge VMs on a host whose KVM boots guests",
            caution=f"guests will be emulated: {proved.reason}",
        )
    return Availability(ok=True, reason=f"{summary}; {proved.reason}")


def check_uri(uri: str) -> None:
    """Only QEMU on this host can be given our cgroups, taps and files.

    Raises:
        RuntimeFault: another driver, or another host.
    """
    hint = "use qemu:///system, or leave --libvirt-uri away: no daemon is needed then"
    scheme, separator, rest = uri.partition("://")
    if not uri:
        return
    if not separator or scheme.split("+")[0] != "qemu":
        raise RuntimeFault(f"{uri!r} is no URI of libvirt's QEMU driver", hint=hint)
    if not rest.startswith("/"):
        raise RuntimeFault(f"{uri!r} is on another host; boxes are weighed on this one", hint=hint)
