"""Escapes through files: descriptors, devices, kernel files, the root directory, the launcher."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from runtimes import process
from runtimes.conventions import AGENT_PATH
from runtimes.faults import RuntimeFault
from runtimes.launcher import LaunchFault
from tests.support.escapes import PROGRAM, Arena, attack, run_in

pytestmark = pytest.mark.root
BOXES = ("default", "no-userns")
HARMLESS = re.compile(r"(\d+)=(pipe|socket|anon_inode):.*|(\d+)=/dev/null|(\d+)=/memfd:.*-log.*")


@pytest.mark.parametrize("profile", BOXES)
def test_no_descriptor_of_the_host_reaches_a_box(
    arena: Arena, profile: str, leaky_descriptor: int
) -> None:
    assert leaky_descriptor >= 0
    with arena.box(profile) as instance:
        of_job = listed(attack(instance.agent, "descriptors").note)
        agents = [pid for pid in instance.group.pids() if named(pid) == "agent\n"]
        links = [link for pid in agents for link in Path(f"/proc/{pid}/fd").iterdir()]
        of_agent = [f"{link.name}={link.readlink()}" for link in links]
    assert len(of_job) == 3
    assert len(of_agent) > 3
    for each in (*of_job, *of_agent):
        assert HARMLESS.fullmatch(each), each


def named(pid: int) -> str:
    """What a process is called."""
    return Path(f"/proc/{pid}/comm").read_text()


def listed(note: str) -> list[str]:
    """Descriptors of a note, ``number=target``."""
    return [each for each in note.split("|") if each]


def test_the_search_for_descriptors_finds_one_that_leaks(
    arena: Arena, leaky_descriptor: int
) -> None:
    with process.spawn(
        [str(arena.program), "descriptors"], stdout=subprocess.PIPE, pass_fds=(leaky_descriptor,)
    ) as child:
        assert child.stdout is not None
        seen = listed(child.stdout.read().decode().strip().partition(" ")[2])
    assert [each for each in seen if not HARMLESS.fullmatch(each)] == [f"{leaky_descriptor}=/etc"]


READS = os.O_RDONLY | os.O_NONBLOCK
WRITES = os.O_WRONLY | os.O_NONBLOCK


@pytest.mark.parametrize("profile", BOXES)
@pytest.mark.parametrize(
    "path",
    [
        "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
        "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity",
        "/sys/kernel/mm/ksm/run", "/sys/fs/cgroup/memory/cgroup.procs",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ],
)  # fmt: skip
def test_settings_of_the_kernel_are_not_opened_for_writing(
    arena: Arena, profile: str, path: str
) -> None:
    if "/cgroup/memory/" in path and arena.engine.hierarchy.controllers is None:
        path = f"/sys/fs/cgroup/{Path(path).name.replace('limit_in_bytes', 'max')}"
    if not Path(path).exists():
        pytest.skip(f"this kernel has no {path}")
    reasons = {"EROFS"} if profile == "no-userns" else {"EROFS", "EACCES"}  # root is nobody
    assert arena.in_box(profile, "open", path, WRITES).reason in reasons
    if path.startswith("/proc/"):
        assert arena.in_box("wide-open", "open", path, WRITES).reason == ""


@pytest.mark.parametrize("profile", BOXES)
@pytest.mark.parametrize("path", ["/dev/kmsg", "/dev/mem", "/dev/net/tun", "/dev/kvm", "/dev/fuse"])
def test_devices_of_the_host_are_not_there(arena: Arena, profile: str, path: str) -> None:
    assert arena.in_box(profile, "open", path, READS).reason == "ENOENT"


@pytest.mark.parametrize("profile", BOXES)
@pytest.mark.parametrize("name", ["root", "cwd", "environ", "mem", "exe", "ns/mnt", "ns/pid"])
def test_nobody_looks_into_the_boxs_init(arena: Arena, profile: str, name: str) -> None:
    assert arena.in_box(profile, "open", f"/proc/1/{name}", READS).reason == "EACCES"
    assert arena.in_box("wide-open", "open", f"/proc/1/{name}", READS).reason == ""


@pytest.mark.parametrize("profile", BOXES)
@pytest.mark.parametrize("path", ["/proc/kcore", "/proc/keys", "/proc/timer_list"])
def test_hidden_files_are_empty(arena: Arena, profile: str, path: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"this kernel has no {path}")
    script = ["/bin/busybox", "head", "-c", "16", path]
    with arena.box(profile) as instance:
        assert instance.agent.run(script, timeout_s=10).stdout == b""
    with arena.box("wide-open") as instance:
        assert instance.agent.run(script, timeout_s=10).stdout != b""


def test_masks_hold_against_all_who_may_not_mount(arena: Arena) -> None:
    """And the attacks on them are good: who may mount takes them off."""
    for call, path in (("unmount", "/proc/sys"), ("remount-writable", "/proc/sys")):
        assert arena.in_box("default", call, path).reason == "EPERM"
        assert arena.in_box("only-masks", call, path).reason == ""


@pytest.mark.parametrize("profile", BOXES)
def test_cgroups_are_not_made_from_inside(arena: Arena, profile: str) -> None:
    inside = "cpuset/" if arena.engine.hierarchy.controllers is not None else ""
    assert arena.in_box(profile, "mkdir", f"/sys/fs/cgroup/{inside}escape").reason == "EROFS"


def test_a_box_makes_no_device_of_the_hosts(arena: Arena) -> None:
    disk = arena.site.state.stat().st_dev
    null = ("c", 1, 3)
    for kind, major, minor in (("b", os.major(disk), os.minor(disk)), ("c", 1, 11), null):
        for profile in BOXES:
            assert arena.in_box(profile, "node", kind, major, minor).reason == "EPERM"
    assert arena.in_box("wide-open", "node", *null, "/dev").reason == ""
    assert arena.in_box("wide-open", "node", "c", 1, 11, "/dev").reason == ""


def test_a_device_file_of_an_image_is_not_opened(arena: Arena) -> None:
    """It came in a layer: nobody had to make it."""
    inside = arena.site.rootfs.directory / "tmp/planted"
    zero = os.makedev(1, 5)
    os.mknod(inside, stat.S_IFCHR, zero)
    inside.chmod(0o666)
    try:
        for profile in BOXES:
            assert arena.in_box(profile, "open", "/tmp/planted", READS).reason == "EACCES"
            assert arena.in_box(profile, "open", "/dev/zero", READS).reason == ""
        assert arena.on_host("open", str(inside), READS).reason == ""
    finally:
        inside.unlink()


@pytest.mark.parametrize("profile", ["default", "no-userns", "wide-open"])
def test_chroot_inside_does_not_lead_out(arena: Arena, profile: str) -> None:
    with arena.box(profile) as instance:
        told = attack(instance.agent, "chroot-escape")
        own = instance.agent.run(
            ["/bin/busybox", "stat", "-c", "%d:%i", "/"], timeout_s=10
        ).stdout.decode()
    assert (told.reason, told.note) == ("", own.strip())


def test_chroot_alone_is_no_box(arena: Arena) -> None:
    root = arena.site.rootfs.directory
    done = process.run(["chroot", str(root), PROGRAM, "chroot-escape"], timeout_s=10)
    host = Path("/").stat()
    assert done.stdout.decode().split() == ["0", f"{host.st_dev}:{host.st_ino}"]
    (root / "tmp/inner").rmdir()


@pytest.mark.parametrize("profile", [*BOXES, "wide-open"])
def test_the_launcher_is_not_overwritten_from_inside(arena: Arena, profile: str) -> None:
    """CVE-2019-5736: a box's first process is the launcher's own program."""
    with arena.box(profile) as instance:
        told = attack(instance.agent, "overwrite-program", "/proc/1/exe")
    assert told.reason in {"EACCES", "ETXTBSY", "EPERM"}
    if profile == "wide-open":
        assert told.reason == "ETXTBSY"  # it was reached, and is in use for as long as we live
        assert told.note == "handle"
    with pytest.raises(PermissionError):
        os.pwrite(arena.engine.launcher.program_fd, b"#!", 0)


def test_the_agent_is_not_overwritten_for_others(arena: Arena) -> None:
    agent = arena.site.rootfs.directory / AGENT_PATH[1:]
    before = agent.read_bytes()
    with arena.box("wide-open") as instance:
        script = f"rm {AGENT_PATH}; echo evil > {AGENT_PATH}; cat {AGENT_PATH}"
        done = instance.agent.run(["/bin/busybox", "sh", "-c", script], timeout_s=10)
    assert done.stdout == b"evil\n"
    assert agent.read_bytes() == before


@pytest.mark.parametrize("profile", BOXES)
@pytest.mark.parametrize("link", ["/etc", "../../../../../../etc"])
def test_a_link_in_the_image_does_not_lead_a_volume_to_the_host(
    arena: Arena, profile: str, link: str, tmp_path: Path
) -> None:
    """CVE-2021-30465: a mount's target was a link when the mount was made."""
    planted = arena.site.rootfs.directory / "volume"
    planted.rmdir()
    planted.symlink_to(link)
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "passwd").write_text("evil")
    try:
        with arena.box(profile, volume=volume):
            pass
    except RuntimeFault:
        pass
    finally:
        planted.unlink()
        planted.mkdir()
    assert "evil" not in Path("/etc/passwd").read_text()
    assert str(volume) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("profile", BOXES)
def test_a_place_for_mounts_that_keeps_changing_leads_nowhere(
    arena: Arena, profile: str, tmp_path: Path
) -> None:
    """The same, as a race: a directory and a link are exchanged while boxes are started on them."""
    root, volume, stop = arena.site.rootfs.directory, tmp_path / "volume", threading.Event()
    volume.mkdir()
    (volume / "passwd").write_text("evil")
    (root / "link").symlink_to("/etc")

    def exchange() -> None:
        while not stop.is_set():
            for old, new in (("volume", "x"), ("link", "volume"), ("volume", "link"),
                             ("x", "volume")):  # fmt: skip
                (root / old).rename(root / new)

    racer = threading.Thread(target=exchange)
    racer.start()
    started = 0
    try:
        for _ in range(12):
            with contextlib.suppress(RuntimeFault), arena.box(profile, volume=volume):
                started += 1
            assert str(volume) not in Path("/proc/self/mountinfo").read_text()
    finally:
        stop.set()
        racer.join()
        (root / "link").unlink()
    assert "evil" not in Path("/etc/passwd").read_text()
    with arena.box(profile) as instance:  # nothing was kept for the next one
        assert attack(instance.agent, "open", "/volume/passwd", READS).reason == "ENOENT"


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_an_image_that_replaces_kernel_directories_by_links_gains_nothing(
    arena: Arena, name: str
) -> None:
    """CVE-2023-27561: with /proc a link, masks were mounted elsewhere."""
    place = arena.site.rootfs.directory / name
    other = arena.site.rootfs.directory / "tmp/elsewhere"
    other.mkdir()
    place.rmdir()
    place.symlink_to("/tmp/elsewhere")
    try:
        with arena.box("no-userns") as instance:
            for path in ("/proc/sys/kernel/core_pattern", "/tmp/elsewhere/sys/kernel/core_pattern"):
                told = attack(instance.agent, "open", path, WRITES)
                assert told.reason in {"EROFS", "ENOENT"}, path
    except LaunchFault:
        pass
    finally:
        place.unlink()
        place.mkdir()
        other.rmdir()


def test_no_mount_made_in_a_box_is_seen_on_the_host(arena: Arena) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    with arena.box("wide-open") as instance:
        assert attack(instance.agent, "mount-tmpfs", "/tmp").reason == ""
        assert attack(instance.agent, "mount-proc").reason == ""
        assert Path("/proc/self/mountinfo").read_text() == before


def test_characters_are_not_pushed_into_a_terminal(arena: Arena) -> None:
    controller, terminal = os.openpty()
    try:
        with process.spawn(
            ["setsid", "--ctty", "--wait", str(arena.program), "push-input"],
            stdin=terminal,
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdout is not None
            assert child.stdout.read().split()[:1] == [b"0"]  # with a terminal it works
    finally:
        os.close(controller)
        os.close(terminal)
    controller, terminal = os.openpty()
    try:  # a box may be given a terminal, never a session's own
        for profile in BOXES:
            assert run_in(arena, profile, "push-input", stdin=terminal).split()[0] == "1"
    finally:
        os.close(controller)
        os.close(terminal)
    with arena.box() as instance:
        assert attack(instance.agent, "push-input").reason == "ENOTTY"
        assert attack(instance.agent, "push-input", "/dev/tty").reason == "ENXIO"
