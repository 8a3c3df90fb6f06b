"""Binds, scratch space, a read-only root, limits, user and environment of a box by hand."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtimes import process
from runtimes.launcher.operations import base as kernel
from runtimes.ns import build
from runtimes.ns.profiles.catalogue import CATALOGUE
from tests.support.ns_bench import home_of_boxes_by_hand
from tests.support.tiny_rootfs import BUSYBOX

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("root_needed")]

PROJECT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "runtimes.standalone.box", "run"]
SHELL = ["/bin/busybox", "sh", "-c"]
LINKS = {
    "out": "/../../../../outside",
    "up": "../../../../../../outside",
    "magic": "/proc/self/root/outside",
}
"""A root's own links that would lead to the host's files if anybody followed them there."""


@dataclass(frozen=True)
class Bench:
    """Where boxes are run by hand."""

    home: Path
    layers: tuple[Path, ...]
    given: Path
    """A directory of the host with a writable mount below it."""

    def run(self, script: str, *options: str) -> subprocess.CompletedProcess[str]:
        argv = [*COMMAND, "--layers", *map(str, self.layers), *options, "--", *SHELL]
        env = {
            **process.ENVIRONMENT,
            "TAREBENCH_STATE": str(self.home / "state"),
            "TAREBENCH_CACHE": str(self.home / "cache"),
        }
        done = subprocess.run(
            [*argv, f"PATH=/bin; {script}"], env=env, cwd=PROJECT, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert not list((self.home / "state").glob("*")), "left behind"
        return done


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return home_of_boxes_by_hand(tmp_path_factory.mktemp("additions"))


@pytest.fixture(scope="module", params=[1, 3], ids=["one-layer", "three-layers"])
def bench(request: pytest.FixtureRequest, home: Path) -> Iterator[Bench]:
    own = home / str(request.param)
    base = own / "base"
    for name in ("bin", "dev", "etc", "outside", "proc", "run", "sys", "tmp"):
        (base / name).mkdir(parents=True)
    (base / "bin/busybox").write_bytes(BUSYBOX.read_bytes())
    (base / "bin/busybox").chmod(0o755)
    for name in ("sh", "cat", "ls", "id", "mount", "touch", "pwd", "df", "env", "ip", "umount"):
        (base / "bin" / name).symlink_to("busybox")
    (base / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n")
    (base / "etc/group").write_text("root:x:0:\nweb:x:34:\n")
    for name, target in {**LINKS, "dangling": "nowhere"}.items():
        (base / name).symlink_to(target)
    above = [own / f"above{number}" for number in range(1, request.param)]
    for layer in above:
        (layer / "etc" / layer.name).mkdir(parents=True)
    given = own / "given"
    (given / "inner").mkdir(parents=True)
    (given / "file").write_text("of the host\n")
    given.chmod(0o777)
    process.run(["mount", "-t", "tmpfs", "tmpfs", str(given / "inner")], timeout_s=10)
    (given / "inner").chmod(0o777)
    yield Bench(home, (*above, base), given)
    process.run(["umount", str(given / "inner")], timeout_s=10)


ONE_LAYER = pytest.mark.parametrize("bench", [1], indirect=True, ids=["one-layer"])
PROFILES = pytest.mark.parametrize("profile", ["default", "no-userns"])


@PROFILES
def test_a_read_only_bind_is_so_in_all_its_depth(bench: Bench, profile: str) -> None:
    script = (
        "cat /mnt/file; touch /mnt/x; touch /mnt/inner/x; "
        "mount -o remount,rw,bind /mnt/inner; touch /mnt/inner/x; umount /mnt/inner"
    )
    ran = bench.run(script, "--bind", f"{bench.given}:/mnt:ro", "--profile", profile)
    assert ran.stdout == "of the host\n"
    assert ran.stderr.count("Read-only file system") == 3, ran.stderr
    assert sorted(path.name for path in bench.given.rglob("*")) == ["file", "inner"]


@PROFILES
def test_a_bind_can_be_written_to_and_so_can_what_is_mounted_below(
    bench: Bench, profile: str
) -> None:
    script = "touch /mnt/deep/made /mnt/deep/inner/made && cat /one"
    binds = ("--bind", f"{bench.given}:/mnt/deep", "--bind", f"{bench.given}/file:/one:ro")
    ran = bench.run(script, *binds, "--profile", profile)
    made = [bench.given / "made", bench.given / "inner/made"]
    assert (ran.stdout, [path.exists() for path in made]) == ("of the host\n", [True, True])
    for path in made:
        path.unlink()


@ONE_LAYER
def test_a_mount_in_the_box_never_comes_to_the_host(bench: Bench) -> None:
    options = ("--bind", f"{bench.given}:/mnt", "--profile", "all-caps")
    before = Path("/proc/self/mountinfo").read_text()
    ran = bench.run("mount -t tmpfs x /mnt/inner && touch /mnt/inner/in-box && echo ok", *options)
    assert ran.stdout in ("ok\n", "")  # the filter or the profile may forbid it
    assert Path("/proc/self/mountinfo").read_text() == before
    assert not (bench.given / "inner/in-box").exists()


@pytest.mark.parametrize("link", sorted(LINKS))
@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
def test_a_link_in_the_layers_leads_to_the_boxs_own_files_only(
    bench: Bench, kind: str, link: str
) -> None:
    """Whatever is at the same path on the host stays as it is; a link of /proc is not taken."""
    place = f"/{link}/place"
    option = f"{bench.given}:{place}:ro" if kind == "bind" else place
    ran = bench.run("ls -d /outside/place; ls /outside/place", f"--{kind}", option)
    if link == "magic":
        assert ran.returncode == 125, ran.stdout
        assert "ELOOP" in ran.stderr
    else:
        shown = ["/outside/place", *(["file", "inner"] if kind == "bind" else [])]
        assert ran.stdout.split() == shown, ran.stderr
    assert not Path("/outside").exists()


@ONE_LAYER
def test_scratch_space_has_its_size_and_mode(bench: Bench) -> None:
    script = "df -k /tmp/deep | tail -n1; ls -ld /tmp/deep"
    ran = bench.run(
        script.replace("tail", "busybox tail"), "--tmpfs", "/tmp/deep:size=3m,mode=0700"
    )
    assert ran.stdout.split()[1] == "3072", ran.stderr
    assert "drwx------" in ran.stdout


@PROFILES
def test_a_read_only_root_keeps_what_is_added_to_it(bench: Bench, profile: str) -> None:
    options = (
        "--read-only",
        "--tmpfs",
        "/run/new",
        "--workdir",
        "/made/here",
        "--profile",
        profile,
    )
    script = (
        "pwd; touch /run/new/x && touch /dev/shm/x && touch /x; mount -o remount,rw /; touch /y"
    )
    ran = bench.run(script, *options)
    assert ran.stdout == "/made/here\n"
    assert ran.stderr.count("Read-only file system") == 2, ran.stderr


@ONE_LAYER
def test_limits_are_the_cgroups(bench: Bench) -> None:
    limits = ("--memory", "64m", "--cpu-quota", "0.5", "--pids", "12")
    read = "cat memory/memory.limit_in_bytes cpu*/cpu.cfs_quota_us || cat memory.max cpu.max"
    bomb = "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13; do busybox sleep 2 & done"
    ran = bench.run(f"cd /sys/fs/cgroup; {read}; {bomb}", *limits)
    assert ran.stdout.split()[:2] == ["67108864", "50000"], ran.stderr
    assert "can't fork" in ran.stderr


@ONE_LAYER
def test_places_that_cannot_be_are_told_with_the_reason(bench: Bench) -> None:
    for options, why in (
        (("--tmpfs", "/dangling/x"), "leads to nothing"),
        (("--bind", f"{bench.given}/file:/tmp"), "onto a directory"),
        (("--tmpfs", "/not/there", "--profile", "no-overlay"), "must have its place"),
    ):
        ran = bench.run("true", *options)
        assert (ran.returncode, why in ran.stderr) == (125, True), ran.stderr


@ONE_LAYER
def test_user_environment_and_network_are_as_said(bench: Bench) -> None:
    options = ("--user", "web", "--env", "A=b c", "--network", "none", "--hostname", "mine")
    ran = bench.run("id; env; ip link | busybox grep -c mtu; busybox hostname", *options)
    assert "uid=33(web) gid=34(web)" in ran.stdout, ran.stderr
    assert {"A=b c", "HOME=/srv"} <= set(ran.stdout.splitlines())
    assert ran.stdout.split()[-2:] == ["1", "mine"]
    ours = len(list(Path("/sys/class/net").iterdir()))
    ran = bench.run("ip link | busybox grep -c mtu", "--network", "host")
    assert ran.stdout.strip() == str(ours), ran.stderr


def fetched(port: int) -> bytes:
    """What the box answers, once it does: the port is the host's before the box listens."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as one:
            one.sendall(b"GET /passwd HTTP/1.0\r\n\r\n")
            one.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: one.recv(4096), b""))
            if answer:
                return answer
        time.sleep(0.05)
    return b""


@ONE_LAYER
def test_a_published_port_leads_into_the_box_and_is_free_afterwards(bench: Bench) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with ThreadPoolExecutor() as pool:
        box = pool.submit(
            bench.run,
            "busybox httpd -p 127.0.0.1:80 -h /etc && busybox timeout 60 sh -c "
            "'until [ -e /mnt/over ]; do busybox usleep 20000; done'",
            *("--publish", f"{port}:80", "--bind", f"{bench.given}:/mnt:ro"),
        )
        answers = list(pool.map(fetched, [port] * 3))
        (bench.given / "over").touch()
        ended = box.result()
    (bench.given / "over").unlink()
    assert all(b"web:x:33:34" in answer for answer in answers), ended.stderr
    assert ended.returncode == 0, ended.stderr
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


KINDS = {
    "mnt": kernel.CLONE_NEWNS,
    "user": kernel.CLONE_NEWUSER,
    "pid": kernel.CLONE_NEWPID,
    "uts": kernel.CLONE_NEWUTS,
    "ipc": kernel.CLONE_NEWIPC,
    "cgroup": kernel.CLONE_NEWCGROUP,
    "time": kernel.CLONE_NEWTIME,
    "net": kernel.CLONE_NEWNET,
}
LEFT_OUT = {
    "no-userns": {"user", "time"},
    "host-net": {"net", "time"},
    "no-cgroupns": {"cgroup", "time"},
    "no-utsns": {"uts", "time"},
    "no-ipcns": {"ipc", "time"},
    "no-pidns": {"pid", "user", "time"},
    "timens": set[str](),
    "default": {"time"},
    "wf-02-mount": set(KINDS) - {"mnt"},
}


@ONE_LAYER
@pytest.mark.parametrize("profile", sorted(LEFT_OUT))
def test_a_profile_leaves_out_its_namespace_and_no_other(bench: Bench, profile: str) -> None:
    script = (
        "for n in mnt user pid uts ipc cgroup time net; do busybox readlink /proc/self/ns/$n; done"
    )
    ran = bench.run(script, "--profile", profile)
    inside = dict(word.split(":") for word in ran.stdout.split())
    shared = {
        kind
        for kind in KINDS
        if str(Path(f"/proc/self/ns/{kind}").readlink()) == f"{kind}:{inside[kind]}"
    }
    assert shared == LEFT_OUT[profile], ran.stderr
    made = build.namespaces(CATALOGUE[profile])
    assert {kind for kind, flag in KINDS.items() if not made & flag} == shared


@ONE_LAYER
def test_a_root_that_is_only_changed_to_takes_no_additions(bench: Bench) -> None:
    ran = bench.run("true", "--tmpfs", "/x", "--profile", "wf-02-mount")
    assert ran.returncode == 125
    assert "only changed to" in ran.stderr
