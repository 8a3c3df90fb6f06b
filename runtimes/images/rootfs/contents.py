"""From what mmdebstrap made to what a box needs: left out, emptied, added.  Pure.

Left out is what no workload reads (documentation, translations, caches, logs) and what differs
between two builds of the same packages (machine id, dates, the building host's own names, a
server's first database, keys and certificates).
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterable, Mapping

from runtimes.faults import RuntimeFault
from runtimes.images.canonical import DEVICES, Entry, clean_name, pieces

DIGEST_FILE = "opt/tarebench/rootfs.digest"
"""Holds the digest of everything but itself."""

UNPACKED_NEVER = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/share/lintian/*",
    "/usr/share/bug/*",
    "/usr/share/gnome/help/*",
    # PostgreSQL's just-in-time compiler, 165 MB with LLVM; without it a server plans without it.
    "/usr/lib/postgresql/*/lib/bitcode/*",
    "/usr/lib/postgresql/*/lib/llvmjit*",
    "/usr/lib/*/libLLVM*",
    "/usr/lib/*/libz3.so*",
)
"""dpkg's ``path-exclude``: not even unpacked, which saves a fifth of the build."""

_MADE_CERTIFICATE = "ssl-cert-snakeoil.pem"
"""By ssl-cert, for this host's name and with a fresh key."""

_DROPPED = (
    *(pattern[1:] for pattern in UNPACKED_NEVER),
    "boot/*",
    "dev/*",
    "etc/*-",
    "etc/.pwd.lock",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/apt/sources.list",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "etc/postgresql/*",
    "etc/ssh/ssh_host_*",
    f"etc/ssl/certs/{_MADE_CERTIFICATE}",
    "etc/ssl/private/*",
    "proc/*",
    "run/*",
    "sys/*",
    "tmp/*",
    "usr/lib/*/perl-base/unicore/*.pod",
    "usr/share/i18n/*",
    "usr/share/perl/*/pod/*",
    "var/cache/apt/*",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/*",
    "var/cache/man/*",
    "var/lib/apt/*",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/*-old",
    "var/lib/dpkg/lock*",
    "var/lib/dpkg/triggers/Lock",
    "var/lib/postgresql/*",
    "var/lib/systemd/random-seed",
    "var/tmp/*",
)
_DROP = re.compile("|".join(fnmatch.translate(pattern) for pattern in _DROPPED))

_PARENT_MODE = 0o755
_MOUNT_POINTS: Mapping[str, int] = {
    "dev": 0o755,
    "dev/pts": 0o755,
    "dev/shm": 0o1777,
    "etc": 0o755,
    "proc": 0o555,
    "run": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "volume": 0o755,
}
_DEVICE_LINKS: Mapping[str, str] = {
    "dev/fd": "/proc/self/fd",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "dev/stderr": "/proc/self/fd/2",
    "dev/ptmx": "pts/ptmx",
}
_FIXED_FILES: Mapping[str, str] = {
    "etc/hostname": "box\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/machine-id": "",
    "etc/resolv.conf": "",
}


def is_kept(name: str) -> bool:
    """Whether ``name``, as unpacked by mmdebstrap, goes into the root filesystem at all."""
    return _DROP.match(name) is None


def without_leavings(entries: Iterable[Entry]) -> list[Entry]:
    """Without what installing packages left behind.

    Directories below /var/log stay, for servers that insist on them; files there go.  So do
    links to the certificate that ssl-cert made, whose names are its hash.
    """
    return [
        entry
        for entry in entries
        if entry.kind == "directory"
        or not (entry.name.startswith("var/log/") or entry.link == _MADE_CERTIFICATE)
    ]


def complete(
    base: Iterable[Entry], programs: Mapping[str, bytes], files: Mapping[str, str]
) -> list[Entry]:
    """``base`` with mount points, devices, programs and files added; ours replace theirs.

    Args:
        base: entries of the distribution's packages.
        programs: absolute path → compiled bytes.
        files: absolute path → text.

    Raises:
        RuntimeFault: a path of ours passes through something that is not a directory.
    """
    tree = {entry.name: entry for entry in base}
    ours = [Entry(name, "directory", mode) for name, mode in _MOUNT_POINTS.items()]
    ours += [Entry(name, "device", 0o666) for name in DEVICES]
    ours += [Entry(name, "symlink", 0o777, link=link) for name, link in _DEVICE_LINKS.items()]
    ours += [Entry(name, "file", content=text.encode()) for name, text in _FIXED_FILES.items()]
    ours += [
        Entry(clean_name(path[1:]), "file", content=text.encode()) for path, text in files.items()
    ]
    ours += [
        Entry(clean_name(path[1:]), "file", 0o755, content=program)
        for path, program in programs.items()
    ]
    for entry in ours:
        _add(tree, entry)
    return list(tree.values())


def with_digest(entries: Iterable[Entry], digest: str) -> list[Entry]:
    """``entries`` and the file that holds their digest."""
    tree = {entry.name: entry for entry in entries}
    _add(tree, Entry(DIGEST_FILE, "file", content=f"{digest}\n".encode()))
    return list(tree.values())


def _add(tree: dict[str, Entry], entry: Entry) -> None:
    present = tree.get(entry.name)
    if present is not None and (present.kind == "directory") != (entry.kind == "directory"):
        raise RuntimeFault(f"/{entry.name} is already there, as a {present.kind}")
    parents = entry.name.split("/")[:-1]
    for depth in range(1, len(parents) + 1):
        name = "/".join(parents[:depth])
        parent = tree.setdefault(name, Entry(name, "directory", _PARENT_MODE))
        if parent.kind != "directory":
            raise RuntimeFault(
                f"/{entry.name}: /{name} is a {parent.kind}",
                hint=f"name the path behind it instead: {parent.link}" if parent.link else "",
            )
    tree[entry.name] = entry


def program_digests(entries: Iterable[Entry]) -> dict[str, str]:
    """Absolute path → hexadecimal sha256 of every executable regular file."""
    digests = {}
    for entry in entries:
        if entry.kind == "file" and entry.mode & 0o111:
            hasher = hashlib.sha256()
            for piece in pieces(entry.content):
                hasher.update(piece)
            digests[f"/{entry.name}"] = hasher.hexdigest()
    return digests


def installed_packages(entries: Iterable[Entry]) -> dict[str, str]:
    """Package → version, from dpkg's own status file; empty where there is none."""
    for entry in entries:
        if entry.name == "var/lib/dpkg/status":
            return parse_dpkg_status(b"".join(pieces(entry.content)).decode("utf-8", "replace"))
    return {}


def parse_dpkg_status(text: str) -> dict[str, str]:
    """Package → version of every package that dpkg-status(5) calls installed."""
    packages = {}
    for stanza in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " "
        )
        if fields.get("Status", "").endswith(" installed") and "Version" in fields:
            packages[fields.get("Package", "")] = fields["Version"]
    packages.pop("", None)
    return packages
