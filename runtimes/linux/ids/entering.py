"""A plain user becomes root of a user namespace, in this very process.

The way of rootless container engines, without a second process: whatever is done afterwards is
done with all capabilities over what is made in the namespace (mounts, networks, boxes), and as
the plain user towards everything else.

With ``newuidmap`` and ``newgidmap`` (set-uid programs that check /etc/subuid) the namespace has
65,536 further ids; without them only the user's own, as root.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.linux.ids import maps, obstacles, subordinate
from runtimes.linux.ids.maps import Extent
from runtimes.linux.ids.rights import Rights, held
from runtimes.process import find

CLONE_NEWNS = 0x20000
CLONE_NEWUSER = 0x10000000
_MS_BIND, _MS_MOVE, _MS_REC, _MS_PRIVATE, _MS_SLAVE = 0x1000, 0x2000, 0x4000, 1 << 18, 1 << 19
_MAP_S = 20.0
_RUN = Path("/run")
_NETNS = Path("/run/netns")
TOOLS = ("newuidmap", "newgidmap")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The maps that this user may have."""

    uids: tuple[Extent, ...]
    gids: tuple[Extent, ...]
    why_single: str = ""
    """Why there is one id only; empty where there are more."""

    @property
    def single(self) -> bool:
        """Whether the user's own ids are all there are."""
        return bool(self.why_single)


def wanted() -> Wanted:
    """What ``enter`` is going to map for this user, by this host's files and tools."""
    uid, gid = os.geteuid(), os.getegid()
    names = subordinate.names_of(uid)
    uids = subordinate.extents(uid, subordinate.read(subordinate.SUBUID), names)
    gids = subordinate.extents(gid, subordinate.read(subordinate.SUBGID), names)
    absent = [tool for tool in TOOLS if find(tool) is None]
    why = ""
    if absent:
        why = f"{' and '.join(absent)} are not installed (apt-get install uidmap)"
    elif len(uids) == 1 or len(gids) == 1:
        file = subordinate.SUBUID if len(uids) == 1 else subordinate.SUBGID
        why = f"{file} gives user {uid} no ids (as root: usermod --add-subuids 100000-165535 "
        why += "--add-subgids 100000-165535 USER, with ids that nobody has)"
    return Wanted(uids, gids, why) if not why else Wanted(uids[:1], gids[:1], why)


def enter(told: Callable[[str], None]) -> None:
    """Make this process root of a user and mount namespace of its own, for good.

    Call it before any thread is started.  Nothing happens where it is root of one already.

    Args:
        told: given a sentence where there are fewer ids than a system has.

    Raises:
        RuntimeFault: this host refuses; the process can then do nothing but end.
    """
    if held() is not Rights.USER:
        return
    maps_wanted = wanted()
    single = maps_wanted.why_single
    with _helper(maps_wanted) as map_ids:
        _call("make a user namespace", _libc.unshare, CLONE_NEWUSER)
        refused = map_ids()
    if refused:
        single = f"newuidmap refused ({refused})"
    if single:
        _map_own(maps_wanted)
        told(f"only one id can be mapped, every file is root's: {single}")
    _call("make a mount namespace", _libc.unshare, CLONE_NEWNS)
    _mount("none", Path("/"), "", _MS_REC | _MS_SLAVE)
    _own_netns_directory()


@contextlib.contextmanager
def _helper(maps_wanted: Wanted) -> Iterator[Callable[[], str]]:
    """A process that stays outside and maps our ids once we are inside.

    Yields what tells it to; it answers why it could not, nothing where it could.
    """
    if maps_wanted.single:
        yield lambda: ""
        return
    begin_out, begin_in = os.pipe()
    answer_out, answer_in = os.pipe()
    parent = os.getpid()
    # A fork of Python: it is to wait in the namespace that we leave.  There is no thread yet.
    child = os.fork()
    if child == 0:
        os.close(begin_in)
        os.close(answer_out)
        _serve(parent, maps_wanted, begin_out, answer_in)
    os.close(begin_out)
    os.close(answer_in)

    def map_ids() -> str:
        os.write(begin_in, b"1")
        return b"".join(iter(lambda: os.read(answer_out, 4096), b"")).decode(errors="replace")

    try:
        yield map_ids
    finally:
        os.close(begin_in)  # unasked, it ends
        os.close(answer_out)
        os.waitpid(child, 0)


def _serve(pid: int, maps_wanted: Wanted, begin: int, answer: int) -> None:
    """The helper's whole life."""
    try:
        if os.read(begin, 1):
            for tool, extents in zip(TOOLS, (maps_wanted.uids, maps_wanted.gids), strict=True):
                process.run([tool, str(pid), *maps.arguments(extents)], timeout_s=_MAP_S)
    except RuntimeFault as fault:
        os.write(answer, (getattr(fault, "tail", "") or str(fault)).encode()[:4096])
    finally:
        os._exit(0)


def _map_own(maps_wanted: Wanted) -> None:
    """The user's own ids as root: the kernel lets anyone, who then may set no group list."""
    own: Sequence[tuple[str, str]] = (
        ("uid_map", f"0 {maps_wanted.uids[0].outside} 1"),
        ("setgroups", "deny"),
        ("gid_map", f"0 {maps_wanted.gids[0].outside} 1"),
    )
    for name, value in own:
        path = Path("/proc/self", name)
        if name == "uid_map" and path.read_text().strip():
            continue  # newuidmap had succeeded and newgidmap had not
        try:
            path.write_text(value)
        except OSError as error:
            raise _refused(f"write {value!r} to {path}", error.errno or 0) from None


def _own_netns_directory() -> None:
    """A /run/netns of our own, for `ip netns`: what is in it goes when we end."""
    if not _NETNS.is_dir():
        _own_run()
    if not os.access(_NETNS, os.W_OK):
        _mount("tmpfs", _NETNS, "tmpfs", 0, "mode=755")


def _own_run() -> None:
    """/run as it is, with ``netns`` in it, which only the host's root could make there."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        _mount("tmpfs", copy, "tmpfs", 0, "mode=755")
        for entry in sorted(_RUN.iterdir()):
            place = copy / entry.name
            if entry.is_symlink():
                place.symlink_to(entry.readlink())
                continue
            if entry.is_dir():
                place.mkdir()
            else:
                place.touch()
            _mount(str(entry), place, "", _MS_BIND | _MS_REC)
        (copy / _NETNS.name).mkdir()
        _mount(str(copy), _RUN, "", _MS_MOVE)


def _mount(source: str, target: Path, kind: str, flags: int, data: str = "") -> None:
    words = (source.encode(), os.fsencode(target), kind.encode() or None)
    rest = (ctypes.c_ulong(flags), data.encode() or None)
    _call(f"mount {source} on {target}", _libc.mount, *words, *rest)


def _call(what: str, function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) != 0:
        raise _refused(what, ctypes.get_errno())


def _refused(what: str, code: int) -> RuntimeFault:
    obstacle = obstacles.likely()
    return RuntimeFault(f"{what}: {os.strerror(code)}", hint=f"{obstacle.reason}; {obstacle.fix}")
