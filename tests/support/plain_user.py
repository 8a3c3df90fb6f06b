"""A user without rights: programs run as ``nobody``, with whatever subordinate ids a test says.

What is said is true in a mount namespace of the program's own, so the host's files stay as they
are.  Python itself may be where only root gets to (a home directory): the way is opened there too.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtimes.linux.ids import obstacles
from runtimes.linux.ids.rights import is_host_root
from runtimes.process import ENVIRONMENT

PROJECT = Path(__file__).parents[2]
USER = pwd.getpwnam("nobody")
WAIT_S = 120.0
SUBORDINATE = "nobody:3000000:65536\n"

_SCRIPT = """
set -e
if [ -n "$1" ]; then mount --bind "$1" /etc/subuid; mount --bind "$1" /etc/subgid; fi
shift
while [ "$1" != -- ]; do
    mount --rbind "$1" "$2"
    shift 2
done
shift
if [ -n "$GROUP_" ]; then echo $$ >"$GROUP_/cgroup.procs"; fi
exec setpriv --reuid "$UID_" --regid "$GID_" --clear-groups "$@"
"""


@dataclass(frozen=True, slots=True)
class PlainUser:
    """``nobody`` with a home and, by ``subids``, subordinate ids."""

    home: Path
    subids: str = ""
    """Text of /etc/subuid and /etc/subgid; empty: the host's own."""
    group: str = ""
    """cgroup that programs begin in; empty: the test's own."""

    def run(self, *argv: str, timeout_s: float = WAIT_S) -> subprocess.CompletedProcess[str]:
        """Run a program in the checkout."""
        return subprocess.run(
            self._enclosed(argv),
            cwd=PROJECT,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def python(
        self, *arguments: str, timeout_s: float = WAIT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run this Python."""
        return self.run(sys.executable, *arguments, timeout_s=timeout_s)

    def spawn(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a program, as the very process that is returned; nothing is heard of it."""
        return subprocess.Popen(
            self._enclosed(argv),
            cwd=PROJECT,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def box(
        self, layers: Path, *command: str, options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a box by hand."""
        module = ("-m", "runtimes.standalone.box", "run")
        return self.python(*module, *options, "--layers", str(layers), "--", *command)

    def _environment(self) -> dict[str, str]:
        return {
            **ENVIRONMENT,
            "HOME": str(self.home),
            "UID_": str(USER.pw_uid),
            "GID_": str(USER.pw_gid),
            "GROUP_": self.group,
        }

    def _enclosed(self, argv: tuple[str, ...]) -> list[str]:
        given = ""
        if self.subids:
            file = self.home / "subids"
            file.write_text(self.subids)
            given = str(file)
        opened = [str(each) for pair in _openings(self.home) for each in pair]
        return ["unshare", "--mount", "sh", "-c", _SCRIPT, "sh", given, *opened, "--", *argv]


def _openings(home: Path) -> list[tuple[Path, Path]]:
    """What is to be bound where, so that Python can be got to.

    A directory that others may not enter is covered by one in which there is only what is needed.
    """
    inner, covers = [], {}
    for path in sorted({Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), PROJECT}):
        closed = [each for each in path.parents if not each.stat().st_mode & 0o001]
        if closed:
            stand_in = home / "open" / closed[-1].name
            place = stand_in / path.relative_to(closed[-1])
            place.mkdir(parents=True, exist_ok=True)
            inner.append((path, place))
            covers[stand_in] = closed[-1]
    return [*inner, *covers.items()]


@contextlib.contextmanager
def plain_user(subids: str = "") -> Iterator[PlainUser]:
    """A user, gone with all of theirs afterwards; skips, with the reason, where none can be."""
    if not is_host_root():
        pytest.skip("needs root, to be somebody else")
    if (found := obstacles.switched_off()) is not None:
        pytest.skip(found.reason)
    # Not in /tmp: that may be a tmpfs, on which no writable layer can be before Linux 6.6.
    where = os.environ.get("TMPDIR", "/var/tmp")  # as said
    home = Path(tempfile.mkdtemp(dir=where, prefix="tb-user-"))
    home.chmod(0o755)
    os.chown(home, USER.pw_uid, USER.pw_gid)
    try:
        yield PlainUser(home, subids)
    finally:
        shutil.rmtree(home)
