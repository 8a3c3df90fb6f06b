"""Images from scratch: mount points that they lack are made in the box's root, never outside."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.directories import places
from runtimes import process
from runtimes.images.compile import compile_static
from runtimes.images.layers.tar.member import Member
from runtimes.standalone.image import pack
from runtimes.standalone.image.documents import Execution
from tests.support.members import directory, file
from tests.support.ns_bench import home_of_boxes_by_hand
from tests.support.tiny_rootfs import BUSYBOX

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("root_needed")]

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "tests/support/scratch.c"
KINDS = {"/proc": "proc", "/sys": "sysfs", "/dev": "tmpfs", "/dev/pts": "devpts",
         "/dev/shm": "tmpfs", "/dev/mqueue": "mqueue"}  # fmt: skip
PROFILES = ("default", "no-userns", "host-net", "no-pidns", "no-cgroupns")
WAYS = (f"/{'../' * 20}", "/", "../../../")
"""How a link in an image may begin that means to lead out of it."""


@dataclass(frozen=True)
class Bench:
    """Where images are made and run."""

    home: Path
    program: Path

    def root(self, *names: str) -> Path:
        """A root filesystem of the one program, and these directories."""
        made = self.home / f"root-{secrets.token_hex(3)}"
        for name in names:
            (made / name).mkdir(parents=True)
        made.mkdir(exist_ok=True)
        shutil.copy(self.program, made / "scratch")
        return made

    def command(self, module: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        where = {"TAREBENCH_STATE": self.home / "state", "TAREBENCH_CACHE": self.home / "cache"}
        done = subprocess.run(
            [sys.executable, "-m", f"runtimes.standalone.{module}", *map(str, words)],
            env={**process.ENVIRONMENT, **{name: str(path) for name, path in where.items()}},
            cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert not (self.home / "state").exists() or module == "oci", "left behind"
        return done

    def run(self, root: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return self.command("box", "run", "--layers", root, *words)

    def bundle(self, root: Path, argv: Sequence[str], *, read_only: bool, user: bool) -> Path:
        """A bundle as ``runc spec`` writes it."""
        where = self.home / f"bundle-{secrets.token_hex(3)}"
        where.mkdir()
        process.run(["runc", "spec"], timeout_s=10, cwd=where)
        path = where / "config.json"
        content = json.loads(path.read_text())
        content["root"] = {"path": str(root), "readonly": read_only}
        content["process"] |= {"terminal": False, "args": list(argv)}
        if user:
            ids = [{"containerID": 0, "hostID": 300_000, "size": 65536}]
            content["linux"] |= {"uidMappings": ids, "gidMappings": ids}
            content["linux"]["namespaces"].append({"type": "user"})
            os.chown(root, 300_000, 300_000)
        path.write_text(json.dumps(content))
        return where


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    home = places().state / f"test-{secrets.token_hex(3)}"
    home.mkdir(parents=True)
    try:
        home_of_boxes_by_hand(home)
        compile_static(SOURCE, home / "scratch", ["-std=gnu11", "-Os", "-Wextra", "-Werror"])
        yield Bench(home, home / "scratch")
    finally:
        shutil.rmtree(home)


def seen(output: str) -> tuple[set[str], dict[str, tuple[str, str]]]:
    """Names in the root, and each mount point's options and type."""
    lines = [line.split() for line in output.splitlines()]
    names = {words[1] for words in lines if words[0] == "name"}
    return names, {words[1]: (words[2], words[3]) for words in lines if words[0] == "mount"}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_static_binary_alone_has_a_whole_view(
    bench: Bench, profile: str, read_only: bool
) -> None:
    root = bench.root()
    words = ["--read-only"] if read_only else []
    done = bench.run(root, "--profile", profile, *words, "--", "/scratch")
    assert done.returncode == 0, done.stderr
    names, mounts = seen(done.stdout)
    assert names == {"scratch", "proc", "sys", "dev"}
    assert {point: mounts[point][1] for point in KINDS} == KINDS
    assert mounts["/"][0].split(",")[0] == ("ro" if read_only else "rw")
    assert mounts["/sys"][0].split(",")[0] == "ro"
    assert [path.name for path in root.iterdir()] == ["scratch"]  # the layer is as it was


def test_a_read_only_root_stays_read_only(bench: Bench) -> None:
    done = bench.run(bench.root(), "--read-only", "--", "/scratch", "/x", "/dev/shm/x", "/dev/x")
    assert done.stdout.splitlines() == [
        "made /x: Read-only file system", "made /dev/shm/x: yes", "made /dev/x: yes",
    ]  # fmt: skip


def test_binds_scratch_space_and_a_working_directory_are_made_too(bench: Bench) -> None:
    bound = bench.home / "bound"
    bound.mkdir(exist_ok=True)
    words = ["--bind", f"{bound}:/a/b", "--bind", f"{SOURCE}:/etc/one:ro", "--tmpfs", "/tmp",
             "--workdir", "/srv/app", "--read-only"]  # fmt: skip
    done = bench.run(bench.root(), *words, "--", "/scratch")
    names, mounts = seen(done.stdout)
    assert names == {"scratch", "proc", "sys", "dev", "a", "etc", "tmp", "srv"}, done.stderr
    assert {"/a/b", "/etc/one", "/tmp"} < set(mounts)


MANY = 3_000


def test_arguments_and_variables_are_not_counted_by_the_thousand(bench: Bench) -> None:
    root = bench.root()
    shutil.copy(BUSYBOX, root / "busybox")
    script = "echo $# ${#9}; /busybox env | /busybox grep -c ^V"
    variables = [f"--env=V{number}=x" for number in range(MANY)]
    words = ["--", "/busybox", "sh", "-c", script, "-", *["123"] * (2 * MANY)]
    done = bench.run(root, *variables, *words)
    assert done.stdout.split() == [str(2 * MANY), "3", str(MANY)], done.stderr


def test_too_many_arguments_are_told_by_their_number(bench: Bench) -> None:
    done = bench.run(bench.root(), "--", "/scratch", *["a"] * 70_000)
    assert (done.returncode, done.stdout) == (125, "")
    assert "arguments and variables, and a plan takes at most 65535" in done.stderr
    assert "in a file" in done.stderr


def image(bench: Bench, name: str, settings: Execution, members: list[Member]) -> str:
    pack.pack([members], bench.home / "images", pack.Description(name, settings), "none")
    return f"{bench.home}/images:{name}"


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("user", ["", "65532:65532"])
def test_an_image_of_one_file_is_run_as_it_wants(bench: Bench, read_only: bool, user: str) -> None:
    one = file("scratch", bench.program.read_bytes(), 0o755)
    made = image(bench, "one", Execution(entrypoint=("/scratch",), user=user), [one])
    words = ["--read-only"] if read_only else []
    done = bench.command("box", "run", "--image", made, *words)
    assert done.returncode == 0, done.stderr
    assert seen(done.stdout)[0] == {"scratch", "proc", "sys", "dev"}


@pytest.mark.parametrize("read_only", [False, True])
def test_busybox_without_any_directory_but_bin_works(bench: Bench, read_only: bool) -> None:
    shell = [directory("bin"), file("bin/busybox", BUSYBOX.read_bytes(), 0o755)]
    script = "/bin/busybox ls / | /bin/busybox xargs; /bin/busybox ps; echo > /dev/null"
    settings = Execution(cmd=("/bin/busybox", "sh", "-c", script))
    made = image(bench, "busybox", settings, shell)
    words = ["--read-only"] if read_only else []
    done = bench.command("box", "run", "--image", made, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "bin dev proc sys"


def test_an_image_as_distroless_ones_are_finds_its_user(bench: Bench) -> None:
    """Accounts, and none of /proc, /sys, /dev, /tmp."""
    members = [directory("etc"), file("etc/passwd", b"nonroot:x:65532:65532::/home/nonroot:\n"),
               file("scratch", bench.program.read_bytes(), 0o755)]  # fmt: skip
    made = image(bench, "less", Execution(user="nonroot", entrypoint=("/scratch",)), members)
    done = bench.command("box", "run", "--image", made, "--read-only", "--", "/x")
    assert done.stdout == "made /x: Read-only file system\n", done.stderr


@pytest.mark.parametrize("profile", ["default", "no-userns", "wf-07-overlay"])
@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
@pytest.mark.parametrize("way", WAYS)
def test_no_mount_point_is_made_through_a_link_out_of_the_root(
    bench: Bench, profile: str, name: str, way: str
) -> None:
    """A link at its place leads to the box's own files: to what is there, and nothing is made."""
    outside = bench.home / f"outside-{secrets.token_hex(3)}"
    outside.mkdir()
    root = bench.root(*(each for each in ("proc", "sys", "dev") if each != name))
    (root / name).symlink_to(f"{way}{str(outside)[1:]}/made")
    done = bench.run(root, "--profile", profile, "--", "/scratch")
    assert done.returncode == 125
    assert f"/{name}: EEXIST" in done.stderr
    (root / str(outside)[1:] / "made").mkdir(parents=True)
    done = bench.run(root, "--profile", profile, "--", "/scratch")
    assert f"{outside}/made" in seen(done.stdout)[1], done.stderr
    assert not list(outside.iterdir())


@pytest.mark.parametrize("link", ["/proc/self/root/x", "/proc/1/cwd"])
def test_no_mount_point_is_looked_up_through_a_link_of_the_kernel(bench: Bench, link: str) -> None:
    root = bench.root("proc")
    (root / "dev").symlink_to(link)
    done = bench.run(root, "--", "/scratch")
    assert (done.returncode, "ELOOP" in done.stderr) == (125, True)


def test_a_root_without_a_writable_layer_says_why_it_cannot_have_them(bench: Bench) -> None:
    done = bench.run(bench.root(), "--profile", "no-overlay", "--", "/scratch")
    assert done.returncode == 125
    assert "/proc: EROFS" in done.stderr
    assert "must have its place in it" in done.stderr


@pytest.mark.parametrize("user", [False, True])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_bundle_of_one_static_binary_starts(bench: Bench, read_only: bool, user: bool) -> None:
    """As with runc, what is missing is made in the bundle's root."""
    if process.find("runc") is None:
        pytest.skip("runc is not installed: apt-get install runc")
    root = bench.root()
    bundle = bench.bundle(root, ["/scratch"], read_only=read_only, user=user)
    store = bench.home / "containers"
    done = bench.command("oci", "--root", store, "run", "--bundle", bundle, "scratch")
    assert done.returncode == 0, done.stderr
    names, mounts = seen(done.stdout)
    assert names == {"scratch", "proc", "sys", "dev"}
    assert {point: mounts[point][1] for point in KINDS} == KINDS
    assert mounts["/"][0].split(",")[0] == ("ro" if read_only else "rw")


@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
def test_a_bundles_mount_points_are_not_made_through_links_either(bench: Bench, name: str) -> None:
    if process.find("runc") is None:
        pytest.skip("runc is not installed: apt-get install runc")
    outside = bench.home / f"outside-{secrets.token_hex(3)}"
    outside.mkdir()
    root = bench.root()
    (root / name).symlink_to(f"{WAYS[0]}{str(outside)[1:]}/made")
    bundle = bench.bundle(root, ["/scratch"], read_only=False, user=False)
    store = bench.home / "containers"
    done = bench.command("oci", "--root", store, "run", "--bundle", bundle, "links")
    assert done.returncode != 0
    assert f"/{name}: EEXIST" in done.stderr
    assert not list(outside.iterdir())
