"""The compiled launcher: built once, kept by its sources' digest, run from a sealed copy.

The copy is a memory file that nobody can write to, so that a box that reaches its init's
``/proc/1/exe`` reaches nothing of the host (CVE-2019-5736 was an overwritten runc).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runtimes import process
from runtimes.base import RuntimeFault
from runtimes.images.compile import compile_static
from runtimes.launcher.plan import Plan
from runtimes.launcher.started import Started, read_status

SOURCES = Path(__file__).parent
FLAGS = ("-std=gnu11", "-O2")
START_TIMEOUT_S = 30.0

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_MFD_EXEC = 0x10  # Linux 6.3; without it vm.memfd_noexec=1 takes the right to execute away


def source_digest() -> str:
    """Digest of everything the program is made of, in hexadecimal."""
    digest = hashlib.sha256(f"{platform.machine()} {FLAGS}".encode())
    for path in sorted((*SOURCES.glob("*.c"), *SOURCES.glob("*.h"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def compiled(cache: Path, progress: Callable[[str], None]) -> Path:
    """The program for this host, from the cache or compiled now (about a second).

    Raises:
        RuntimeFault: no compiler, or no space.
    """
    directory = cache / "launcher"
    program = directory / f"launcher-{source_digest()[:16]}"
    if program.exists():
        return program
    progress("compiling the launcher")
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".build-") as building:
        made = Path(building, "launcher")
        compile_static(sorted(SOURCES.glob("*.c")), made, FLAGS)
        made.replace(program)
    return program


class Launcher:
    """Starts plans.  May be used by several threads at once."""

    def __init__(self, program: Path) -> None:
        self.program_fd = _sealed(program)

    def close(self) -> None:
        """Give the copy back."""
        os.close(self.program_fd)

    def start(
        self,
        plan: Plan,
        *,
        stdin: process.Stdio = None,
        stdout: process.Stdio = None,
        stderr: process.Stdio = None,
        pass_fds: Sequence[int] = (),
        timeout_s: float = START_TIMEOUT_S,
    ) -> Started:
        """Execute ``plan``; return once its program is running.

        ``pass_fds`` are the descriptors that steps name by number (lifeline, user namespace);
        the program itself inherits only the three standard streams.

        Raises:
            LaunchFault: naming operation, object and cause; the child is gone then, what the
                plan made on the host (cgroups, directories, interfaces) is the caller's to undo.
        """
        with contextlib.ExitStack() as stack:
            plan_fd = os.memfd_create("plan", os.MFD_CLOEXEC)
            stack.callback(os.close, plan_fd)
            os.write(plan_fd, plan.pack())
            status, told = os.pipe()
            stack.callback(os.close, status)
            with os.fdopen(told, "wb"):
                launcher = process.spawn(
                    [f"/proc/self/fd/{self.program_fd}", str(plan_fd), str(told)],
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    pass_fds=(self.program_fd, plan_fd, told, *pass_fds),
                )
            return read_status(plan, launcher, status, timeout_s)


@contextlib.contextmanager
def opened(cache: Path, progress: Callable[[str], None]) -> Iterator[Launcher]:
    """A launcher for the duration of a context.

    Raises:
        RuntimeFault: as ``compiled``.
    """
    launcher = Launcher(compiled(cache, progress))
    try:
        yield launcher
    finally:
        launcher.close()


def _sealed(program: Path) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        descriptor = os.memfd_create("launcher", flags | _MFD_EXEC)
    except OSError:
        descriptor = os.memfd_create("launcher", flags)
    try:
        _fill(descriptor, program.read_bytes())
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _fill(descriptor: int, data: bytes) -> None:
    if os.write(descriptor, data) != len(data):
        raise RuntimeFault("cannot copy the launcher to memory", hint="is memory exhausted?")
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
