"""Hostile sources and places of ``--bind`` by hand: nothing is shown or changed that was not named.

Who owns a directory on the way to a source may exchange what is in it at any instant, and an image
may have a link where a tree is to be put.
"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtimes import process
from runtimes.ns.profiles.catalogue import CATALOGUE
from tests.support import escapes
from tests.support.ns_bench import home_of_boxes_by_hand
from tests.support.plain_user import USER
from tests.support.tiny_rootfs import BUSYBOX

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("root_needed")]

PROJECT = Path(__file__).parents[2]
FAILED = 125
WRONG = 2
"""Of a command line that is none."""
UNNAMED = "what nobody has named"
PROFILES = pytest.mark.parametrize("profile", ["default", "no-userns"])
MEANWHILE = """
import os, sys
from runtimes.standalone.box import __main__ as command
parse = command.parse
def and_then(*words):
    options = parse(*words)
    os.rename(sys.argv[1], sys.argv[1] + ".was")
    if sys.argv[2]:
        os.rename(sys.argv[2], sys.argv[1])
    del sys.argv[1:3]
    return options
class Words(list):
    pass
command.parse = lambda words, text: and_then(words[2:], text)
sys.exit(command.main())
"""
"""Runs a box by hand, and exchanges a name between the command line and the box."""


@dataclass(frozen=True)
class Bench:
    """Where boxes are run by hand."""

    home: Path

    @property
    def base(self) -> Path:
        """The root, a layer."""
        return self.home / "base"

    @property
    def given(self) -> Path:
        """A tree of the host's, with a mount below it."""
        return self.home / "given"

    def run(
        self, script: str, *options: str, meanwhile: tuple[Path, Path | None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        start = [sys.executable, "-m", "runtimes.standalone.box"]
        if meanwhile is not None:
            old, new = meanwhile
            start = [sys.executable, "-c", MEANWHILE, str(old), str(new or "")]
        argv = [*start, "run", "--layers", str(self.base), *options, "--", "/bin/busybox", "sh"]
        env = {
            **process.ENVIRONMENT,
            "TAREBENCH_STATE": str(self.home / "state"),
            "TAREBENCH_CACHE": str(self.home / "cache"),
        }
        mounts = self.mounts()
        done = subprocess.run(
            [*argv, "-c", f"PATH=/bin; {script}"], env=env, cwd=PROJECT, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        assert not list((self.home / "state").glob("*")), "left behind"
        assert self.mounts() == mounts
        return done

    def mounts(self) -> list[str]:
        """Mounts of the host that have to do with these boxes."""
        every = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in every if str(self.home) in line]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(home_of_boxes_by_hand(tmp_path_factory.mktemp("binds")))
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (made.base / name).mkdir(parents=True)
    (made.base / "bin/busybox").write_bytes(BUSYBOX.read_bytes())
    (made.base / "bin/busybox").chmod(0o755)
    for name in ("cat", "ls", "dd", "touch", "mount", "umount", "wc", "head", "id", "sh"):
        (made.base / "bin" / name).symlink_to("busybox")
    (made.base / "data").symlink_to("dev")
    escapes.compiled(made.base / "bin/attack")
    (made.given / "inner").mkdir(parents=True)
    (made.given / "file").write_text("of the host\n")
    process.run(["mount", "-t", "tmpfs", "tmpfs", str(made.given / "inner")], timeout_s=10)
    for each in (made.given, made.given / "inner"):
        each.chmod(0o777)
    yield made
    process.run(["umount", str(made.given / "inner")], timeout_s=10)


def test_pipes_sockets_and_devices_are_what_they_are_and_no_device_opens(
    bench: Bench, tmp_path: Path
) -> None:
    """Naming one starts nothing: no pipe is opened, no device woken, no socket connected."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        where = Path(os.path.relpath(tmp_path / "socket"))
        listener.bind(str(where))
    os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(tmp_path / "disk", stat.S_IFBLK | 0o666, os.makedev(8, 0))
    (tmp_path / "null").chmod(0o666)
    names = ("pipe", "socket", "null", "disk")
    script = (
        "for n in pipe socket null disk; do [ -p /m/$n ] && echo p; [ -S /m/$n ] && echo s; done; "
        "for n in null disk; do cat /m/$n; head -c 1 /m/$n; (: > /m/$n); done"
    )
    binds = [word for name in names for word in ("--bind", f"{tmp_path / name}:/m/{name}")]
    ran = bench.run(script, *binds, "--profile", "no-userns")
    assert ran.stdout.split() == ["p", "s"], ran.stderr
    assert ran.stderr.count("Permission denied") == 6, ran.stderr


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gone", "No such file"), ("circle", "links in a circle|Too many levels"),
        ("file/x", "Not a directory"), ("x" * 300, "File name too long"),
        ("/".join(["x" * 200] * 40), "File name too long|No such file"),
        ("../../../../../../../../proc/self/fd/97", "No such file"),
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_a_source_that_is_none_is_told_with_the_reason(
    bench: Bench, name: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "file").touch()
    ran = bench.run("echo ran", "--bind", f"{tmp_path}/{name}:/m")
    assert (ran.returncode, ran.stdout) == (WRONG, "")
    (last,) = ran.stderr.splitlines()[-1:]
    assert any(part in last for part in why.split("|")), last


def test_odd_names_are_names(bench: Bench, tmp_path: Path) -> None:
    names = ("two\nlines", "dots...", "blank ", "co:lon", "esc\x1b]0;x\x07", "-ro", "ä\udcff")
    binds = []
    for number, name in enumerate(names):
        (tmp_path / name).mkdir()
        (tmp_path / name / str(number)).touch()
        binds += ["--bind", f"{tmp_path / name}/.:/m/{number}"]
    ran = bench.run('cd /m; for each in *; do ls "$each"; done', *binds)
    assert sorted(ran.stdout.split()) == [str(n) for n in range(len(names))], ran.stderr


@pytest.mark.parametrize("where", ["it", "above"])
@PROFILES
def test_a_link_that_takes_a_sources_place_meanwhile_is_not_followed(
    bench: Bench, where: str, profile: str, tmp_path: Path
) -> None:
    """The command line named a directory; who owns the one above exchanges it before the box."""
    theirs, secret = tmp_path / "theirs", tmp_path / "secret"
    (theirs / "above" / "it").mkdir(parents=True)
    (secret / "it").mkdir(parents=True)
    for place in (secret, secret / "it"):
        (place / "told").write_text(UNNAMED)
    old = theirs / "above" / "it" if where == "it" else theirs / "above"
    (theirs / "link").symlink_to(secret)
    source = theirs / "above" / "it"
    options = ("--bind", f"{source}:/m", "--profile", profile)
    ran = bench.run("cat /m/told", *options, meanwhile=(old, theirs / "link"))
    assert (ran.returncode, ran.stdout) == (FAILED, ""), ran.stderr
    assert "somebody put a link on the way to it" in ran.stderr


def test_a_source_that_is_gone_meanwhile_is_told(bench: Bench, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    ran = bench.run("echo ran", "--bind", f"{source}:/m", meanwhile=(source, None))
    assert (ran.returncode, ran.stdout) == (FAILED, "")
    assert "it was there when it was named, and is gone" in ran.stderr


def test_a_directory_in_use_that_is_deleted_meanwhile_stays_the_boxs(
    bench: Bench, tmp_path: Path
) -> None:
    """And nothing that comes to have its name is seen in it."""
    source = tmp_path / "source"
    source.mkdir()
    script = (
        "touch /out/up; until [ -e /out/gone ]; do busybox usleep 10000; done; "
        "ls -A /m | wc -l; touch /m/x"
    )
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o777)
    other = tmp_path / "other.py"
    other.write_text(
        "import os, sys, time\n"
        "while not os.path.exists(sys.argv[1] + '/up'): time.sleep(0.01)\n"
        "os.rmdir(sys.argv[2]); os.mkdir(sys.argv[2]); open(sys.argv[2] + '/new', 'w')\n"
        "open(sys.argv[1] + '/gone', 'w')\n"
    )
    with process.spawn([sys.executable, str(other), str(out), str(source)]) as remover:
        ran = bench.run(script, "--bind", f"{source}:/m", "--bind", f"{out}:/out")
        assert remover.wait(20) == 0
    assert ran.stdout.split() == ["0"], ran.stderr
    assert [path.name for path in source.iterdir()] == ["new"]


def test_a_box_of_another_user_is_not_led_through_a_closed_directory(
    bench: Bench, tmp_path: Path
) -> None:
    """Root of the host names it, and may; root of a box in a user namespace has no right of it."""
    shut = tmp_path / "shut"
    (shut / "in").mkdir(parents=True)
    (shut / "in" / "file").write_text(UNNAMED)
    for path in (shut / "in", shut):
        os.chown(path, USER.pw_uid, USER.pw_gid)
        path.chmod(0o700)
    ran = bench.run("cat /m/file; ls /m", "--bind", f"{shut / 'in'}:/m")
    assert ran.stdout == ""
    assert ran.stderr.count("Permission denied") == 2, ran.stderr


KERNELS = ("/proc", "/proc/self", "/proc/1", "/proc/sys", "/proc/sys/kernel", "/sys", "/dev/shm",
           "/dev/pts", "/sys/fs/cgroup", "/data/shm", "/tmp/../proc/", "/", "/.", "//")  # fmt: skip


def test_a_bind_over_the_kernels_own_places_opens_nothing(bench: Bench) -> None:
    """It hides them from the box, or is refused; what is read-only or masked stays so."""
    script = (
        "for f in kernel/core_pattern vm/overcommit_memory kernel/hostname; do "
        "(: >> /proc/sys/$f) 2>/dev/null && [ -c /proc/keys ] && echo open $f; done; "
        "for f in keys timer_list interrupts kcore; do "
        "[ -e /proc/$f ] && [ $(head -c 9 /proc/$f | wc -c) != 0 ] && echo shown $f; done; echo ran"
    )
    for place in KERNELS:
        ran = bench.run(script, "--bind", f"{bench.given}:{place}", "--profile", "no-userns")
        if ran.returncode in {FAILED, WRONG}:
            assert "Traceback" not in ran.stderr
            continue
        assert ran.stdout == "ran\n", (place, ran.stderr)


@pytest.mark.parametrize("place", ["/dev", "/data"])
@PROFILES
def test_what_is_at_dev_null_does_not_decide_what_a_mask_shows(
    bench: Bench, profile: str, place: str, tmp_path: Path
) -> None:
    """CVE-2025-31133: masks are binds of /dev/null, which a link took to a file of the kernel's.

    ``/data`` is the image's own link to /dev: the tree that is put there is a user's.
    """
    shown = next(
        (path for path in map(Path, ("/proc/timer_list", "/proc/keys")) if path.exists()), None
    )
    if shown is None or not Path("/proc/interrupts").exists():
        pytest.skip("this kernel has none of the files that a box hides")
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    null = theirs / "null"
    options = ("--bind", f"{theirs}:{place}", "--profile", profile)
    for make in (lambda: null.symlink_to(shown), null.touch):
        make()
        ran = bench.run("cat /proc/interrupts; echo ran", *options)
        assert (ran.returncode, ran.stdout) == (FAILED, ""), ran.stderr
        assert "no null device" in ran.stderr
        null.unlink()


READ_ONLY = (
    "touch /mnt/x; touch /mnt/inner/x; (: > /mnt/file); "
    "for p in /mnt /mnt/inner; do mount -o remount,rw,bind $p; mount -o remount,rw $p; "
    "attack remount-writable $p; done; "
    "mount --bind /mnt /tmp; mount --rbind /mnt /tmp; mount --move /mnt/inner /tmp; "
    "mount --make-rshared /mnt; umount /mnt/inner; umount -l /mnt; "
    "touch /mnt/y; touch /mnt/inner/y; touch /tmp/inner/y; "
    "busybox chmod 700 /mnt/file; busybox ln /mnt/file /mnt/z; busybox rm /mnt/file; "
    "busybox mknod /mnt/p p; echo ran"
)


@pytest.mark.parametrize(
    "profile",
    ["default", "no-userns", "all-caps", "no-seccomp", "wf-08-pivot", "wf-14-cgroupns",
     "wf-15-capabilities"],
)  # fmt: skip
def test_read_only_is_kept_in_every_profile_or_refused(bench: Bench, profile: str) -> None:
    """A box that may mount would take it off: such a profile promises nothing."""
    ran = bench.run(READ_ONLY, "--bind", f"{bench.given}:/mnt:ro", "--profile", profile)
    assert sorted(path.name for path in bench.given.rglob("*")) == ["file", "inner"], ran.stderr
    assert (bench.given / "file").read_text() == "of the host\n"
    keeps = CATALOGUE[profile].capabilities or CATALOGUE[profile].seccomp
    if keeps:
        assert ran.stdout.splitlines()[-1] == "ran", ran.stderr
    else:
        assert (ran.returncode, "its root may mount" in ran.stderr) == (FAILED, True), ran.stderr
        root = bench.run("touch /x", "--read-only", "--profile", profile)
        assert (root.returncode, "its root may mount" in root.stderr) == (FAILED, True)


def test_what_is_mounted_on_the_host_meanwhile_does_not_come_into_the_box(
    bench: Bench, tmp_path: Path
) -> None:
    """A shared mount would hand it on, and it would be writable."""
    given, out = tmp_path / "shared", tmp_path / "out"
    for each in (given, out):
        each.mkdir()
        each.chmod(0o777)
    process.run(["mount", "-t", "tmpfs", "tmpfs", str(given)], timeout_s=10)
    try:
        process.run(["mount", "--make-shared", str(given)], timeout_s=10)
        (given / "late").mkdir()
        other = tmp_path / "other.py"
        other.write_text(
            "import os, sys, time, subprocess\n"
            "while not os.path.exists(sys.argv[1] + '/up'): time.sleep(0.01)\n"
            "late = sys.argv[2] + '/late'\n"
            "subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', late], check=True)\n"
            "open(late + '/new', 'w'); open(sys.argv[1] + '/over', 'w')\n"
            "while not os.path.exists(sys.argv[1] + '/seen'): time.sleep(0.01)\n"
            "subprocess.run(['umount', late], check=True)\n"
        )
        script = (
            "touch /out/up; until [ -e /out/over ]; do busybox usleep 10000; done; "
            "ls -A /m/late | wc -l; touch /out/seen"
        )
        with process.spawn([sys.executable, str(other), str(out), str(given)]) as mounter:
            argv = ["--bind", f"{given}:/m:ro", "--bind", f"{out}:/out"]
            done = bench.run(script, *argv)
            assert mounter.wait(20) == 0
        assert done.stdout.split() == ["0"], done.stderr
    finally:
        process.run(["umount", str(given)], timeout_s=10)
