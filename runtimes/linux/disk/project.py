"""Project quotas: a number on a directory, which what is made below it inherits, and its limit.

As Docker's overlay2 has it on XFS (moby quota/projectquota.go), here on ext4 too; ioctl_xfs_
fsgetxattr(2), quotactl(2), quotactl_fd(2).  The calls of XFS serve every file system with quotas.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import secrets
import stat
import struct
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from runtimes.faults import RuntimeFault

_GET, _SET = 0x801C581F, 0x401C5820  # FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR
_ATTRIBUTES = struct.Struct("=5I8x")
_INHERIT = 0x200

_QUOTACTL_FD = 443  # Linux 5.14, on every architecture
_PROJECTS = 2
_GET_QUOTA, _SET_LIMIT, _STATE = (code << 8 | _PROJECTS for code in (0x5803, 0x5804, 0x5805))
_QUOTA = struct.Struct("=bbHI6QiiHHi3QiHh8x")
_QUOTA_VERSION, _OF_PROJECT, _SOFT_AND_HARD = 1, 2, 4 | 8
_STATE_BYTES, _STATE_FLAGS, _ENFORCED = 256, struct.Struct("=2xH"), 1 << 5
_UNIT_BYTES = 512

FIRST, COUNT = 0x74620000, 1 << 16
"""Our numbers: far from those that people give, from 1 on."""
_TRIES = 64

_libc = ctypes.CDLL(None, use_errno=True)


def enforced(directory: Path) -> bool:
    """Whether the file system of ``directory`` counts projects and keeps their limits."""
    answer = ctypes.create_string_buffer(_STATE_BYTES)
    try:
        _quotactl(directory, _STATE, 0, answer)
    except OSError:
        return False
    (flags,) = _STATE_FLAGS.unpack_from(answer)
    return bool(flags & _ENFORCED)


def number_of(directory: Path) -> int:
    """The project that a directory is of; 0: none.

    Raises:
        OSError: its file system has none.
    """
    return _attributes(directory)[3]


@dataclass(slots=True)
class Project:
    """A directory with a limit; implements ``space.Space``."""

    directory: Path
    number: int
    device: str = field(default="", init=False)

    def extend(self, directory: Path) -> None:
        """Let a further directory of that file system be of the project.

        Raises:
            RuntimeFault: the file system refuses.
        """
        try:
            flags, extent, extents, _, cow = _attributes(directory)
            attributes = (flags | _INHERIT, extent, extents, self.number, cow)
            _change(directory, _ATTRIBUTES.pack(*attributes))
        except OSError as error:
            raise _refused(directory, error) from None

    def limit_bytes(self) -> int | None:
        """See Space.  None where the directory is of that project no longer."""
        try:
            if self.directory.exists() and number_of(self.directory) != self.number:
                return None
            hard, _ = _usage(self.directory.parent, self.number)
        except OSError:
            return None
        return hard or None

    def used_bytes(self) -> int | None:
        """See Space."""
        return None

    def mounted(self) -> None:
        """See Space."""

    def close(self) -> None:
        """See Space."""
        release(self.directory.parent, self.number)


def limited(directory: Path, limit_bytes: int) -> Project:
    """Give an existing directory, and all that will be below it, a project with that limit.

    Raises:
        RuntimeFault: the file system refuses.
    """
    try:
        number = _unused(directory)
        _set_limit(directory, number, limit_bytes)
    except OSError as error:
        raise _refused(directory, error) from None
    project = Project(directory, number)
    try:
        project.extend(directory)
    except BaseException:
        project.close()
        raise
    return project


def _refused(directory: Path, error: OSError) -> RuntimeFault:
    return RuntimeFault(
        f"{directory} cannot be given a project quota: {error.strerror}",
        hint="is its file system mounted with prjquota?  Leave --disk out to do without",
    )


def release(directory: Path, number: int) -> None:
    """Forget the limit of one of our projects; what is not ours is left alone."""
    if FIRST <= number < FIRST + COUNT:
        try:
            _set_limit(directory, number, 0)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ESRCH, errno.ENOTDIR):
                raise


def forget_below(top: Path) -> None:
    """Release the projects of a killed run's directories, before these are removed."""
    with contextlib.suppress(OSError):
        if not enforced(top):
            return
        for directory in (top, *top.glob("*/"), *top.glob("*/*/"), *top.glob("*/*/*/")):
            if not directory.is_symlink():
                release(directory, number_of(directory))


def _unused(directory: Path) -> int:
    for _ in range(_TRIES):
        number = FIRST + secrets.randbelow(COUNT)
        if _usage(directory, number) == (0, 0):
            return number
    raise RuntimeFault(
        f"no project number is free on the file system of {directory}", hint="invoke clean"
    )


def _usage(directory: Path, number: int) -> tuple[int, int]:
    """Hard limit and use of a project, bytes."""
    answer = ctypes.create_string_buffer(_QUOTA.size)
    try:
        _quotactl(directory, _GET_QUOTA, number, answer)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESRCH):  # XFS has never heard of it
            return 0, 0
        raise
    values = _QUOTA.unpack(answer.raw)
    return values[4] * _UNIT_BYTES, values[8] * _UNIT_BYTES


def _set_limit(directory: Path, number: int, limit_bytes: int) -> None:
    units = limit_bytes // _UNIT_BYTES
    head = (_QUOTA_VERSION, _OF_PROJECT, _SOFT_AND_HARD, number, units, units)
    asked = _QUOTA.pack(*head, *(0,) * (len(_QUOTA.unpack(bytes(_QUOTA.size))) - len(head)))
    _quotactl(directory, _SET_LIMIT, number, ctypes.create_string_buffer(asked, _QUOTA.size))


def _attributes(directory: Path) -> tuple[int, int, int, int, int]:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags, extent, extents, project, cow = _ATTRIBUTES.unpack(
            fcntl.ioctl(fd, _GET, bytes(_ATTRIBUTES.size))
        )
    finally:
        os.close(fd)
    return flags, extent, extents, project, cow


def _change(directory: Path, attributes: bytes) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _SET, attributes)
    finally:
        os.close(fd)


def _quotactl(
    directory: Path, command: int, number: int, data: ctypes.Array[ctypes.c_char]
) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        done = _libc.syscall(
            ctypes.c_long(_QUOTACTL_FD), ctypes.c_uint(fd), ctypes.c_uint(command),
            ctypes.c_uint(number), data,
        )  # fmt: skip
        code = ctypes.get_errno()
        device = os.fstat(fd).st_dev
    finally:
        os.close(fd)
    if done and code == errno.ENOSYS:
        done, code = _by_device(device, command, number, data)
    if done:
        raise OSError(code, os.strerror(code), str(directory))


def _by_device(
    device: int, command: int, number: int, data: ctypes.Array[ctypes.c_char]
) -> tuple[int, int]:
    """Before Linux 5.14 the disk is named by a node, which we make: /dev may call it otherwise."""
    with tempfile.TemporaryDirectory(prefix="tb-") as scratch:
        node = Path(scratch, "disk")
        os.mknod(node, 0o600 | stat.S_IFBLK, device)
        signed = ctypes.c_int(command)
        done: int = _libc.quotactl(signed, os.fsencode(node), ctypes.c_int(number), data)
        return done, ctypes.get_errno()
