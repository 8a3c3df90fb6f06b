"""Everything of a run that stands before the first guest."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from runtimes.base import Site
from runtimes.faults import RuntimeFault
from runtimes.kvm import assets, host
from runtimes.kvm.boot import proof
from runtimes.kvm.boot.kernel import NEEDED
from runtimes.kvm.boot.proof import Proof
from runtimes.kvm.connection import Connection, connect
from runtimes.kvm.domain import topology
from runtimes.kvm.engine import KvmEngine
from runtimes.kvm.faults import translated
from runtimes.kvm.host import Virtualisation
from runtimes.kvm.nested import dockerhost
from runtimes.kvm.profiles.machine import Platform
from runtimes.kvm.profiles.specs import SPECS, ProfileSpec
from runtimes.kvm.stock import bootable
from runtimes.linux import cgroups
from runtimes.ns.seccomp import compiler


@contextlib.contextmanager
def prepared(site: Site, profiles: frozenset[str]) -> Iterator[KvmEngine]:
    """The engine of one run; nothing of it is left afterwards.

    Raises:
        RuntimeFault: see ``check``, assets, connection and host.
    """
    name = host.architecture()
    emulator = host.emulator(name)
    check(profiles, name, daemon=bool(site.options.get("libvirt_uri")))
    volumes = {SPECS[each].volume for each in profiles}
    made = assets.prepare(site, profiles, name)
    cache = site.cache / "kvm"
    with contextlib.ExitStack() as stack:
        for each in made.profiles.values():
            stack.callback(each.overlay.unlink, missing_ok=True)
        site.progress("proving KVM by a probe boot")
        proved = proof.prove(emulator, name, made.kernel, made.probe, cache)
        uri = site.options.get("libvirt_uri") or None
        site.progress("opening libvirt")
        connection = connect(uri, site.state / "v", cache / "capabilities")
        stack.callback(connection.close)
        kind = host.read_virtualisation(name)
        hierarchy = cgroups.detect()
        stack.enter_context(cgroups.held(hierarchy, site.run))
        platform = Platform(
            run=site.run,
            architecture=name,
            accelerator="kvm" if proved.works else "tcg",
            emulator=emulator,
            bridge=site.network.bridge,
            daemon=uri is not None,
            gateway=site.network.gateway,
            prefix_length=site.network.prefix_length,
            range_length=site.network.range_length,
            mtu=site.network.mtu,
            vhost=host.VHOST.exists(),
            huge_pages=host.has_huge_pages(site.limits.memory_bytes),
            topology=topology.read(site.limits.cpus),
            tsc_khz=host.tsc_khz(Path("/proc/cpuinfo").read_text(errors="replace")),
            huge_page_rule=host.huge_page_rule(),
            virtiofsd=host.virtiofsd() if "virtiofs" in volumes else None,
        )
        with translated("ask libvirt for its version"):
            versions = _versions(connection, made.kernel.release, proved, kind, platform)
        nested = any(SPECS[profile].nested == "ns" for profile in profiles)
        compiled = compiler.compile_filter() if nested else b""
        engine = KvmEngine(
            site, connection, made, platform, proved, kind, hierarchy, versions, compiled
        )
        stack.callback(engine.forget_states)
        stack.callback(engine.close)
        engine.check_machines()
        engine.save_states()
        yield engine


def check(profiles: frozenset[str], architecture: str, *, daemon: bool) -> None:
    """Whether each profile can be had here, before anything is made.

    Raises:
        RuntimeFault: one that does not exist, or not here; with what there is instead.
    """
    unknown = profiles - set(SPECS)
    if unknown:
        raise RuntimeFault(
            f"kvm has no profile {min(unknown)}", hint=f"it has: {', '.join(sorted(SPECS))}"
        )
    for name in sorted(profiles):
        shape = SPECS[name]
        if architecture not in shape.machines:
            raise RuntimeFault(
                f"kvm:{name} needs a machine that {architecture} does not have",
                hint=f"it exists on {', '.join(sorted(shape.machines))}",
            )
        if shape.start != "disk" and assets.needed(shape) != NEEDED:
            assets.kernel_for(shape)
        if shape.volume == "virtiofs":
            host.virtiofsd()
        objection = _daemons_objection(shape) if daemon else ""
        if objection:
            raise RuntimeFault(
                f"kvm:{name} is not offered through a libvirt daemon, which {objection}",
                hint="leave --libvirt-uri away",
            )
        _check_disk(name, architecture)


def _check_disk(profile: str, architecture: str) -> None:
    """Whether a disk that is made for this profile alone can be made."""
    shape = SPECS[profile]
    if shape.nested == "docker" and dockerhost.objection():
        raise RuntimeFault(
            f"kvm:{profile} cannot be built: {dockerhost.objection()}", hint=dockerhost.hint()
        )
    if shape.start == "disk":
        lacking = bootable.objection(bootable.firmware_for(architecture))
        if lacking:
            raise RuntimeFault(f"kvm:{profile} cannot be built: {lacking}", hint=bootable.HINT)
        if bootable.firmware_for(architecture).kind == "uefi":
            host.uefi(architecture)


def _daemons_objection(shape: ProfileSpec) -> str:
    if shape.start == "saved":
        return "keeps QEMU from files that are not its own"
    if shape.direct_network:
        return "does not see the wire: that is in a network namespace of the run"
    return ""


def _versions(
    connection: Connection, release: str, proved: Proof, kind: Virtualisation, platform: Platform
) -> Mapping[str, str]:
    """Of libvirt, QEMU and the guest's kernel; how guests are accelerated, and why."""
    nested = ", nested" if kind.nested else ""
    remedy = f" ({proved.remedy})" if proved.remedy else ""
    emulated = f"tcg: {proved.reason}{remedy}"
    return {
        "libvirt": dotted(connection.link.getLibVersion()),
        "qemu": dotted(connection.link.getVersion()),
        "libvirt_uri": connection.uri,
        "guest_kernel": release,
        "acceleration": f"kvm ({kind.kind}{nested})" if proved.works else emulated,
        "virtualisation": f"{kind.kind}{nested}",
        "vhost": "yes" if platform.vhost else "no: there is no /dev/vhost-net",
        "huge_pages": "yes" if platform.huge_pages else "no: too few are free (vm.nr_hugepages)",
    }


def dotted(version: int) -> str:
    """libvirt's version number, 9000000, as 9.0.0."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
