"""The one root filesystem that every arm runs: built once, named by its digest, kept.

::

    <cache>/rootfs/<key>/rootfs.tar     canonical archive, with the digest file in it
                         root/          the same, unpacked; never written to
                         meta.json      Rootfs' other fields; written last
    <cache>/rootfs/<key>.lock           held while it is built

``key`` is the digest of the recipe, ``digest`` that of the result.  Two builds from the same
package versions give the same digest.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.images import canonical, storage, unpack
from runtimes.images.compile import FLAGS, compile_static
from runtimes.images.rootfs import apt_sources, contents, mmdebstrap, recipe
from runtimes.images.rootfs.recipe import ProgramSource, Recipe
from runtimes.linux.ids.maps import own_boxes
from runtimes.linux.ids.rights import Rights, held

__all__ = ["ProgramSource", "Recipe", "Rootfs", "build"]

_NEEDED_BYTES = 2_000_000_000
"""Space for a build: mmdebstrap's tree, its tar, the canonical tar, the unpacked tree."""

_APT = Path("/etc/apt")


@dataclass(frozen=True, slots=True)
class Rootfs:
    """A root filesystem on disk."""

    digest: str
    """``sha256:<hex>`` over the canonical tar without the digest file."""
    directory: Path
    """Unpacked; owned by root, never written to."""
    archive: Path
    """Canonical tar, digest file included."""
    programs: Mapping[str, str] = field(repr=False)
    """Absolute path, free of symbolic links → sha256 (hex) of every executable regular file."""
    packages: Mapping[str, str] = field(repr=False)
    """Debian package → version."""
    size_bytes: int
    """Sum of the sizes of all files."""
    architecture: str
    """As Debian, Go and OCI name it: ``amd64``, ``arm64``."""

    def locate(self, path: str) -> str:
        """``path`` with each ``*`` in it replaced by what stands there in the root filesystem.

        Raises:
            RuntimeFault: no program is meant by it, or several are.
        """
        if "*" not in path:
            return path
        parts = path.split("/")
        found = [
            name
            for name in self.programs
            if len(name.split("/")) == len(parts)
            and all(map(fnmatch.fnmatchcase, name.split("/"), parts))
        ]
        if len(found) != 1:
            raise RuntimeFault(
                f"{path} means {len(found)} programs in the root filesystem {self.digest[:19]}",
                hint="name the package that holds it in the workload's `packages`",
            )
        return found[0]

    def program_digest(self, path: str) -> str:
        """Hexadecimal sha256 of the program at ``path``, symbolic links followed in the root.

        Raises:
            RuntimeFault: there is no such program.
        """
        try:
            return self.programs[unpack.resolve(self.directory, path)]
        except (KeyError, OSError):
            raise RuntimeFault(
                f"{path} is not a program in the root filesystem {self.digest[:19]}",
                hint="name the package that holds it in the workload's `packages`",
            ) from None


def build(wanted: Recipe, cache: Path, progress: Callable[[str], None]) -> Rootfs:
    """The root filesystem of ``wanted``: from the cache, else built (about 40 s, root).

    Of several callers at once, one builds and the others wait for it.

    Raises:
        RuntimeFault: mmdebstrap or a compiler failed, no space, no network, not root.
    """
    arch = recipe.architecture()
    distribution = recipe.Distribution(recipe.host_distribution().id, wanted.suite)
    sources = apt_sources.archive_lines(apt_sources.read(_APT), distribution, arch)
    key = recipe.key(wanted, sources, arch, toolchain=_toolchain())
    entry = cache / "rootfs" / key
    ready = load(entry)
    if ready is not None:
        storage.mark_used(entry)
        return ready
    _check_owners()
    with storage.building(
        entry, needed_bytes=_NEEDED_BYTES, progress=progress, what="the root filesystem"
    ) as scratch:
        ready = load(entry)
        if ready is not None:
            return ready
        whole = scratch / "entry"
        whole.mkdir()
        _make(wanted, sources, arch, whole, progress)
        storage.publish(whole, entry)
    built = load(entry)
    if built is None:
        raise RuntimeFault(f"{entry}: the root filesystem vanished while it was built")
    return built


def _check_owners() -> None:
    """Files of the root filesystem have owners of their own, of a whole system's ids.

    Raises:
        RuntimeFault: we cannot give them away.
    """
    rights = held()
    if rights is Rights.USER or (rights is Rights.OWN_ROOT and not own_boxes().is_whole):
        raise RuntimeFault(
            "building the root filesystem needs root or subordinate ids: its files have owners of "
            "their own",
            hint="apt-get install uidmap, and have root give this user ids: usermod --add-subuids "
            "100000-165535 --add-subgids 100000-165535 USER (ids that nobody has); or run as root",
        )


def _toolchain() -> str:
    """What of ours decides the content beside the recipe: compiler flags, what is left out."""
    rules = hashlib.sha256(Path(contents.__file__).read_bytes()).hexdigest()
    return f"{' '.join(FLAGS)} {rules}"


def load(entry: Path) -> Rootfs | None:
    """The cached root filesystem in ``entry``; ``None`` where it is missing or damaged.

    The check is cheap: the record reads well, the archive has its size, the unpacked
    tree holds the digest.
    """
    archive, root = entry / "rootfs.tar", entry / "root"
    try:
        meta = json.loads((entry / "meta.json").read_bytes())
        inside = (root / contents.DIGEST_FILE).read_text("ascii").strip()
        if archive.stat().st_size != meta["archive_bytes"] or inside != meta["digest"]:
            return None
        return Rootfs(
            digest=str(meta["digest"]),
            directory=root,
            archive=archive,
            programs=dict(meta["programs"]),
            packages=dict(meta["packages"]),
            size_bytes=int(meta["size_bytes"]),
            architecture=str(meta["architecture"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make(
    wanted: Recipe,
    sources: tuple[str, ...],
    arch: str,
    whole: Path,
    progress: Callable[[str], None],
) -> None:
    """Fill the directory ``whole`` with a cache entry."""
    progress("compiling the agent and the workloads' programs")
    programs = _compile(wanted, whole)
    work = whole / "work"
    work.mkdir()
    base = mmdebstrap.build_tar(wanted, sources, work, progress)
    progress("naming the root filesystem by its content")
    kept = contents.without_leavings(canonical.read(base, contents.is_kept))
    entries = contents.complete(kept, programs, wanted.files)
    digest = canonical.digest(canonical.arrange(entries))
    arranged = canonical.arrange(contents.with_digest(entries, digest))
    archive = whole / "rootfs.tar"
    with archive.open("wb") as file:
        canonical.write(arranged, file.write)
    progress("unpacking the root filesystem")
    unpack.unpack(arranged, whole / "root")
    meta = {
        "digest": digest,
        "architecture": arch,
        "archive_bytes": archive.stat().st_size,
        "size_bytes": sum(entry.size_bytes for entry in arranged),
        "packages": contents.installed_packages(entries),
        "programs": contents.program_digests(entries),
        "sources": sources,
    }
    unpack.remove_tree(work)
    (whole / "meta.json").write_text(json.dumps(meta, indent=1, sort_keys=True), "utf-8")


def _compile(wanted: Recipe, scratch: Path) -> dict[str, bytes]:
    """Absolute path in the root filesystem → bytes of each compiled program."""
    compiled = {}
    output = scratch / "program"
    for program in wanted.all_programs():
        compile_static(program.source, output, program.flags)
        compiled[program.path] = output.read_bytes()
        output.unlink()
    return compiled
