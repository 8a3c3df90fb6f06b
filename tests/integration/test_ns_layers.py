"""Roots of many layers: what is seen, how deep, what the kernel refuses, what still holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtimes import process
from runtimes.images.layers.tar.member import Member
from runtimes.images.layers.unpack.apply import apply
from runtimes.launcher import overlay
from tests.support.members import directory, file
from tests.support.ns_bench import home_of_boxes_by_hand
from tests.support.tiny_rootfs import BUSYBOX

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("root_needed")]

PROJECT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "runtimes.standalone.box", "run"]
SHELL = ["/bin/busybox", "sh", "-c"]
MOUNT_POINTS = [directory(name) for name in ("bin", "dev", "etc", "proc", "run", "sys", "tmp")]


@dataclass(frozen=True)
class Bench:
    """Where boxes are run by hand."""

    home: Path

    def layer(self, name: str, *members: Member, over: Sequence[Path] = ()) -> Path:
        """A layer's directory."""
        root = self.home / "layers" / name
        root.mkdir(parents=True)
        apply(members, root, over)
        return root

    def run(
        self, layers: Sequence[Path], script: str, *options: str, state: str = "state"
    ) -> subprocess.CompletedProcess[str]:
        """A shell in a box of ``layers``, topmost first."""
        argv = [*COMMAND, "--layers", *map(str, layers), *options, "--", *SHELL, script]
        env = {
            **process.ENVIRONMENT,
            "TAREBENCH_STATE": str(self.home / state),
            "TAREBENCH_CACHE": str(self.home / "cache"),
        }
        done = subprocess.run(
            argv, env=env, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
        )
        assert not list((self.home / state).glob("*")), "left behind"
        return done


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(home_of_boxes_by_hand(tmp_path_factory.mktemp("stacks")))


@pytest.fixture(scope="module")
def base(bench: Bench) -> Path:
    """A lowest layer with a shell."""
    root = bench.layer(
        "base", *MOUNT_POINTS, file("etc/old", b"old"), file("etc/both", b"lower"),
        directory("gone"), file("gone/x", b"x"),
    )  # fmt: skip
    shutil.copy(BUSYBOX, root / "bin/busybox")
    return root


@pytest.fixture(scope="module")
def three(bench: Bench, base: Path) -> tuple[Path, ...]:
    """Three layers with a whiteout, an opaque directory and a file that hides another."""
    middle = bench.layer(
        "middle, with: marks", file("etc/.wh.old"), file("etc/both", b"middle"), over=[base]
    )
    top = bench.layer(
        "top", directory("gone"), file("gone/.wh..wh..opq"), file("gone/y", b"y"),
        over=[middle, base],
    )  # fmt: skip
    return top, middle, base


PROFILES = ("default", "no-userns", "no-overlay", "volatile", "wf-01-fork-exec", "wf-09-user")


@pytest.mark.parametrize("profile", PROFILES)
def test_a_box_sees_all_layers_as_one_root(
    bench: Bench, three: tuple[Path, ...], profile: str
) -> None:
    seen = bench.run(
        three, "cat /etc/both; echo; ls /etc /gone; ls -lnd /etc/both", "--profile", profile
    )
    assert seen.stderr == ""
    lines = seen.stdout.split("\n")
    assert lines[:6] == ["middle", "/etc:", "both", "", "/gone:", "y"]
    assert lines[6].split()[2:4] == ["0", "0"]


def unchanged(layer: Path) -> dict[Path, tuple[int, ...]]:
    """What no access but a change would change."""
    statuses = {path: path.lstat() for path in layer.rglob("*")}
    return {path: (one.st_ino, one.st_mode, one.st_size, one.st_mtime_ns, one.st_ctime_ns)
            for path, one in statuses.items()}  # fmt: skip


def test_what_a_box_writes_leaves_every_layer_as_it_was(
    bench: Bench, three: tuple[Path, ...]
) -> None:
    before = [unchanged(layer) for layer in three]
    done = bench.run(three, "rm -r /etc/both /gone; echo new > /etc/old; cat /etc/old")
    assert (done.stdout, done.stderr) == ("new\n", "")
    assert [unchanged(layer) for layer in three] == before


def deep(bench: Bench, base: Path, depth: int) -> tuple[Path, ...]:
    """A stack of that depth: each layer has a file of its own."""
    layers = [base]
    for number in range(1, depth):
        layer = bench.home / "deep" / f"{number:064}"
        if not layer.exists():
            (layer / "etc").mkdir(parents=True)
            (layer / "etc" / f"n{number}").touch()
        layers.insert(0, layer)
    return tuple(layers)


@pytest.mark.parametrize("profile", ["default", "no-userns", "no-overlay"])
def test_a_stack_may_be_as_deep_as_the_kernel_lets_it(
    bench: Bench, base: Path, profile: str
) -> None:
    limit = overlay.deepest()
    done = bench.run(deep(bench, base, limit), "ls /etc | wc -l", "--profile", profile)
    assert (done.stdout.strip(), done.stderr) == (str(limit - 1 + 2), "")


def test_where_fsconfig_cannot_say_it_mount_does(bench: Bench, base: Path) -> None:
    long = "/".join("x" * 100 for _ in range(3))  # fsconfig(2) takes values of 255 characters
    layers = deep(bench, base, overlay.deepest())
    done = bench.run(layers, "ls /etc | wc -l; echo > /etc/new", state=long)
    assert (done.stdout.strip(), done.stderr) == (str(len(layers) + 1), "")


def test_one_layer_too_many_is_told_with_the_kernels_limit(bench: Bench, base: Path) -> None:
    limit = overlay.deepest()
    done = bench.run(deep(bench, base, limit + 1), "true")
    assert done.returncode == 125
    told = f"EINVAL: too many lower layers (limit {limit} on this kernel)\nsquash the image\n"
    assert done.stderr.startswith("mount overlay on ")
    assert done.stderr.endswith(told)
    assert done.stderr.count("\n") == 2


def test_no_path_of_the_layers_is_seen_in_the_box(bench: Bench, three: tuple[Path, ...]) -> None:
    seen = bench.run(three, "cat /proc/self/mountinfo").stdout
    assert "overlay" in seen
    assert str(bench.home / "layers") not in seen
