"""The cache of root filesystems: built once, by one process, whole or not at all.

mmdebstrap is replaced by a small tar archive and the compiler by nothing: a build takes an instant.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from runtimes.faults import RuntimeFault
from runtimes.images import canonical, storage
from runtimes.images.canonical import Entry
from runtimes.images.rootfs import contents, mmdebstrap, rootfs
from runtimes.images.rootfs.recipe import Recipe
from runtimes.images.rootfs.rootfs import Rootfs, build

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("root_needed")]

RECIPE = Recipe("bookworm", ("hello",))
BASE = [
    Entry("bin", "symlink", link="usr/bin"),
    Entry("usr", "directory", 0o755),
    Entry("usr/bin", "directory", 0o755),
    Entry("usr/bin/hello", "file", 0o755, content=b"#!hello"),
    Entry("usr/share", "directory", 0o755),
    Entry("usr/share/doc", "directory", 0o755),
    Entry("usr/share/doc/hello", "file", content=b"documentation"),
    Entry("etc", "directory", 0o755),
    Entry("etc/machine-id", "file", content=b"0123456789abcdef\n"),
    Entry("var", "directory", 0o755),
    Entry("var/log", "directory", 0o755),
    Entry("var/log/dpkg.log", "file", content=b"2023-11-14 hello\n"),
]


def quiet(_: str) -> None:
    """A progress that nobody reads."""


class Packer:
    """Stands in for mmdebstrap; counts its runs."""

    def __init__(self) -> None:
        self.runs = 0
        self.before: Callable[[Path], None] = lambda _: None

    def build_tar(
        self,
        recipe: Recipe,  # noqa: ARG002 - mmdebstrap's signature
        sources: Sequence[str],  # noqa: ARG002 - as above
        directory: Path,
        progress: Callable[[str], None],
    ) -> Path:
        """A tar archive of ``BASE``."""
        self.runs += 1
        progress("packing")
        self.before(directory)
        archive = directory / "base.tar"
        with archive.open("wb") as file:
            canonical.write(canonical.arrange(BASE), file.write)
        return archive


@pytest.fixture
def packer(monkeypatch: pytest.MonkeyPatch) -> Packer:
    made = Packer()
    monkeypatch.setattr(mmdebstrap, "build_tar", made.build_tar)
    monkeypatch.setattr(rootfs, "compile_static", lambda _, output, __: output.write_bytes(b"ELF"))
    return made


def entries_in(cache: Path) -> list[str]:
    """Names in the cache but for lock files."""
    return [path.name for path in (cache / "rootfs").iterdir() if path.suffix != ".lock"]


def test_a_second_build_builds_nothing_and_says_nothing(packer: Packer, tmp_path: Path) -> None:
    first = build(RECIPE, tmp_path, quiet)
    said: list[str] = []
    assert build(RECIPE, tmp_path, said.append) == first
    assert (packer.runs, said) == (1, [])


@pytest.mark.usefixtures("packer")
def test_what_is_left_out_and_what_is_added(tmp_path: Path) -> None:
    root = build(RECIPE, tmp_path, quiet).directory
    assert (root / "etc/machine-id").read_bytes() == b""
    assert not (root / "usr/share/doc/hello").exists()
    assert list((root / "var/log").iterdir()) == []
    for name in ("proc", "sys", "dev/pts", "dev/shm", "tmp", "run", "volume"):
        assert list((root / name).iterdir()) == []
    assert (root / "dev/null").is_char_device()


@pytest.mark.usefixtures("packer")
def test_the_digest_is_that_of_the_archive_without_the_digest_file(tmp_path: Path) -> None:
    made = build(RECIPE, tmp_path, quiet)
    rest = canonical.read(made.archive, lambda name: name != contents.DIGEST_FILE)
    assert canonical.digest(canonical.arrange(rest)) == made.digest
    assert (made.directory / contents.DIGEST_FILE).read_text() == made.digest + "\n"


@pytest.mark.usefixtures("packer")
def test_a_program_is_found_under_both_of_its_names(tmp_path: Path) -> None:
    made = build(RECIPE, tmp_path, quiet)
    assert made.program_digest("/bin/hello") == made.program_digest("/usr/bin/hello")
    with pytest.raises(RuntimeFault, match="not a program"):
        made.program_digest("/etc/machine-id")
    with pytest.raises(RuntimeFault, match="not a program"):
        made.program_digest("/bin/absent")


@pytest.mark.usefixtures("packer")
def test_a_file_behind_a_symbolic_link_is_refused_with_the_right_name(tmp_path: Path) -> None:
    linked = Recipe("bookworm", (), files={"/bin/conf": "x"})
    with pytest.raises(RuntimeFault, match="/bin is a symlink") as caught:
        build(linked, tmp_path, quiet)
    assert "usr/bin" in caught.value.hint


def spoil_digest(made: Rootfs) -> None:
    (made.directory / contents.DIGEST_FILE).write_text("sha256:0\n")


def spoil_archive(made: Rootfs) -> None:
    made.archive.write_bytes(made.archive.read_bytes()[:-512])


def spoil_record(made: Rootfs) -> None:
    (made.archive.parent / "meta.json").write_text("[1, 2")


def spoil_root(made: Rootfs) -> None:
    made.directory.rename(made.directory.with_name("elsewhere"))


@pytest.mark.parametrize("spoil", [spoil_digest, spoil_archive, spoil_record, spoil_root])
def test_a_damaged_entry_is_built_again(
    packer: Packer, tmp_path: Path, spoil: Callable[[Rootfs], None]
) -> None:
    first = build(RECIPE, tmp_path, quiet)
    spoil(first)
    again = build(RECIPE, tmp_path, quiet)
    assert packer.runs == 2
    assert again == first
    assert len(entries_in(tmp_path)) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeFault("no"), MemoryError()])
def test_an_interrupted_build_leaves_nothing(
    packer: Packer, tmp_path: Path, error: BaseException
) -> None:
    def interrupt(directory: Path) -> None:
        (directory / "half").write_text("x")
        raise error

    packer.before = interrupt
    with pytest.raises(type(error)):
        build(RECIPE, tmp_path, quiet)
    assert entries_in(tmp_path) == []


def test_what_a_killed_build_left_is_removed_by_the_next(packer: Packer, tmp_path: Path) -> None:
    made = build(RECIPE, tmp_path, quiet)
    entry = made.archive.parent
    left = entry.with_name(f".build-{entry.name}-dead")
    entry.rename(left)
    build(RECIPE, tmp_path, quiet)
    assert (entries_in(tmp_path), packer.runs) == ([entry.name], 2)


def test_of_two_builds_at_once_one_builds_and_the_other_waits(
    packer: Packer, tmp_path: Path
) -> None:
    at_work, waiting = threading.Event(), threading.Event()
    results: list[Rootfs] = []

    def hold(_: Path) -> None:
        at_work.set()
        assert waiting.wait(30)

    def listen(text: str) -> None:
        if text.startswith("waiting for another process"):
            waiting.set()

    packer.before = hold
    first = threading.Thread(target=lambda: results.append(build(RECIPE, tmp_path, quiet)))
    first.start()
    assert at_work.wait(30)
    results.append(build(RECIPE, tmp_path, listen))
    first.join(30)
    assert packer.runs == 1
    assert results[0] == results[1]


def test_too_little_space_is_said_before_anything_is_begun(
    packer: Packer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rootfs, "_NEEDED_BYTES", 1 << 60)
    with pytest.raises(RuntimeFault, match="MB free") as caught:
        build(RECIPE, tmp_path, quiet)
    assert "TAREBENCH_CACHE" in caught.value.hint
    assert (packer.runs, entries_in(tmp_path)) == (0, [])


def test_space_that_runs_out_in_the_middle_leaves_nothing(packer: Packer, tmp_path: Path) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    packer.before = full
    with pytest.raises(RuntimeFault, match="No space left") as caught:
        build(RECIPE, tmp_path, quiet)
    assert "free some" in caught.value.hint
    assert entries_in(tmp_path) == []


def test_a_cache_that_is_no_directory_is_a_fault_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RuntimeFault, match="cannot make the root filesystem") as caught:
        build(RECIPE, tmp_path / "file", quiet)
    assert "TAREBENCH_CACHE" in caught.value.hint


def test_a_scratch_directory_of_another_entry_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / ".build-other-x"
    theirs.mkdir()
    with storage.building(tmp_path / "mine", needed_bytes=0, progress=quiet, what="it") as scratch:
        storage.publish(scratch, tmp_path / "mine")
    assert theirs.exists()


def test_an_entry_that_no_run_wanted_for_a_month_goes_when_another_is_built(
    packer: Packer, tmp_path: Path
) -> None:
    old, used = (build(Recipe("bookworm", (name,)), tmp_path, quiet) for name in ("old", "used"))
    long_ago = time.time() - storage.UNUSED_S - 60
    for made in (old, used):
        os.utime(made.archive.parent, (long_ago, long_ago))
    build(Recipe("bookworm", ("used",)), tmp_path, quiet)
    newest = build(RECIPE, tmp_path, quiet)
    expected = {used.archive.parent.name, newest.archive.parent.name}
    assert (set(entries_in(tmp_path)), packer.runs) == (expected, 3)
