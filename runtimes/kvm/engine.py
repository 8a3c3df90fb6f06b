"""Starting guests: everything of a run that stands before the first instance, and ``start``."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import libvirt
import libvirt_qemu

from runtimes import cgroups, netns
from runtimes.agent import FdStream
from runtimes.base import InstanceSpec, RuntimeFault, Site
from runtimes.kvm import assets, birth, host, proof
from runtimes.kvm.assets import Assets
from runtimes.kvm.connection import Connection, connect
from runtimes.kvm.faults import translated
from runtimes.kvm.host import Virtualisation
from runtimes.kvm.hypervisor import Hypervisor, adopting
from runtimes.kvm.instance import KvmInstance, remove_files, tail
from runtimes.kvm.marks import Marks
from runtimes.kvm.profiles import Files, Platform, machine, tap_name
from runtimes.kvm.proof import Proof
from runtimes.kvm.xml import domain_xml

CONNECT_S = 5.0
CREATE_S = 60.0
"""Longest that libvirt may take to start QEMU, or to give up."""

DAEMONS = frozenset({"libvirtd", "virtqemud", "virtlogd"})


@dataclass(slots=True)
class _Creation:
    """One call of libvirt that cannot be interrupted, and its undoing."""

    link: libvirt.virConnect
    name: str
    xml: str
    domain: libvirt.virDomain | None = None
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> libvirt.virDomain:
        """Create the domain, paused; QEMU becomes this process's child."""
        try:
            with translated(f"start {self.name}"), adopting():
                self.domain = self.link.createXML(self.xml, libvirt.VIR_DOMAIN_START_PAUSED)
            return self.domain
        finally:
            self.over.set()

    def undo(self) -> None:
        """Wait for the call to end and destroy what it made."""
        if self.over.wait(CREATE_S) and self.domain is not None:
            with contextlib.suppress(libvirt.libvirtError):
                self.domain.destroy()


@dataclass(slots=True)
class KvmEngine:
    """Implements runtimes.base.Engine."""

    site: Site
    connection: Connection
    assets: Assets
    platform: Platform
    proof: Proof
    virtualisation: Virtualisation
    hierarchy: cgroups.Hierarchy
    versions: Mapping[str, str]
    _made: list[KvmInstance] = field(default_factory=list, init=False)

    def conditions(self, profile: str) -> frozenset[str]:  # noqa: ARG002  # holds for all profiles
        """What a reader must know of every sample; see harness.gates.CONDITIONS."""
        works, kind = self.proof.works, self.virtualisation
        holds = {
            "emulated": not works,
            "nested": works and kind.nested,
            "software-kvm": works and kind.kind == "pvm",
            "no-network": self.connection.root is None,
        }
        return frozenset(code for code, true in holds.items() if true)

    def bits(self) -> Mapping[str, str]:
        """Digests of image, kernel and initramfs."""
        return assets.bits(self.assets)

    def daemon_pids(self) -> tuple[int, ...]:
        """libvirt's daemons; none for the embedded driver, which is part of the harness."""
        return host.named(DAEMONS) if self.connection.root is None else ()

    def start(self, spec: InstanceSpec) -> KvmInstance:
        """Create the guest paused, put QEMU under its limits, let it run."""
        marks = Marks({"api_call": time.monotonic_ns()})
        files = Files.below(self.site.state, spec.name)
        config = machine(self.platform, spec, files, tap_name(self.site.run, spec.lease.slot))
        with contextlib.ExitStack() as undo:
            undo.callback(remove_files, self.connection, files, spec.name)
            shutil.copyfile(self.assets.overlay, files.overlay)
            group = self._group(spec)
            undo.callback(group.remove)
            self.connection.listen(spec.name, marks.hear)
            undo.callback(self.connection.unlisten, spec.name)
            domain, hypervisor = self._create(spec.name, domain_xml(config), marks)
            undo.callback(hypervisor.kill)
            group.add(hypervisor.pid)
            stream = _dial(files.channel)
            undo.callback(stream.close)
            self._confirm_acceleration(domain)
            with translated(f"let {spec.name} run"):
                domain.resume()
            marks.set("resumed", time.monotonic_ns())
            undo.pop_all()
        instance = KvmInstance(
            spec=spec,
            connection=self.connection,
            domain=domain,
            hypervisor=hypervisor,
            group=group,
            files=files,
            phases=marks,
            host_address=self.site.network.host_address,
            stream=stream,
        )
        self._made = [each for each in self._made if not each.removed]
        self._made.append(instance)
        return instance

    def _group(self, spec: InstanceSpec) -> cgroups.Group:
        """QEMU's cgroup: CPU set and quota as of every box, but no memory limit.

        The guest's limit is its memory.  QEMU's own is part of the price that is weighed, and
        must not eat into what the guest was given.
        """
        bounds = cgroups.Bounds(spec.limits.cpus, spec.limits.cpu_quota)
        cgroups.create(self.hierarchy.creation(self.site.run, spec.name, bounds))
        return self.hierarchy.group(self.site.run, spec.name)

    def _create(self, name: str, xml: str, marks: Marks) -> tuple[libvirt.virDomain, Hypervisor]:
        """In a thread inside the host-side namespace: QEMU and its tap are born there."""
        creation = _Creation(self.connection.link, name, xml)
        with birth.awaited(self.connection.pid_directory, name, marks) as born:
            try:
                domain = netns.inside(self.site.network.host_netns, creation.run)
            except RuntimeFault as fault:
                log = tail(self.connection.log_directory / f"{name}.log")
                raise RuntimeFault(str(fault), hint=fault.hint, tail=fault.tail or log) from None
            except BaseException:  # Ctrl-C while we waited: the thread goes on by itself
                creation.undo()
                raise
        if born.hypervisor is None:
            creation.undo()
            raise RuntimeFault(f"libvirt left no process id of {name}")
        return domain, born.hypervisor

    def _confirm_acceleration(self, domain: libvirt.virDomain) -> None:
        """Ask QEMU itself whether KVM is on: what was proved must be what runs."""
        with translated("ask QEMU whether KVM is on"):
            answer = libvirt_qemu.qemuMonitorCommand(domain, '{"execute": "query-kvm"}', 0)
        enabled = bool(json.loads(answer).get("return", {}).get("enabled"))
        if enabled != self.proof.works:
            state = "on" if enabled else "off"
            raise RuntimeFault(f"KVM is {state} in QEMU, against what the probe showed")

    def close(self) -> None:
        """End whatever still runs."""
        for instance in self._made:
            with contextlib.suppress(RuntimeFault):
                instance.remove()


def _versions(
    connection: Connection, release: str, proved: Proof, kind: Virtualisation
) -> Mapping[str, str]:
    """Of libvirt, QEMU and the guest's kernel; and how guests are accelerated, and why."""
    nested = ", nested" if kind.nested else ""
    return {
        "libvirt": dotted(connection.link.getLibVersion()),
        "qemu": dotted(connection.link.getVersion()),
        "libvirt_uri": connection.uri,
        "guest_kernel": release,
        "acceleration": f"kvm ({kind.kind}{nested})" if proved.works else f"tcg: {proved.reason}",
    }


def dotted(version: int) -> str:
    """libvirt's version number, 9000000, as 9.0.0."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"


def _dial(path: Path) -> FdStream:
    """QEMU listens before its guest runs, so nothing that the guest writes is lost."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(CONNECT_S)
        try:
            client.connect(str(path))
        except OSError as error:
            raise RuntimeFault(f"cannot connect to the guest's channel {path}: {error}") from None
        descriptor = client.detach()
    return FdStream(descriptor, descriptor)


@contextlib.contextmanager
def prepared(site: Site) -> Iterator[KvmEngine]:
    """The engine of one run; nothing of it is left afterwards.

    Raises:
        RuntimeFault: see assets, connection and host.
    """
    name = host.architecture()
    emulator = host.emulator(name)
    made = assets.prepare(site)
    cache = site.cache / "kvm"
    with contextlib.ExitStack() as stack:
        stack.callback(made.overlay.unlink, missing_ok=True)
        site.progress("proving KVM by a probe boot")
        proved = proof.prove(emulator, name, made.kernel, made.probe, cache)
        uri = site.options.get("libvirt_uri") or None
        site.progress("opening libvirt")
        connection = connect(uri, site.state / "v", cache / "capabilities")
        stack.callback(connection.close)
        kind = host.read_virtualisation(name)
        hierarchy = cgroups.detect()
        stack.enter_context(cgroups.held(hierarchy, site.run))
        versions = _versions(connection, made.kernel.release, proved, kind)
        platform = _platform(site, made, name, emulator, proved)
        engine = KvmEngine(site, connection, made, platform, proved, kind, hierarchy, versions)
        stack.callback(engine.close)
        yield engine


def _platform(
    site: Site, made: Assets, architecture: str, emulator: Path, proved: Proof
) -> Platform:
    network, daemon = site.network, bool(site.options.get("libvirt_uri"))
    return Platform(
        architecture=architecture,
        accelerator="kvm" if proved.works else "tcg",
        emulator=emulator,
        kernel=made.kernel.image,
        initramfs=made.initramfs,
        image=made.image,
        plain_kernel=made.plain_kernel,
        quick_firmware=host.quick_firmware(architecture),
        bridge="" if daemon else network.bridge,
        daemon=daemon,
        gateway=network.gateway,
        prefix_length=network.prefix_length,
        mtu=network.mtu,
    )
