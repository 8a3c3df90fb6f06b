"""The real thing: mmdebstrap, the distribution's archive, disk images."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes import process
from runtimes.conventions import AGENT_PATH
from runtimes.faults import RuntimeFault
from runtimes.images.disk import Kind, disk_image
from runtimes.images.rootfs import mmdebstrap
from runtimes.images.rootfs.contents import DIGEST_FILE
from runtimes.images.rootfs.recipe import Recipe, host_distribution
from runtimes.images.rootfs.rootfs import Rootfs, build
from runtimes.images.unpack import remove_tree

TOP = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("root_needed"),
]

TINY = Recipe(host_distribution().suite, (), files={"/etc/tarebench.conf": "x\n"})
"""The smallest: what mmdebstrap calls minbase."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if process.find("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    made = tmp_path_factory.mktemp("cache")
    yield made
    remove_tree(made)


@pytest.fixture(autouse=True)
def no_litter(tmp_path: Path) -> Iterator[None]:
    """pytest keeps the last runs' directories; a root filesystem in each is too much."""
    yield
    for path in tmp_path.iterdir():
        remove_tree(path)


@pytest.fixture(scope="module")
def tiny(cache: Path) -> Rootfs:
    stages: list[str] = []
    try:
        made = build(TINY, cache, stages.append)
    except RuntimeFault as fault:
        if "cannot be reached" in fault.hint:
            pytest.skip("the package archive cannot be reached")
        raise
    assert "downloading packages" in stages
    return made


def test_the_agent_and_the_recipes_files_are_in_it(tiny: Rootfs) -> None:
    agent = (tiny.directory / AGENT_PATH[1:]).read_bytes()
    assert tiny.program_digest(AGENT_PATH) == hashlib.sha256(agent).hexdigest()
    assert (tiny.directory / "etc/tarebench.conf").read_text() == "x\n"


def test_its_packages_are_known_with_their_versions(tiny: Rootfs) -> None:
    assert tiny.packages["dpkg"][0].isdigit()


def test_a_shell_runs_in_it(tiny: Rootfs) -> None:
    argv = ["chroot", str(tiny.directory), "/bin/sh", "-c", "cat /opt/tarebench/rootfs.digest"]
    assert process.run(argv, timeout_s=10).stdout.decode().strip() == tiny.digest


def test_nothing_of_the_building_host_is_in_it(tiny: Rootfs) -> None:
    host = os.uname().nodename
    assert (tiny.directory / "etc/hostname").read_text().strip() != host
    assert (tiny.directory / "etc/resolv.conf").read_bytes() == b""
    assert not list(tiny.directory.glob("etc/apt/apt.conf.d/*mmdebstrap"))
    assert not list(tiny.directory.glob("var/lib/apt/lists/*"))


@pytest.mark.parametrize("kind", ["ext4", "erofs", "squashfs"])
def test_a_disk_image_is_made_once(tiny: Rootfs, cache: Path, kind: Kind) -> None:
    said: list[str] = []
    image = disk_image(tiny, cache, kind, said.append)
    assert said == [f"making the {kind} image"]
    assert disk_image(tiny, cache, kind, said.append) == image
    assert len(said) == 1


@pytest.mark.parametrize("kind", ["erofs", "squashfs"])
def test_a_disk_image_is_bit_identical_when_made_again(
    tiny: Rootfs, cache: Path, tmp_path: Path, kind: Kind
) -> None:
    one, two = disk_image(tiny, cache, kind), disk_image(tiny, tmp_path, kind)
    assert hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(two.read_bytes()).digest()


def test_the_ext4_image_is_sound_and_holds_the_digest(tiny: Rootfs, cache: Path) -> None:
    image = disk_image(tiny, cache, "ext4")
    process.run(["e2fsck", "-fn", str(image)], timeout_s=60)
    shown = process.run(["debugfs", "-R", f"cat /{DIGEST_FILE}", str(image)], timeout_s=60)
    assert shown.stdout.decode().strip() == tiny.digest


def test_an_unknown_package_is_named_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault) as caught:
        build(Recipe(TINY.suite, ("no-such-package-here",)), tmp_path, print)
    assert "no-such-package-here" in caught.value.tail
    assert "not in the archive" in caught.value.hint


def test_a_host_without_mmdebstrap_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mmdebstrap.process, "find", lambda _: None)
    with pytest.raises(RuntimeFault, match="mmdebstrap is not installed") as caught:
        mmdebstrap.build_tar(TINY, (), tmp_path, print)
    assert "bootstrap" in caught.value.hint


BUILDER = """
import signal
import sys
from pathlib import Path
from runtimes.images.recipe import Recipe
from runtimes.images.rootfs import build
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
recipe = Recipe(sys.argv[1], (), files={"/etc/tarebench.conf": "x\\n"})
build(recipe, Path(sys.argv[2]), lambda text: print(text, flush=True))
"""


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that builds, in the middle of mmdebstrap's work."""
    child = process.spawn(
        [sys.executable, "-c", BUILDER, TINY.suite, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=TOP,
    )
    try:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith(b"unpacking the essential"):
                break
        else:
            pytest.skip("the package archive cannot be reached")
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def working_in(directory: Path) -> list[str]:
    """Command lines of living processes that name ``directory``, ours excepted."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(directory) in line and path.parent.name != str(os.getpid()):
            found.append(line)
    return found


def test_ctrl_c_ends_a_build_with_its_processes_and_its_files(
    builder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    builder.send_signal(signal.SIGINT)
    builder.wait(timeout=20)
    assert [path.suffix for path in (tmp_path / "rootfs").iterdir()] == [".lock"]
    assert working_in(tmp_path) == []


def test_kill_9_ends_a_build_and_the_next_one_gives_the_same_digest_as_ever(
    builder: subprocess.Popen[bytes], tiny: Rootfs, tmp_path: Path
) -> None:
    builder.kill()
    builder.wait(timeout=20)
    assert build(TINY, tmp_path, print).digest == tiny.digest
    assert working_in(tmp_path) == []
    assert sorted(path.suffix for path in (tmp_path / "rootfs").iterdir()) == ["", ".lock"]
