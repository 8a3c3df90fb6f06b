"""Domain XML against libvirt's own schema, and what must be in it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from runtimes.base import InstanceSpec, Lease, Limits
from runtimes.kvm.profiles import PROFILES, Files, Platform, machine, tap_name
from runtimes.kvm.xml import PORT_NAME, MachineConfig, domain_xml

SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")

LIMITS = Limits(cpus=(2, 5), cpu_quota=2.0, memory_bytes=512 << 20)
LEASE = Lease(slot=3, address="198.19.0.5", mac="02:7b:00:00:00:05", port=20003)


def platform(architecture: str = "x86_64", accelerator: str = "tcg") -> Platform:
    return Platform(
        architecture=architecture,
        accelerator="kvm" if accelerator == "kvm" else "tcg",
        emulator=Path(f"/usr/bin/qemu-system-{architecture}"),
        kernel=Path("/boot/vmlinuz-6.1.0-cloud"),
        initramfs=Path("/cache/initramfs"),
        image=Path("/cache/root.ext4"),
        plain_kernel=Path("/cache/vmlinux") if architecture == "x86_64" else None,
        quick_firmware=Path("/usr/share/qemu/qboot.rom") if architecture == "x86_64" else None,
        bridge="tb0",
        daemon=False,
        gateway="198.19.0.1",
        prefix_length=24,
        mtu=1500,
    )


def config(
    profile: str = "default", architecture: str = "x86_64", accelerator: str = "tcg"
) -> MachineConfig:
    spec = InstanceSpec("tb-abcdef-7", profile, LIMITS, LEASE)
    files = Files.below(Path("/var/lib/tarebench/abcdef/kvm"), spec.name)
    return machine(platform(architecture, accelerator), spec, files, tap_name("abcdef", 3))


def parsed(**variation: str) -> Element:
    return fromstring(domain_xml(config(**variation)))  # noqa: S314  # our own XML


def attribute(root: Element, path: str, name: str) -> str:
    element = root.find(path)
    assert element is not None, path
    return element.attrib[name]


@pytest.mark.skipif(not SCHEMA.exists(), reason=f"libvirt's schema is not installed: {SCHEMA}")
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
def test_every_profile_is_valid_by_libvirts_own_schema(
    profile: str, architecture: str, accelerator: str
) -> None:
    etree = pytest.importorskip("lxml.etree")
    schema = etree.RelaxNG(etree.parse(str(SCHEMA)))
    made = config(profile, architecture, accelerator)
    for variant in (made, dataclasses.replace(made, own_files=True, nic=None)):
        assert schema.validate(etree.fromstring(domain_xml(variant))), schema.error_log


@pytest.mark.skipif(not SCHEMA.exists(), reason=f"libvirt's schema is not installed: {SCHEMA}")
def test_the_schema_refuses_what_is_wrong() -> None:
    etree = pytest.importorskip("lxml.etree")
    schema = etree.RelaxNG(etree.parse(str(SCHEMA)))
    text = domain_xml(config()).replace("<vcpu", "<vcpus").replace("</vcpu>", "</vcpus>")
    assert not schema.validate(etree.fromstring(text))


def test_without_a_proof_the_guest_is_emulated() -> None:
    assert parsed(accelerator="tcg").attrib["type"] == "qemu"
    assert attribute(parsed(accelerator="tcg"), "cpu", "mode") == "maximum"


def test_with_a_proof_the_guest_has_the_hosts_cpu() -> None:
    assert parsed(accelerator="kvm").attrib["type"] == "kvm"
    assert attribute(parsed(accelerator="kvm"), "cpu", "mode") == "host-passthrough"


def test_each_virtual_cpu_is_pinned_to_one_of_the_limits_cpus() -> None:
    root = parsed()
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
    init = Path(__file__).parents[2] / "runtimes/images/init.c"
    assert f'"{PORT_NAME}"' in init.read_text()


def test_the_tap_is_on_the_testbeds_bridge_with_the_leases_mac() -> None:
    root = parsed()
    assert attribute(root, "devices/interface/source", "bridge") == "tb0"
    assert attribute(root, "devices/interface/mac", "address") == LEASE.mac


def test_an_interface_name_fits_into_the_kernels_fifteen_characters() -> None:
    assert len(tap_name("ffffff", 199)) <= 15


def test_init_learns_name_address_and_gateway_from_the_command_line() -> None:
    words = config().command_line.split()
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
    assert made.kernel == Path("/boot/vmlinuz-6.1.0-cloud")


def test_aarch64_boots_on_virt_with_its_own_console() -> None:
    made = config(architecture="aarch64")
    assert made.machine == "virt"
    assert "console=ttyAMA0" in made.command_line


def test_a_name_that_is_markup_stays_a_name() -> None:
    made = dataclasses.replace(config(), name="<a&b>")
    assert fromstring(domain_xml(made)).findtext("name") == "<a&b>"  # noqa: S314  # our own XML
