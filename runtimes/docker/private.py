"""A private dockerd with its containerd, for one run."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runtimes import directories, process
from runtimes.base import Site
from runtimes.docker import layout, locate, store, sweep
from runtimes.docker.layout import Layout
from runtimes.faults import RuntimeFault
from runtimes.linux import proc

READY_TIMEOUT_S = 60.0
_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.2
_TAIL_BYTES = 4096


@dataclass(slots=True)
class PrivateDaemon:
    """containerd and dockerd for one run, inside the testbed's host side."""

    layout: Layout
    netns: Path
    mtu: int
    lock: int | None
    """Held on a shared data root; dockerd inherits it, so that an orphan keeps holding it."""
    private: bool = True
    _containerd: subprocess.Popen[bytes] | None = None
    _dockerd: subprocess.Popen[bytes] | None = None
    _restarts_left: int = field(default=2)

    @property
    def address(self) -> str:
        """Engine API's address."""
        return self.layout.address

    def start(self) -> None:
        """Start both and wait until the Engine API answers.

        Raises:
            RuntimeFault: either ended or does not answer in time; with the end of its log.
        """
        directories.closed(self.layout.directory)
        self.layout.data_root.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._write_configuration()
        self._containerd = self._spawn(
            layout.containerd_argv(self.layout, self.netns), self.layout.containerd_log
        )
        _until(
            lambda: _listening(self.layout.containerd_socket),
            self._containerd,
            "containerd",
            self.layout.containerd_log,
        )
        self._dockerd = self._spawn(
            layout.dockerd_argv(self.layout, self.netns, self.mtu, self._containerd.pid),
            self.layout.dockerd_log,
        )
        _until(
            lambda: locate.answers(self.layout.socket),
            self._dockerd,
            "dockerd",
            self.layout.dockerd_log,
        )

    def stop(self, *, run_goes_on: bool = False) -> None:
        """End both, in order, and remove all that they left.  Idempotent."""
        for child in (self._dockerd, self._containerd):
            if child is not None and child.poll() is None:
                child.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(sweep.DAEMON_PATIENCE_S)
        sweep.private_daemon(self.layout.run, run_goes_on=run_goes_on)
        for child in (self._dockerd, self._containerd):
            if child is not None:
                child.wait(sweep.DAEMON_PATIENCE_S)
        self._dockerd = self._containerd = None

    def pids(self) -> tuple[int, ...]:
        """dockerd and its containerd."""
        return tuple(child.pid for child in (self._dockerd, self._containerd) if child is not None)

    def dockerd_pid(self) -> int:
        """dockerd."""
        return self._dockerd.pid if self._dockerd is not None else 0

    def alive(self) -> bool:
        """Whether both run and the API answers."""
        children = (self._dockerd, self._containerd)
        return all(child is not None and child.poll() is None for child in children) and (
            locate.answers(self.layout.socket)
        )

    def restart(self) -> None:
        """Start over after a death in mid-run; twice at most.

        Raises:
            RuntimeFault: it died too often, or does not start.
        """
        if self._restarts_left == 0:
            raise RuntimeFault(
                "the private Docker daemon keeps dying", hint="see its log", tail=self.log_tail()
            )
        self._restarts_left -= 1
        self.stop(run_goes_on=True)
        self.start()

    def log_tail(self) -> str:
        """End of dockerd's log."""
        return tail_of(self.layout.dockerd_log)

    def _write_configuration(self) -> None:
        directory = self.layout.directory
        (directory / "containerd.toml").write_text(layout.containerd_config(self.layout))
        (directory / "daemon.json").write_text(layout.dockerd_config(self.layout, engine_major()))

    def _spawn(self, argv: list[str], log: Path) -> subprocess.Popen[bytes]:
        held = () if self.lock is None else (self.lock,)
        with log.open("ab") as output:
            return process.spawn(
                argv, stdout=output, stderr=output, pass_fds=held, new_session=True
            )


@contextlib.contextmanager
def private_daemon(site: Site) -> Iterator[PrivateDaemon]:
    """A private daemon for the run, its image cache kept between runs.

    Raises:
        RuntimeFault: it does not start.
    """
    leftovers = sweep.private_daemon(site.run, run_goes_on=True)
    if leftovers:
        site.progress(f"docker: removed {len(leftovers)} leftovers of a killed daemon")
    directories.closed(site.state)
    with store.data_root(site) as (root, lock):
        paths = Layout(run=site.run, state=site.state, data_root=root)
        daemon = PrivateDaemon(paths, site.network.host_netns, site.network.mtu, lock)
        site.progress("docker: starting a private daemon")
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.stop()
            paths.forget()


def engine_major() -> int:
    """First number of dockerd's version; a large one where it cannot be read."""
    output = process.run(["dockerd", "--version"], timeout_s=20).stdout
    found = re.search(rb"version v?(\d+)\.", output)
    return int(found.group(1)) if found else 99


def tail_of(file: Path) -> str:
    """Last lines of a log file; empty where there is none."""
    with contextlib.suppress(OSError), file.open("rb") as log:
        log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
        tail = log.read(_TAIL_BYTES)
        whole_lines = tail.partition(b"\n")[2] if len(tail) == _TAIL_BYTES else tail
        return whole_lines.decode("utf-8", "replace").strip()
    return ""


def _listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True


def _until(ready: Callable[[], bool], child: subprocess.Popen[bytes], name: str, log: Path) -> None:
    """Wait for a daemon, which tells nobody when it is ready; its end is noticed at once."""
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    pause_s = _FIRST_PAUSE_S
    pidfd = proc.open_pid(child.pid)
    try:
        while not ready():
            if pidfd is None or proc.ended(pidfd, pause_s):
                raise RuntimeFault(
                    f"the private {name} ended at once, exit status {child.wait(5)}",
                    hint="its log ends as shown; `dockerd --debug` by hand tells more",
                    tail=tail_of(log),
                )
            if time.monotonic() > deadline_s:
                raise RuntimeFault(
                    f"the private {name} is not ready after {READY_TIMEOUT_S:g} s",
                    hint="its log ends as shown; `dockerd --debug` by hand tells more",
                    tail=tail_of(log),
                )
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
    finally:
        if pidfd is not None:
            os.close(pidfd)
