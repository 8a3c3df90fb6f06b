"""A file as a block device: loop(4)."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

_CONTROL = Path("/dev/loop-control")
_GET_FREE, _CONFIGURE = 0x4C82, 0x4C0A
_CONFIG = struct.Struct("=II52xI176x64x")
"""struct loop_config (Linux 5.8): descriptor, block size, flags of its loop_info64."""
_GOES_WITH_ITS_USERS, _DIRECT = 4, 16
"""LO_FLAGS_AUTOCLEAR; LO_FLAGS_DIRECT_IO: what is read is not kept in memory twice."""
_TRIES = 64


def objection() -> str:
    """Why no file can be a device here; empty if one can."""
    try:
        os.close(os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"no loop devices ({_CONTROL}: {error.strerror})"
    return ""


def attach(file_fd: int) -> tuple[Path, int]:
    """Make the file a device: its path, and a descriptor that keeps it.

    When the last of descriptors and mounts is gone, so is the device, whoever was killed before.

    Raises:
        OSError: there is none to be had.
    """
    control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_TRIES):  # others ask for a free one too
            device = Path(f"/dev/loop{fcntl.ioctl(control, _GET_FREE)}")
            held = os.open(device, os.O_RDWR | os.O_CLOEXEC)
            flags = _GOES_WITH_ITS_USERS | _DIRECT
            try:
                fcntl.ioctl(held, _CONFIGURE, _CONFIG.pack(file_fd, 0, flags))
            except OSError as error:
                os.close(held)
                if error.errno != errno.EBUSY:
                    raise
            else:
                return device, held
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(_CONTROL))


def size_bytes(device: Path, file: os.stat_result) -> int | None:
    """Size of the device, as long as it is that file's; ``None``: it is not."""
    fd = -1
    try:
        fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
        status = fcntl.ioctl(fd, 0x4C05, bytes(232))  # LOOP_GET_STATUS64
        behind, inode = struct.unpack_from("=QQ", status)
        if (behind, inode) != (_encoded(file.st_dev), file.st_ino):
            return None
        return os.lseek(fd, 0, os.SEEK_END)
    except OSError:
        return None
    finally:
        if fd >= 0:
            os.close(fd)


def _encoded(device: int) -> int:
    """huge_encode_dev() of the kernel, which is new_encode_dev()."""
    major, minor = os.major(device), os.minor(device)
    return (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)
