"""Starting guests."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import libvirt

from runtimes.agent.channel import FdStream
from runtimes.base import InstanceSpec, Site
from runtimes.conventions import BOX_PORT
from runtimes.faults import RuntimeFault
from runtimes.kvm import assets, host, leftovers, saved, volume
from runtimes.kvm.assets import Assets
from runtimes.kvm.boot.proof import Proof
from runtimes.kvm.connection import Connection
from runtimes.kvm.domain.config import MachineConfig
from runtimes.kvm.domain.xml import domain_xml
from runtimes.kvm.faults import translated
from runtimes.kvm.guest import creation, nested_setup, taps, virtiofsd
from runtimes.kvm.guest.console import ConsoleWatch
from runtimes.kvm.guest.instance import RELEASE_S, KvmInstance, remove_files
from runtimes.kvm.guest.timeline import Timeline
from runtimes.kvm.guest.watchdog import watchdog
from runtimes.kvm.host import Virtualisation
from runtimes.kvm.profiles.machine import Files, Platform, machine, tap_name
from runtimes.kvm.profiles.specs import SPECS
from runtimes.kvm.saved import Saved
from runtimes.linux import cgroups

DAEMONS = frozenset({"libvirtd", "virtqemud", "virtlogd"})


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
    filter: bytes = b""
    """seccomp's, for boxes that ``ns`` makes in a guest."""
    states: dict[str, Saved] = field(default_factory=dict, init=False)
    """Profile → the state that its guests are restored from."""
    _made: list[KvmInstance] = field(default_factory=list, init=False)

    def conditions(self, profile: str) -> frozenset[str]:  # noqa: ARG002  # holds for all profiles
        """What a reader must know of every sample; see harness.gates.CONDITIONS."""
        works, kind = self.proof.works, self.virtualisation
        holds = {
            "emulated": not works,
            "nested": works and kind.nested,
            "software-kvm": works and kind.kind == "pvm",
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
        state = self.states.get(spec.profile)
        return self.launch(spec, state)

    def launch(self, spec: InstanceSpec, state: Saved | None) -> KvmInstance:
        """``start``; from a saved state, or, for the guest that will be saved, without one."""
        marks = Timeline({"api_call": time.monotonic_ns()})
        config, files = self._plan(spec)
        start = self.assets.profiles[spec.profile].start
        setup = nested_setup.given(self.platform, start, spec, self.filter)
        self.connection.refresh()
        with contextlib.ExitStack() as undo:
            undo.callback(remove_files, self.connection, files, spec.name)
            self._make_disks(files, state.overlay if state else self._overlay(spec))
            if setup.is_nested and start.initramfs is not None:
                setup.write(start.initramfs, files.initramfs)
            group = self._group(spec)
            undo.callback(group.remove)
            console = ConsoleWatch(files.console, marks, setup.words)
            undo.callback(console.close)
            self.connection.listen(spec.name, marks.hear)
            undo.callback(self.connection.unlisten, spec.name)
            xml = domain_xml(config, saved.ARGUMENTS if state else ())
            network = self.site.network
            undo.callback(taps.detach, network, config.nic)
            taps.attach(network, config.nic, spec.lease.slot)
            domain, hypervisor = creation.create(
                self.connection, network.host_netns, spec.name, xml, marks
            )
            undo.callback(marks.released.wait, RELEASE_S)
            undo.callback(hypervisor.kill)
            taps.settle(network, config.nic)
            server = virtiofsd.server(self.connection, domain, config, hypervisor, marks)
            if server is not None:
                undo.callback(server.kill)
            creation.confine(group, (hypervisor.pid, *virtiofsd.processes(server)))
            stream = creation.dial(files.channel)
            undo.callback(stream.close)
            with watchdog(lambda: hypervisor, f"let {spec.name} run"):
                creation.confirm_acceleration(domain, proved=self.proof.works)
                self._run(spec, domain, stream, state, marks)
            undo.pop_all()
        instance = KvmInstance(
            spec=spec,
            connection=self.connection,
            domain=domain,
            hypervisor=hypervisor,
            group=group,
            files=files,
            phases=marks,
            console=console,
            endpoint=self._endpoint(spec),
            detach=partial(taps.detach, network, config.nic),
            stream=stream,
            setup=setup,
            disk=config.disks[0].target,
            taken_bytes=self.assets.profiles[spec.profile].taken_bytes,
            server=server,
        )
        self._made = [*(each for each in self._made if not each.removed), instance]
        return instance

    def _endpoint(self, spec: InstanceSpec) -> tuple[str, int]:
        if SPECS[spec.profile].direct_network:
            return spec.lease.address, BOX_PORT
        return self.site.network.host_address, spec.lease.port

    def _run(
        self,
        spec: InstanceSpec,
        domain: libvirt.virDomain,
        stream: FdStream,
        state: Saved | None,
        marks: Timeline,
    ) -> None:
        """The first instruction: of firmware or kernel, or where the saved state was left."""
        if state is not None:
            saved.load(domain, state)
            marks.set("restored", time.monotonic_ns())
        with translated(f"let {spec.name} run"):
            domain.resume()
        marks.set("resumed", time.monotonic_ns())
        if state is not None:
            stream.send(saved.identity(self.platform, spec))

    def _overlay(self, spec: InstanceSpec) -> Path:
        return self.assets.profiles[spec.profile].overlay

    def _make_disks(self, files: Files, overlay: Path) -> None:
        _copy(overlay, files.overlay)
        if files.volume is not None:
            volume.make(files.volume, self.site.limits.disk_bytes)

    def check_machines(self) -> None:
        """Try what this host's libvirt or kernel may not have, before the first guest.

        Raises:
            RuntimeFault: it has not; with its own reason.
        """
        for profile in self.assets.profiles:
            shape = SPECS[profile]
            if not (shape.mmio or shape.direct_network):
                continue
            name = f"tb-{self.site.run}-tried"
            config, _ = self._plan(InstanceSpec(name, profile, self.site.limits, saved.MODEL))
            if shape.direct_network:
                taps.attach(self.site.network, config.nic, saved.MODEL.slot)
                taps.detach(self.site.network, config.nic)
            if shape.mmio:
                config = replace(config, nic=None)  # of which this translation loses the place
                with translated(f"make a guest of kvm:{profile} with this libvirt and QEMU"):
                    self.connection.link.domainXMLToNative("qemu-argv", domain_xml(config), 0)

    def save_states(self) -> None:
        """Once per run: the states of profiles whose guests are restored.

        Raises:
            RuntimeFault: the guest did not come up, or QEMU cannot save it.
        """
        for profile in self.assets.profiles:
            if SPECS[profile].start == "saved":
                self.site.progress(f"saving the state that {profile} starts from")
                self.states[profile] = saved.take(self, profile)

    def _plan(self, spec: InstanceSpec) -> tuple[MachineConfig, Files]:
        prepared = self.assets.profiles.get(spec.profile)
        if prepared is None:
            known = ", ".join(sorted(self.assets.profiles))
            raise RuntimeFault(
                f"profile {spec.profile} of kvm is not prepared", hint=f"prepared are: {known}"
            )
        if spec.volume is not None and SPECS[spec.profile].start == "saved":
            raise RuntimeFault(
                f"kvm:{spec.profile} takes no volume: a restored guest has the disks it was saved "
                "with",
                hint="weigh storage with kvm:micro, which is the same guest, booted",
            )
        kind = SPECS[spec.profile].volume
        files = Files.below(self.site.state, spec.name, spec.volume, kind)
        tap = tap_name(self.site.run, spec.lease.slot)
        return machine(self.platform, prepared.start, spec, files, tap), files

    def _group(self, spec: InstanceSpec) -> cgroups.Group:
        """QEMU's cgroup: CPU set and quota as of every box, but no memory limit.

        The guest's limit is its memory.  QEMU's own is part of the price that is weighed, and
        must not eat into what the guest was given.
        """
        bounds = cgroups.Bounds(
            spec.limits.cpus, spec.limits.cpu_quota, pids_max=spec.limits.pids_max
        )
        cgroups.create(self.hierarchy.creation(self.site.run, spec.name, bounds))
        return self.hierarchy.group(self.site.run, spec.name)

    def forget_states(self) -> None:
        """Remove the saved states."""
        for state in self.states.values():
            state.forget()

    def close(self) -> None:
        """End whatever still runs.

        A daemon that hung may have carried out later what it had been asked, for nobody.
        """
        for instance in self._made:
            with contextlib.suppress(RuntimeFault):
                instance.remove()
        if self.connection.root is None:
            leftovers.end_guests(self.site.run)


def _copy(overlay: Path, target: Path) -> None:
    try:
        shutil.copyfile(overlay, target)
    except OSError as error:
        raise RuntimeFault(
            f"cannot make the guest's disk {target}: {error.strerror}",
            hint="free space where TAREBENCH_STATE is, or set it elsewhere",
        ) from None
