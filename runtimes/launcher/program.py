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
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runtimes import directories
from runtimes.faults import RuntimeFault
from runtimes.images.compile import compile_static
from runtimes.launcher.child import ChildProcess, LauncherCallback, read_done, read_status, silent
from runtimes.launcher.plan import Plan
from runtimes.launcher.server import Server

SOURCES = Path(__file__).with_name("src")
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
    directories.closed(directory)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".build-") as building:
        made = Path(building, "launcher")
        compile_static(sorted(SOURCES.glob("*.c")), made, FLAGS)
        made.replace(program)
    return program


class Launcher:
    """Starts plans.  May be used by several threads at once.

    The program runs once and stays (server.py); where starts would wait for each other a second
    one is started, and so on, up to one for each CPU.
    """

    def __init__(self, program: Path) -> None:
        self.program_fd = _seal(program)
        self._servers: list[Server] = []
        self._prologue: list[tuple[Plan, tuple[int, ...]]] = []
        self._lock = threading.Lock()
        self._limit = len(os.sched_getaffinity(0))

    def close(self) -> None:
        """End the program, give the copy back."""
        with self._lock:
            for server in self._servers:
                server.close()
            self._servers.clear()
        os.close(self.program_fd)

    def pids(self) -> tuple[int, ...]:
        """The resident processes."""
        return tuple(server.pid for server in self._servers)

    def prepare(self, plan: Plan, pass_fds: Sequence[int] = ()) -> None:
        """Execute ``plan``, which has no child, in each process, those to come included.

        ``pass_fds`` are to stay open as long as the launcher does.

        Raises:
            LaunchFault: as ``start``.
        """
        with self._lock:
            self._prologue.append((plan, tuple(pass_fds)))
            for server in self._servers or [self._add_server()]:
                if server.prepared < len(self._prologue):
                    _execute(server, plan, pass_fds)
                    server.prepared = len(self._prologue)

    def start(
        self,
        plan: Plan,
        *,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        pass_fds: Sequence[int] = (),
        timeout_s: float = START_TIMEOUT_S,
        alone: bool = False,
        callback: LauncherCallback | None = None,
    ) -> ChildProcess:
        """Execute ``plan``; return once its program is running.

        ``pass_fds`` are the descriptors that steps name by number (lifeline, user namespace);
        the program itself inherits only the three standard streams, ours by default.
        ``alone``: in a process of its own, for a plan from which it cannot come back (root of a
        user namespace may enter a box's PID namespace and not its own again).  ``callback``: our
        part of a plan that has the launcher ask.

        Raises:
            LaunchFault: naming operation, object and cause; the child is gone then, what the
                plan made on the host (cgroups, directories, interfaces) is the caller's to undo.
        """
        given = enumerate((stdin, stdout, stderr))
        streams = [number if fd is None else fd for number, fd in given]
        status, status_writer = os.pipe()
        try:
            with self._alone() if alone else self._server() as server:
                try:
                    server.send(plan.pack(), (*streams, status_writer), pass_fds)
                finally:
                    os.close(status_writer)
                return read_status(plan, server, status, timeout_s, callback)
        except BrokenPipeError:
            raise silent("the launcher is dead") from None
        finally:
            os.close(status)

    @contextlib.contextmanager
    def _server(self) -> Iterator[Server]:
        """The least busy process; a new one where each is busy and there may be more."""
        with self._lock:
            for dead in [server for server in self._servers if not server.alive()]:
                dead.close()
                self._servers.remove(dead)
            server = min(self._servers, key=lambda one: one.waiting, default=None)
            if server is None or (server.waiting and len(self._servers) < self._limit):
                server = self._add_server()
            server.waiting += 1
        try:
            yield server
        finally:
            with self._lock:
                server.waiting -= 1

    @contextlib.contextmanager
    def _alone(self) -> Iterator[Server]:
        with self._lock:
            server = self._create_server()
        try:
            yield server
        finally:
            server.close()

    def _add_server(self) -> Server:
        server = self._create_server()
        self._servers.append(server)
        return server

    def _create_server(self) -> Server:
        server = Server(self.program_fd)
        try:
            for plan, pass_fds in self._prologue:
                _execute(server, plan, pass_fds)
                server.prepared += 1
        except BaseException:
            server.close()
            raise
        return server


def _execute(server: Server, plan: Plan, pass_fds: Sequence[int]) -> None:
    """Have a plan without a child executed."""
    status, status_writer = os.pipe()
    try:
        with os.fdopen(status_writer, "wb"):
            server.send(plan.pack(), 4 * (status_writer,), pass_fds)
        read_done(plan, server, status, START_TIMEOUT_S)
    finally:
        os.close(status)


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


def _seal(program: Path) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        descriptor = os.memfd_create("launcher", flags | _MFD_EXEC)
    except OSError:
        descriptor = os.memfd_create("launcher", flags)
    try:
        _fill_and_seal(descriptor, program.read_bytes())
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _fill_and_seal(descriptor: int, data: bytes) -> None:
    if os.write(descriptor, data) != len(data):
        raise RuntimeFault("cannot copy the launcher to memory", hint="is memory exhausted?")
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
