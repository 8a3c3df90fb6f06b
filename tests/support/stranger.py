"""Another user of this host, who knows every name and tries everything."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

NOBODY = pwd.getpwnam("nobody")


def as_nobody(act: Callable[[], list[str]]) -> list[str]:
    """What ``act`` returns in a child process that is ``nobody`` for good, in no group."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException), os.fdopen(theirs, "w") as answer:
            os.setgroups([])
            os.setresgid(NOBODY.pw_gid, NOBODY.pw_gid, NOBODY.pw_gid)
            os.setresuid(NOBODY.pw_uid, NOBODY.pw_uid, NOBODY.pw_uid)
            json.dump(act(), answer)
            answer.flush()
            os._exit(0)
        os._exit(1)
    os.close(theirs)
    with os.fdopen(ours) as answer:
        said = answer.read()
    assert os.waitpid(child, 0)[1] == 0, "the stranger failed"
    return [str(each) for each in json.loads(said)]


def everything(*tops: Path) -> list[Path]:
    """``tops`` and all that is below them, as root sees it."""
    found = list(tops)
    for top in tops:
        for where, directories, files in os.walk(top):
            found += [Path(where, name) for name in (*directories, *files)]
    return found


def reached(paths: Sequence[Path]) -> list[str]:
    """What ``nobody`` can do with any of ``paths``, one line each."""
    kinds = {path: path.lstat().st_mode for path in paths if os.path.lexists(path)}
    return as_nobody(lambda: [line for path, mode in kinds.items() for line in _tried(path, mode)])


def _tried(path: Path, mode: int) -> Iterator[str]:
    if stat.S_ISLNK(mode):
        return
    if stat.S_ISSOCK(mode):
        with socket.socket(socket.AF_UNIX) as end, contextlib.suppress(OSError):
            end.connect(str(path))
            yield f"connects to {path}"
        return
    for word, flags in (("reads", os.O_RDONLY), ("writes", os.O_WRONLY)):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
            yield f"{word} {path}"
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield f"locks {path}"
            os.close(descriptor)
    for word, bits in (("executes", os.X_OK), ("makes files in", os.W_OK)):
        asked = stat.S_ISDIR(mode) if bits == os.W_OK else stat.S_ISREG(mode)
        if asked and os.access(path, bits):
            yield f"{word} {path}" + (", with set ids" if mode & 0o6000 else "")
