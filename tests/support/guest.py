"""A host's own files in a guest with its own kernel and pure cgroup v2: a test bed.

The guest sees the host's root through 9p, read-only, under an overlay in its memory; so Python, the
project and every tool are there without an image.  ``/scratch`` is an ext4 disk of its own, since
neither overlays nor mapped mounts stand on a 9p.  QEMU is started by hand, emulated or not, and
ends with the process that asked for it, however that ends.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.kvm import host
from runtimes.kvm.boot.initramfs import Entry, directory, pack, regular
from runtimes.kvm.boot.kernel import CONSOLES, choose, read_index, read_module, resolve

MODULES = ("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "overlay", "ext4")
BUSYBOX = Path("/bin/busybox")
MEMORY_MIB = 2048
SCRATCH = "3G"
MACHINES = {"x86_64": "q35", "aarch64": "virt"}

INIT = """\
#!/bin/busybox sh
bb=/bin/busybox
for kind in proc sysfs devtmpfs; do
    case $kind in devtmpfs) at=/dev ;; sysfs) at=/sys ;; *) at=/proc ;; esac
    $bb mount -t $kind $kind $at
done
while read -r module; do $bb insmod $module || echo "guest: no $module"; done < /modules
$bb mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 host /host
$bb mount -t tmpfs tmpfs /top
$bb mkdir -p /top/upper /top/work /new
$bb mount -t overlay overlay -o lowerdir=/host,upperdir=/top/upper,workdir=/top/work /new
$bb mkdir -p /new/scratch
$bb mount -t ext4 /dev/vda /new/scratch
for each in proc sys dev; do $bb mount --move /$each /new/$each; done
$bb mount -t tmpfs tmpfs /new/run
$bb mount -t tmpfs tmpfs /new/dev/shm 2>/dev/null || $bb mkdir -p /new/dev/shm /new/dev/pts
$bb mount -t devpts devpts /new/dev/pts
$bb mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
$bb cp /command /new/run/command
exec $bb switch_root /new /bin/sh /run/command
"""

COMMAND = """\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root
export TAREBENCH_STATE=/scratch/state TAREBENCH_CACHE=/scratch/cache TMPDIR=/scratch
ip link set lo up
cd {directory}
{command} 2>&1
echo "guest: status $?"
/bin/busybox poweroff -f
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the command."""

    status: int | None
    """``None``: the guest ended without saying."""
    console: str


def missing(further: Sequence[str] = ()) -> str:
    """Why there can be no such guest, with ``further`` modules, here; empty if there can."""
    try:
        host.emulator(host.architecture())
        choose(needed=(*MODULES, *further))
    except RuntimeFault as fault:
        return f"{fault} ({fault.hint})"
    return "" if BUSYBOX.exists() else "busybox-static is not installed"


def run_in_guest(
    argv: Sequence[str],
    where: Path,
    scratch: Path,
    timeout_s: float,
    further: Sequence[str] = (),
) -> Outcome:
    """Run ``argv`` in directory ``where`` of this host, as a guest sees it.

    Args:
        argv: program and arguments.
        where: its working directory.
        scratch: directory for the guest's files.
        timeout_s: the guest is killed after it.
        further: modules that are loaded beside those that the guest itself needs.
    """
    wanted = (*MODULES, *further)
    kernel = choose(needed=wanted)
    archive = scratch / "initramfs"
    command = COMMAND.format(directory=shlex.quote(str(where)), command=shlex.join(argv))
    modules = resolve(read_index(kernel.modules), wanted)
    archive.write_bytes(pack(_entries(command, [(m.name, read_module(m)) for m in modules])))
    disk, console = scratch / "disk", scratch / "console"
    process.run(["mke2fs", "-q", "-F", "-t", "ext4", str(disk), SCRATCH], timeout_s=60)
    child = process.spawn(
        _qemu(kernel.image, archive, disk, console), stderr=subprocess.STDOUT, new_session=True
    )
    try:
        child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        pass
    finally:
        child.kill()
        child.wait()
    said = console.read_text("utf-8", "replace") if console.exists() else ""
    found = re.search(r"guest: status (\d+)", said)
    return Outcome(int(found[1]) if found else None, said)


def _entries(command: str, modules: Sequence[tuple[str, bytes]]) -> list[Entry]:
    names = [f"lib/{place:02d}-{name}.ko" for place, (name, _) in enumerate(modules)]
    points = ("bin", "dev", "host", "lib", "proc", "sys", "top")
    return [
        *(directory(name) for name in points),
        Entry("dev/console", 0o020600, device=(5, 1)),
        regular("bin/busybox", BUSYBOX.read_bytes(), 0o755),
        regular("init", INIT.encode(), 0o755),
        regular("command", command.encode()),
        regular("modules", "".join(f"/{name}\n" for name in names).encode()),
        *(regular(name, data) for name, (_, data) in zip(names, modules, strict=True)),
    ]


def _qemu(kernel: Path, archive: Path, disk: Path, console: Path) -> list[str]:
    name = host.architecture()
    share = "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
    return [
        *("setpriv", "--pdeathsig", "KILL"),
        *(str(host.emulator(name)), "-machine", f"{MACHINES[name]},accel=tcg", "-cpu", "max"),
        *("-m", str(MEMORY_MIB), "-smp", "2", "-display", "none", "-nodefaults", "-no-reboot"),
        *("-serial", f"file:{console}", "-virtfs", share),
        *("-drive", f"file={disk},format=raw,if=virtio", "-kernel", str(kernel)),
        *("-initrd", str(archive), "-append"),
        f"console={CONSOLES[name]} quiet panic=-1 random.trust_cpu=on cryptomgr.notests",
    ]
