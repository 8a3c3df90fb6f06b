"""Domain XML against libvirt's own schema, and what must be in it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from runtimes.base import InstanceSpec, Lease
from runtimes.kvm.domain.config import MachineConfig
from runtimes.kvm.domain.devices import PORT_NAME
from runtimes.kvm.domain.topology import Place, Topology, arranged
from runtimes.kvm.domain.xml import QEMU_NAMESPACE, domain_xml
from runtimes.kvm.profiles.machine import SPECS, Files, Platform, Start, machine, tap_name
from runtimes.resources import Limits

SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")

LIMITS = Limits(cpus=(2, 5), cpu_quota=2.0, memory_bytes=512 << 20)
TOPOLOGY = arranged([Place(0, 0, 1, 2), Place(1, 1, 1, 5)], host_nodes=2)
EXISTING = [
    (profile, architecture) for profile, shape in SPECS.items() for architecture in shape.machines
]
LEASE = Lease(slot=3, address="198.19.0.5", mac="02:7b:00:00:00:05", port=20003)


def platform(architecture: str = "x86_64", accelerator: str = "tcg") -> Platform:
    return Platform(
        run="abc123",
        architecture=architecture,
        accelerator="kvm" if accelerator == "kvm" else "tcg",
        emulator=Path(f"/usr/bin/qemu-system-{architecture}"),
        bridge="tb0",
        daemon=False,
        gateway="198.19.0.1",
        prefix_length=24,
        range_length=15,
        mtu=1500,
        vhost=True,
        huge_pages=True,
        topology=TOPOLOGY,
        virtiofsd=Path("/usr/lib/qemu/virtiofsd"),
    )


def start(profile: str, architecture: str) -> Start:
    shape = SPECS[profile]
    image = Path("/cache/root.ext4")
    if shape.start == "disk":
        uefi = architecture == "aarch64"
        return Start(
            image,
            firmware=Path("/usr/share/AAVMF/AAVMF_CODE.fd") if uefi else None,
            variables=Path("/usr/share/AAVMF/AAVMF_VARS.fd") if uefi else None,
        )
    quick = shape.quick and architecture == "x86_64"
    return Start(
        image,
        kernel=Path("/cache/vmlinux" if quick else "/boot/vmlinuz-6.1.0-cloud"),
        initramfs=Path("/cache/initramfs"),
        firmware=Path("/usr/share/qemu/qboot.rom") if quick else None,
        lower=Path("/cache/lower.ext4") if shape.nested == "ns" else None,
    )


def config(
    profile: str = "default",
    architecture: str = "x86_64",
    accelerator: str = "tcg",
    volume: Path | None = None,
) -> MachineConfig:
    spec = InstanceSpec("tb-abcdef-7", profile, LIMITS, LEASE, volume)
    kind = SPECS[profile].volume
    files = Files.below(Path("/var/lib/tarebench/abcdef/kvm"), spec.name, volume, kind)
    tap = tap_name("abcdef", 3)
    return machine(
        platform(architecture, accelerator), start(profile, architecture), spec, files, tap
    )


def command_line(made: MachineConfig) -> str:
    assert made.boot is not None
    return made.boot.command_line


def parsed(**variation: str) -> Element:
    return fromstring(domain_xml(config(**variation)))  # noqa: S314  # our own XML


def attribute(root: Element, path: str, name: str) -> str:
    element = root.find(path)
    assert element is not None, path
    return element.attrib[name]


@pytest.mark.slow
@pytest.mark.skipif(not SCHEMA.exists(), reason=f"libvirt's schema is not installed: {SCHEMA}")
@pytest.mark.parametrize(("profile", "architecture"), EXISTING)
@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
def test_every_profile_is_valid_by_libvirts_own_schema(
    profile: str, architecture: str, accelerator: str
) -> None:
    etree = pytest.importorskip("lxml.etree")
    schema = etree.RelaxNG(etree.parse(str(SCHEMA)))
    made = config(profile, architecture, accelerator)
    daemons = dataclasses.replace(made, own_files=True, nic=None)
    with_volume = config(profile, architecture, accelerator, Path("/state/volume"))
    for variant in (made, daemons, with_volume):
        assert schema.validate(etree.fromstring(domain_xml(variant))), schema.error_log
    restored = domain_xml(made, ("-incoming", "defer"))
    assert schema.validate(etree.fromstring(restored)), schema.error_log


@pytest.mark.skipif(not SCHEMA.exists(), reason=f"libvirt's schema is not installed: {SCHEMA}")
def test_the_schema_refuses_what_is_wrong() -> None:
    etree = pytest.importorskip("lxml.etree")
    schema = etree.RelaxNG(etree.parse(str(SCHEMA)))
    text = domain_xml(config()).replace("<vcpu", "<vcpus").replace("</vcpu>", "</vcpus>")
    assert not schema.validate(etree.fromstring(text))


def test_without_a_proof_the_guest_is_emulated() -> None:
    assert parsed(accelerator="tcg").attrib["type"] == "qemu"
    assert attribute(parsed(accelerator="tcg"), "cpu", "mode") == "maximum"


def test_an_emulators_room_for_translated_code_is_fixed_and_kvm_has_none() -> None:
    cache = parsed(accelerator="tcg").find("features/tcg/tb-cache")
    assert cache is not None
    assert (cache.text, cache.attrib["unit"]) == ("128", "MiB")
    assert parsed(accelerator="kvm").find("features/tcg") is None


def test_with_a_proof_the_guest_has_the_hosts_cpu() -> None:
    assert parsed(accelerator="kvm").attrib["type"] == "kvm"
    assert attribute(parsed(accelerator="kvm"), "cpu", "mode") == "host-passthrough"


def test_each_virtual_cpu_is_pinned_to_one_of_the_limits_cpus() -> None:
    root = parsed(profile="tuned")
    pins = [(pin.attrib["vcpu"], pin.attrib["cpuset"]) for pin in root.findall("cputune/vcpupin")]
    assert pins == [("0", "2"), ("1", "5")]
    assert attribute(root, "cputune/emulatorpin", "cpuset") == "2,5"
    assert root.findtext("vcpu") == "2"


def test_the_guests_memory_is_the_limit() -> None:
    assert parsed().findtext("memory") == str(512 << 10)


@pytest.mark.parametrize("event", ["on_poweroff", "on_reboot", "on_crash"])
def test_however_a_guest_ends_its_domain_ends(event: str) -> None:
    assert parsed().findtext(event) == "destroy"


def test_the_agents_port_has_the_name_that_init_looks_for() -> None:
    root = parsed()
    assert attribute(root, "devices/channel/target", "name") == PORT_NAME
    init = Path(__file__).parents[2] / "runtimes/kvm/boot/init/init.c"
    assert f'"{PORT_NAME}"' in init.read_text()


def test_the_tap_is_on_the_testbeds_bridge_with_the_leases_mac() -> None:
    root = parsed()
    assert attribute(root, "devices/interface/source", "bridge") == "tb0"
    assert attribute(root, "devices/interface/mac", "address") == LEASE.mac


def test_an_interface_name_fits_into_the_kernels_fifteen_characters() -> None:
    assert len(tap_name("ffffff", 199)) <= 15


def test_init_learns_name_address_and_gateway_from_the_command_line() -> None:
    words = command_line(config()).split()
    assert {"tb.ip=198.19.0.5/24", "tb.gw=198.19.0.1", "tb.host=tb-abcdef-7"} <= set(words)


def test_micro_has_no_bridges_between_root_bus_and_devices() -> None:
    root = parsed(profile="micro")
    buses = {address.attrib["bus"] for address in root.iter("address")}
    assert buses == {"0x00"}
    slots = [address.attrib["slot"] for address in root.iter("address")]
    assert len(slots) == len(set(slots)) == 3


def test_micro_boots_the_plain_kernel_where_there_is_one() -> None:
    assert parsed(profile="micro").findtext("os/kernel") == "/cache/vmlinux"
    assert parsed(profile="default").findtext("os/kernel") == "/boot/vmlinuz-6.1.0-cloud"
    made = config(profile="micro", architecture="aarch64")
    assert made.boot is not None
    assert made.boot.kernel == Path("/boot/vmlinuz-6.1.0-cloud")


def test_aarch64_boots_on_virt_with_its_own_console() -> None:
    made = config(architecture="aarch64")
    assert made.machine == "virt"
    assert "console=ttyAMA0" in command_line(made)


def test_a_name_that_is_markup_stays_a_name() -> None:
    made = dataclasses.replace(config(), name="<a&b>")
    assert fromstring(domain_xml(made)).findtext("name") == "<a&b>"  # noqa: S314  # our own XML


def test_tuned_tells_the_guest_the_hosts_nodes_and_binds_its_memory_to_them() -> None:
    root = parsed(profile="tuned")
    cells = [dict(cell.attrib) for cell in root.findall("cpu/numa/cell")]
    assert [cell["cpus"] for cell in cells] == ["0", "1"]
    assert sum(int(cell["memory"]) for cell in cells) == 512 << 10
    nodes = [node.attrib["nodeset"] for node in root.findall("numatune/memnode")]
    assert nodes == ["0", "1"]


def test_tuned_takes_all_that_the_host_offers() -> None:
    root = parsed(profile="tuned", accelerator="kvm")
    assert root.find("memoryBacking/hugepages") is not None
    assert attribute(root, "devices/interface/driver", "name") == "vhost"
    assert attribute(root, "devices/interface/driver", "queues") == "2"
    driver = root.find("devices/disk/driver")
    assert driver is not None
    assert {"cache": "none", "io": "native", "iothread": "1"}.items() <= driver.attrib.items()
    assert root.findtext("iothreads") == "1"


def test_default_leaves_tuning_to_libvirt() -> None:
    root = parsed()
    assert root.find("cputune") is None
    assert root.find("memoryBacking") is None
    assert root.find("devices/interface/driver") is None


def test_legacy_has_nothing_virtual_but_the_agents_channel() -> None:
    root = parsed(profile="legacy")
    assert attribute(root, "os/type", "machine") == "pc"
    assert attribute(root, "devices/disk/target", "bus") == "ide"
    assert attribute(root, "devices/interface/model", "type") == "e1000"
    assert root.find("cpu") is None
    assert "tb.root=/dev/sda" in (root.findtext("os/cmdline") or "")


def test_stock_boots_from_its_disk_and_reads_who_it_is_in_fw_cfg() -> None:
    root = parsed(profile="stock")
    assert root.find("os/kernel") is None
    assert attribute(root, "os/boot", "dev") == "hd"
    entry = root.find("sysinfo/entry")
    assert entry is not None
    assert entry.attrib["name"] == "opt/io.tarebench/identity"
    assert "tb.ip=198.19.0.5/24" in (entry.text or "")


def test_a_saved_guest_has_no_identity_on_its_command_line_yet() -> None:
    line = command_line(config(profile="snapshot"))
    assert "tb.snapshot" in line.split()
    assert "tb.ip=" not in line


def test_a_volume_is_a_second_raw_disk() -> None:
    made = config(volume=Path("/state/volume"))
    assert made.disks[1].path == Path("/state/volume/disk.raw")
    assert "tb.volume=/dev/vdb" in command_line(made)
    legacy = config(profile="legacy", volume=Path("/state/volume"))
    assert "tb.volume=/dev/sdb" in command_line(legacy)


def test_a_volume_in_a_qcow2_file_is_a_disk_like_the_raw_one() -> None:
    raw, qcow2 = (config(profile=name, volume=Path("/v")).disks[1] for name in ("default", "qcow2"))
    assert qcow2 == dataclasses.replace(raw, path=Path("/v/disk.qcow2"), format="qcow2")


@pytest.mark.parametrize("profile", ["9p", "virtiofs"])
def test_a_shared_volume_is_the_hosts_directory_and_no_disk(profile: str) -> None:
    made = config(profile=profile, volume=Path("/v"))
    assert len(made.disks) == 1
    root = fromstring(domain_xml(made))  # noqa: S314  # our own XML
    assert attribute(root, "devices/filesystem/source", "dir") == "/v"
    tag = attribute(root, "devices/filesystem/target", "dir")
    assert {f"tb.volume={tag}", f"tb.sharing={profile}"} <= set(command_line(made).split())
    assert config(profile=profile).share is None


def test_only_virtiofs_shares_the_guests_memory_and_names_its_server() -> None:
    root = fromstring(domain_xml(config(profile="virtiofs", volume=Path("/v"))))  # noqa: S314
    assert attribute(root, "memoryBacking/access", "mode") == "shared"
    assert attribute(root, "devices/filesystem/binary", "path") == "/usr/lib/qemu/virtiofsd"
    ninth = fromstring(domain_xml(config(profile="9p", volume=Path("/v"))))  # noqa: S314
    assert ninth.find("memoryBacking") is None


def test_threads_of_a_core_stand_side_by_side() -> None:
    places = [Place(0, 0, core, cpu) for core, cpu in ((0, 0), (1, 1), (0, 2), (1, 3))]
    made = arranged(places, host_nodes=1)
    assert (made.cpus, made.sockets, made.cores, made.threads) == ((0, 2, 1, 3), 1, 2, 2)
    assert made.nodes == ()


def test_a_set_that_breaks_cores_apart_is_told_as_single_cores() -> None:
    made = arranged([Place(0, 0, 0, 0), Place(0, 0, 0, 1), Place(0, 0, 1, 2)], host_nodes=1)
    assert (made.sockets, made.cores, made.threads) == (1, 3, 1)


def test_a_topology_that_fits_is_what_the_guest_is_told() -> None:
    assert isinstance(TOPOLOGY, Topology)
    root = parsed(profile="tuned")
    assert attribute(root, "cpu/topology", "sockets") == "2"


def test_a_guest_around_a_container_is_larger_than_the_containers_limit() -> None:
    for profile in ("nested-ns", "nested-docker"):
        made, reserve = config(profile), SPECS[profile].reserve_bytes
        assert reserve >= 128 << 20
        assert made.memory_bytes == LIMITS.memory_bytes + reserve
    assert config("default").memory_bytes == LIMITS.memory_bytes


def test_the_root_filesystem_of_a_box_in_a_guest_is_a_disk_that_nobody_writes() -> None:
    made = config("nested-ns", volume=Path("/state/volume"))
    root = fromstring(domain_xml(made))  # noqa: S314  # our own XML
    disks = root.findall("devices/disk")
    assert [disk.find("readonly") is not None for disk in disks] == [False, True, False]
    assert [attribute(disk, "source", "file") for disk in disks][1] == "/cache/lower.ext4"
    words = command_line(made).split()
    assert {"tb.root=/dev/vda", "tb.lower=/dev/vdb", "tb.volume=/dev/vdc"} <= set(words)
    assert "tb.group=/sys/fs/cgroup/tarebench/abc123/tb-abcdef-7" in words


def test_the_box_in_a_guest_has_the_address_and_dockers_guest_has_it_itself() -> None:
    assert "tb.ip=" not in command_line(config("nested-ns"))
    assert "tb.bridge=tb0" in command_line(config("nested-ns"))
    assert f"tb.ip={LEASE.address}/24" in command_line(config("nested-docker"))
    assert "tb.engine=/sys/fs/cgroup/tarebench" in command_line(config("nested-docker"))


def test_a_guest_around_a_container_has_an_initramfs_of_its_own() -> None:
    boots = {profile: config(profile).boot for profile in ("nested-ns", "default")}
    own, shared = boots["nested-ns"], boots["default"]
    assert own is not None
    assert shared is not None
    assert own.initramfs == Path("/var/lib/tarebench/abcdef/kvm/tb-abcdef-7.initramfs")
    assert shared.initramfs == Path("/cache/initramfs")


def test_a_macvtap_is_only_opened_by_libvirt_and_its_guest_is_on_the_wire() -> None:
    root = parsed(profile="macvtap")
    assert attribute(root, "devices/interface", "type") == "ethernet"
    assert attribute(root, "devices/interface/target", "managed") == "no"
    assert root.find("devices/interface/source") is None
    words = command_line(config(profile="macvtap")).split()
    assert "tb.ip=198.19.0.5/15" in words
    assert not [word for word in words if word.startswith("tb.gw=")]


def test_a_daemons_tap_is_put_on_no_bridge_of_the_daemons() -> None:
    daemons = dataclasses.replace(platform(), daemon=True)
    spec = InstanceSpec("tb-abcdef-7", "default", LIMITS, LEASE)
    files = Files.below(Path("/state"), spec.name)
    made = machine(daemons, start("default", "x86_64"), spec, files, "tbabcdefv3")
    root = fromstring(domain_xml(made))  # noqa: S314  # our own XML
    assert attribute(root, "devices/interface", "type") == "ethernet"
    assert attribute(root, "devices/interface/target", "dev") == "tbabcdefv3"
    assert "tb.gw=198.19.0.1" in command_line(made)


def test_microvm_has_no_pci_and_is_told_its_clock_where_nothing_else_tells_it() -> None:
    root = parsed(profile="microvm")
    assert attribute(root, "os/type", "machine") == "microvm"
    kinds = {address.attrib["type"] for address in root.iter("address")}
    assert kinds == {"virtio-mmio"}
    told = dataclasses.replace(platform(), tsc_khz=2_596_096)
    spec = InstanceSpec("tb-abcdef-7", "microvm", LIMITS, LEASE)
    files = Files.below(Path("/state"), spec.name)
    lines = [
        command_line(machine(each, start("microvm", "x86_64"), spec, files, "tbabcdefv3"))
        for each in (told, dataclasses.replace(told, accelerator="kvm"))
    ]
    assert ["tsc_early_khz=2596096" in line for line in lines] == [True, False]


QUICK = sorted(name for name, shape in SPECS.items() if shape.quick)


def test_only_quick_guests_are_spared_libvirts_questions_about_their_cpu() -> None:
    spared = [
        profile
        for profile in SPECS
        if parsed(profile=profile).find(f"{{{QEMU_NAMESPACE}}}capabilities") is not None
    ]
    assert sorted(spared) == QUICK == ["micro", "microvm", "snapshot"]


@pytest.mark.parametrize("profile", QUICK)
def test_an_emulated_quick_guest_is_not_told_that_bytes_move_fast(profile: str) -> None:
    path = "cpu/feature[@name='erms']"
    assert attribute(parsed(profile=profile), path, "policy") == "disable"
    assert parsed(profile=profile, accelerator="kvm").find(path) is None
    assert parsed(profile="default").find(path) is None
    if "aarch64" in SPECS[profile].machines:
        assert parsed(profile=profile, architecture="aarch64").find(path) is None


def test_guests_are_told_how_the_host_uses_huge_pages() -> None:
    told = dataclasses.replace(platform(), huge_page_rule="madvise")
    spec = InstanceSpec("tb-abcdef-7", "stock", LIMITS, LEASE)
    files = Files.below(Path("/state"), spec.name)
    stock = machine(told, start("stock", "x86_64"), spec, files, "tbabcdefv3")
    assert "tb.thp=madvise" in stock.identity.split()
