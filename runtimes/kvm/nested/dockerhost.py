"""The disk of a guest with Docker in it: Debian's packages, and the shared root filesystem's image.

A dockerd on this host imports the image into a store of its own, once, with no network and no
container; the store then is the guest's.  Guest and host have the same release's packages.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runtimes import process
from runtimes.base import Site
from runtimes.docker.layout import Layout
from runtimes.docker.private import PrivateDaemon
from runtimes.docker.request import REPOSITORY, image_tag
from runtimes.faults import RuntimeFault
from runtimes.images import storage
from runtimes.images.disk import fit, tree_image
from runtimes.images.rootfs import apt_sources, mmdebstrap, recipe
from runtimes.images.rootfs.contents import DIGEST_FILE
from runtimes.images.rootfs.recipe import Recipe
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.images.unpack import remove_tree

FORMAT = 1
"""Raised when the same packages must give another disk."""

PACKAGES = ("docker.io", "iptables")
CLIENT_APART = "docker-cli"
"""A package of its own since Debian 13."""

STORE = "var/lib/docker"
KEPT = ("image", "overlay2")
"""What of a store is images; the rest a daemon makes anew."""

NEEDED_BYTES = 3_000_000_000
SPARE_BYTES = 4 << 30
UNPACK_S = 300.0

NEEDED_PROGRAMS = {
    "dockerd": "docker.io",
    "containerd": "containerd",
    "nsenter": "util-linux",
    "mmdebstrap": "mmdebstrap",
}


@dataclass(frozen=True, slots=True)
class DockerHost:
    """The disk; never written to."""

    disk: Path
    image: str
    """Name by which the daemon in the guest knows the image."""
    digest_path: str
    """Where on the disk the image's layer says which root filesystem it is."""


def objection() -> str:
    """Why it cannot be built here; empty if it can.  Looks for programs only."""
    missing = [name for name in NEEDED_PROGRAMS if process.find(name) is None]
    return f"there is no {missing[0]}" if missing else ""


def hint() -> str:
    """What to install."""
    return f"apt-get install {' '.join(sorted(set(NEEDED_PROGRAMS.values())))}"


def importer(run: str) -> str:
    """What the daemon that imports is known by: see runtimes.docker.layout."""
    return f"{run}-import"


def docker_host(site: Site) -> DockerHost:
    """The disk, from the cache or made in about a minute.

    Raises:
        RuntimeFault: a package, a tool or space is missing, or the daemon refuses the image.
    """
    key, limit_bytes = _key(site.rootfs), site.limits.disk_bytes
    entry = site.cache / "dockerhost" / (f"{key}-{limit_bytes}" if limit_bytes else key)
    ready = _load(entry)
    if ready is not None:
        storage.mark_used(entry)
        return ready
    with storage.building(
        entry, needed_bytes=NEEDED_BYTES, progress=site.progress, what="the disk with Docker"
    ) as scratch:
        ready = _load(entry)
        if ready is not None:
            return ready
        whole = scratch / "entry"
        whole.mkdir()
        _make(site, whole, scratch)
        storage.publish(whole, entry)
    made = _load(entry)
    assert made is not None  # noqa: S101  # published a moment ago, under its lock
    return made


def _wanted(rootfs: Rootfs) -> tuple[Recipe, tuple[str, ...]]:
    distribution = recipe.host_distribution()
    apart = distribution.id == "debian" and distribution.suite != "bookworm"
    packages = (*PACKAGES, CLIENT_APART) if apart else PACKAGES
    lines = apt_sources.archive_lines(
        apt_sources.read(Path("/etc/apt")), distribution, rootfs.architecture
    )
    return Recipe(distribution.suite, packages), lines


def _key(rootfs: Rootfs) -> str:
    wanted, lines = _wanted(rootfs)
    engine = process.run(["dockerd", "--version"], timeout_s=20).stdout
    said = repr((FORMAT, rootfs.digest, wanted.suite, wanted.packages, lines, engine))
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _load(entry: Path) -> DockerHost | None:
    try:
        meta = json.loads((entry / "meta.json").read_bytes())
        disk = entry / "disk.ext4"
        if disk.stat().st_size != meta["bytes"]:
            return None
        return DockerHost(disk, str(meta["image"]), str(meta["digest_path"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make(site: Site, whole: Path, scratch: Path) -> None:
    tree = _unpacked(site.rootfs, scratch, site.progress)
    store = scratch / "store"
    _import(site, store, scratch)
    target = tree / STORE
    target.mkdir(parents=True)
    for name in KEPT:
        if not (store / name).is_dir():
            raise RuntimeFault(
                f"the Docker daemon of this host keeps its images elsewhere than in {name}",
                hint="keep the cache (TAREBENCH_CACHE) on ext4 or xfs, where it uses overlay2",
            )
        (store / name).rename(target / name)
    remove_tree(store)
    digest_path = _digest_path(tree)
    site.progress("making the disk with Docker")
    disk = whole / "disk.ext4"
    used = process.run(["du", "-s", "-B", "1", str(tree)], timeout_s=60).stdout.split()[0]
    limit_bytes = site.limits.disk_bytes
    tree_image(tree, int(used) + (limit_bytes or SPARE_BYTES), disk)
    if limit_bytes:
        fit(disk, limit_bytes)
    remove_tree(tree)
    disk.chmod(0o444)
    meta = {
        "image": f"{REPOSITORY}:{image_tag(site.rootfs.digest)}",
        "digest_path": digest_path,
        "bytes": disk.stat().st_size,
    }
    (whole / "meta.json").write_text(json.dumps(meta))


def _unpacked(rootfs: Rootfs, scratch: Path, progress: Callable[[str], None]) -> Path:
    wanted, lines = _wanted(rootfs)
    archive = mmdebstrap.build_tar(wanted, lines, scratch, progress)
    tree = scratch / "tree"
    tree.mkdir()
    progress("unpacking the guest with Docker")
    unpack = ["tar", "-xpf", str(archive), "--numeric-owner", "--xattrs", "-C", str(tree)]
    process.run(unpack, timeout_s=UNPACK_S)
    archive.unlink()
    (tree / "volume").mkdir(exist_ok=True)
    return tree


def _import(site: Site, store: Path, scratch: Path) -> None:
    from runtimes.docker import api, image  # noqa: PLC0415  # the SDK is optional

    state = scratch / "daemon"
    state.mkdir()
    layout = Layout(importer(site.run), state, store, networked=False)
    daemon = PrivateDaemon(layout, site.network.host_netns, site.network.mtu, None)
    try:
        daemon.start()
        with contextlib.closing(api.connect(daemon.address)) as client:
            image.ensure(client, daemon.address, site.rootfs, site.progress)
    finally:
        daemon.stop(run_goes_on=True)
        layout.forget()


def _digest_path(tree: Path) -> str:
    """The only layer's digest file."""
    found = sorted(tree.glob(f"{STORE}/overlay2/*/diff/{DIGEST_FILE}"))
    if len(found) != 1:
        raise RuntimeFault("the imported image has no digest of its root filesystem")
    return f"/{found[0].relative_to(tree)}"
