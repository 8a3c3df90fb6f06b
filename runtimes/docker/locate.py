"""Which daemon to use: the user's own where one answers on this host, else a private one."""

from __future__ import annotations

import http.client
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.linux import proc

OPTION = "docker_host"
"""Backend option: an address (``unix://…``), or ``PRIVATE``."""

PRIVATE = "private"
"""Value of the option that asks for a private daemon whether or not another one answers."""

ADDRESS_FILE = "docker_host"
"""In a run's state: the user's daemon that it uses, for ``clean`` to find."""

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
_PING_TIMEOUT_S = 2.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def socket_path(address: str) -> Path:
    """The socket of a ``unix://`` address.

    Raises:
        RuntimeFault: another kind of address: what a daemon on another host runs cannot be
            weighed here, and over TCP we cannot tell.
    """
    if not address.startswith("unix:///"):
        raise RuntimeFault(
            f"docker_host {address!r} is no socket on this host",
            hint=f"give unix:///path/to/docker.sock, or {PRIVATE!r} for a daemon of the run's own",
        )
    return Path(address.removeprefix("unix://"))


def answers(path: Path, timeout_s: float = _PING_TIMEOUT_S) -> bool:
    """Whether an Engine API answers ``GET /_ping`` on this socket."""
    connection = _UnixConnection(path, timeout_s)
    try:
        connection.request("GET", "/_ping")
        response = connection.getresponse()
        return response.status == 200 and response.read(16) == b"OK"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def choose(options: Mapping[str, str], environment: Mapping[str, str]) -> str | None:
    """Address of the user's daemon; ``None`` when a private one is to be started.

    Only an address given as an option must answer; DOCKER_HOST and the default socket are
    looked at in turn.

    Raises:
        RuntimeFault: the option's address does not answer or is not on this host.
    """
    wanted = options.get(OPTION, "")
    if wanted == PRIVATE:
        return None
    if wanted:
        if not answers(socket_path(wanted)):
            raise RuntimeFault(
                f"no Docker daemon answers at {wanted}",
                hint=f"start it, or leave {OPTION} out: then one is started for the run",
            )
        return wanted
    for address in (environment.get("DOCKER_HOST", ""), DEFAULT_ADDRESS):
        if address.startswith("unix:///") and answers(socket_path(address)):
            return address
    return None


def daemon_processes(path: Path) -> tuple[int, ...]:
    """dockerd behind ``path`` and its containerd, as far as they can be told apart."""
    dockerd = dockerd_process(path)
    return (dockerd, *_containerd_of(dockerd)) if dockerd else ()


def dockerd_process(path: Path) -> int:
    """dockerd behind ``path``; 0 where it cannot be told.

    The socket knows who listens on it (SO_PEERCRED, unix(7)); under socket activation that is
    the service manager, then the only dockerd of the host is taken.
    """
    listener = _listener(path)
    if listener is not None and proc.program(proc.arguments(listener)) == "dockerd":
        return listener
    every = proc.matching(lambda argv: proc.program(argv) == "dockerd")
    return every[0] if len(every) == 1 else 0


def _listener(path: Path) -> int | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PING_TIMEOUT_S)
        try:
            connection.connect(str(path))
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        except OSError:
            return None
    return int.from_bytes(credentials[:4], sys.byteorder) or None


def _containerd_of(dockerd: int) -> tuple[int, ...]:
    """containerd: dockerd's own child, or who listens where dockerd was told to look."""
    own = tuple(
        child
        for child in proc.children(dockerd)
        if proc.program(proc.arguments(child)) == "containerd"
    )
    if own:
        return own
    told = proc.option(proc.arguments(dockerd), "--containerd")
    listener = _listener(Path(told or _CONTAINERD_SOCKET))
    return () if listener is None else (listener,)
