"""What is put into the VM's tree beside the distribution's packages.  Pure: path → text."""

from __future__ import annotations

from collections.abc import Mapping

EXTRA_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "common": (
        "dbus",
        "e2fsprogs",
        "ifupdown",
        "initramfs-tools",
        "iproute2",
        "openssh-server",
        "systemd-sysv",
        "systemd-timesyncd",
        "udev",
    ),
    "amd64": ("linux-image-cloud-amd64",),
    "arm64": ("linux-image-cloud-arm64",),
}
"""Beside the shared root filesystem's own.  Ubuntu's kernel has another name: see ``packages``."""

UBUNTU_KERNEL = "linux-image-virtual"

KEPT_UNITS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "networking.service",
    "remote-fs.target",
    "ssh.service",
    "systemd-pstore.service",
    "systemd-timesyncd.service",
    "tarebench-agent.service",
    "tarebench-identity.service",
)
"""Units that start by themselves.  Those of the workloads' servers do not: a workload starts its
server itself, in every arm alike."""

PORT = "io.tarebench.agent"
IDENTITY = "opt/io.tarebench/identity"
"""Name of the entry in QEMU's fw_cfg that says which instance this is."""

LABEL = "tarebench-stock"
USER_SPACE = "tarebench-init: user space"

_IDENTITY_SCRIPT = f"""\
#!/bin/sh
# Name, address and volume of this instance, as cloud-init would learn them from its data source.
set -eu
modprobe qemu_fw_cfg
from=/sys/firmware/qemu_fw_cfg/by_name/{IDENTITY}/raw
for word in $(cat "$from"); do
    case $word in
        tb.host=*) hostname "${{word#tb.host=}}" ;;
        tb.ip=*) address=${{word#tb.ip=}} ;;
        tb.gw=*) gateway=${{word#tb.gw=}} ;;
        tb.mtu=*) mtu=${{word#tb.mtu=}} ;;
        tb.thp=*) echo "${{word#tb.thp=}}" > /sys/kernel/mm/transparent_hugepage/enabled || : ;;
        tb.volume=*) volume=${{word#tb.volume=}} ;;
    esac
done
if [ -n "${{volume:-}}" ]; then
    mount -t ext4 -o noatime "$volume" /volume
fi
mkdir -p /run/network
name=$(ls /sys/class/net | grep -v '^lo$' | head -n 1)
: > /run/network/tarebench
if [ -n "${{address:-}}" ] && [ -n "$name" ]; then
    printf 'auto %s\\niface %s inet static\\n  address %s\\n  gateway %s\\n  mtu %s\\n' \\
        "$name" "$name" "$address" "$gateway" "$mtu" > /run/network/tarebench
fi
"""

_IDENTITY_UNIT = """\
[Unit]
Description=Name and address of this instance
DefaultDependencies=no
After=local-fs.target systemd-udevd.service systemd-udev-settle.service
Wants=network-pre.target
Before=network-pre.target networking.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/opt/tarebench/identity

[Install]
WantedBy=networking.service
"""

_AGENT_UNIT = f"""\
[Unit]
Description=Agent of tarebench
After=network.target tarebench-identity.service dev-virtio\\x2dports-{PORT}.device
Requires=dev-virtio\\x2dports-{PORT}.device
SuccessAction=poweroff
FailureAction=poweroff

[Service]
ExecStart=/opt/tarebench/agent --device /dev/virtio-ports/{PORT}
ExecStopPost=/bin/sh -c 'echo "tarebench-init: agent exited with $EXIT_STATUS" > /dev/console'
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
Environment=LC_ALL=C.UTF-8 HOME=/root
KillMode=mixed
OOMPolicy=continue
TasksMax=infinity
LimitNOFILE=524288

[Install]
WantedBy=multi-user.target
"""

_FIRST_WORD = f"""\
#!/bin/sh
# The first process of user space says so on the console: the host takes the time.
[ "$1" = prereqs ] && exit 0
echo "{USER_SPACE}" > /dev/console
"""

TEXTS: Mapping[str, tuple[str, int]] = {
    "opt/tarebench/identity": (_IDENTITY_SCRIPT, 0o755),
    "etc/systemd/system/tarebench-identity.service": (_IDENTITY_UNIT, 0o644),
    "etc/systemd/system/tarebench-agent.service": (_AGENT_UNIT, 0o644),
    "etc/network/interfaces": (
        "auto lo\niface lo inet loopback\nsource /run/network/tarebench\n",
        0o644,
    ),
    "etc/fstab": (f"LABEL={LABEL} / ext4 errors=remount-ro 0 1\n", 0o644),
    "etc/hostname": ("stock\n", 0o644),
    "etc/hosts": ("127.0.0.1 localhost\n", 0o644),
    # Written, so that the first boot is no first boot: presets would start every server there is.
    "etc/machine-id": ("7a7e000000004000800000000000007a\n", 0o444),
}
"""Path → text and mode."""

LINKS: Mapping[str, str] = {
    "etc/systemd/system/multi-user.target.wants/tarebench-agent.service": (
        "/etc/systemd/system/tarebench-agent.service"
    ),
    "etc/systemd/system/networking.service.wants/tarebench-identity.service": (
        "/etc/systemd/system/tarebench-identity.service"
    ),
}

FIRST_WORD = ("etc/initramfs-tools/scripts/init-top/tarebench", _FIRST_WORD)
"""Goes in before the initramfs is made."""


def packages(distribution: str, architecture: str) -> tuple[str, ...]:
    """Packages that make a root filesystem a bootable machine."""
    if distribution == "ubuntu":
        return (*EXTRA_PACKAGES["common"], UBUNTU_KERNEL)
    return (*EXTRA_PACKAGES["common"], *EXTRA_PACKAGES[architecture])


def grub_menu(kernel: str, initramfs: str, console: str) -> str:
    """The boot loader's menu: one entry, no waiting.

    Args:
        kernel: path of the kernel on the root file system.
        initramfs: its initial file system.
        console: the kernel's console, e.g. ``ttyS0``.
    """
    words = f"root=LABEL={LABEL} ro quiet console={console} panic=-1"
    return f"""\
set timeout=0
search --no-floppy --label {LABEL} --set=root
linux {kernel} {words}
initrd {initramfs}
boot
"""
