"""Ports of a box by hand on the host: connections are taken here and made again inside.

There is no testbed's bridge by hand, and nothing of the host's network is touched: the listening
socket is ours, and the other one is opened in the box's network namespace, to its loopback.  Every
byte is copied once more, so nothing is to be measured through it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import threading
from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.linux import netns

_FORM = re.compile(r"(?:(.+):)?([0-9]{1,5}):([0-9]{1,5})", re.ASCII)
_PIECE_BYTES = 1 << 16
_CONNECT_S = 5.0
_MOST = 128
"""Connections at once; further ones wait in the listening socket's queue."""


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port."""

    outside: int
    inside: int
    address: str = "127.0.0.1"
    """Of the host."""


def parse(text: str) -> Port:
    """``[ADDRESS:]PORT:PORT``, the box's last.  For argparse."""
    match = _FORM.fullmatch(text)
    ports = [int(match[2]), int(match[3])] if match else [0]
    if match is None or not all(0 < port < 1 << 16 for port in ports):
        raise ArgumentTypeError(f"{text!r:.100}: write it as 8080:80 or 0.0.0.0:8080:80")
    address = (match[1] or "127.0.0.1").strip("[]")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise ArgumentTypeError(f"{address!r:.100} is no IP address") from None
    return Port(ports[0], ports[1], address)


@contextlib.contextmanager
def listening(ports: Sequence[Port]) -> Iterator[tuple[socket.socket, ...]]:
    """A listening socket for each of ``ports``.

    Raises:
        RuntimeFault: somebody has the port, or the address is not this host's.
    """
    with contextlib.ExitStack() as stack:
        sockets = []
        for port in ports:
            family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
            one = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind((port.address, port.outside))
                one.listen()
            except OSError as error:
                raise RuntimeFault(
                    f"--publish: cannot listen on {port.address} port {port.outside}: "
                    f"{error.strerror}",
                    hint="choose another port; those below 1024 are root's",
                ) from None
            sockets.append(one)
        yield tuple(sockets)


def forward(listeners: Sequence[socket.socket], ports: Sequence[Port], pid: int) -> None:
    """Begin to serve, until the process ends or the listeners are closed."""
    namespace = Path(f"/proc/{pid}/ns/net")
    for listener, port in zip(listeners, ports, strict=True):
        threading.Thread(target=_serve, args=(listener, port, namespace), daemon=True).start()


def _serve(listener: socket.socket, port: Port, namespace: Path) -> None:
    slots = threading.BoundedSemaphore(_MOST)
    while True:
        slots.acquire()  # released by the connection's own thread
        try:
            outer, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_join, args=(outer, port, namespace, slots), daemon=True).start()


def _join(
    outer: socket.socket, port: Port, namespace: Path, slots: threading.BoundedSemaphore
) -> None:
    """One connection: both directions to their ends, each told of the other's."""
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(outer)
            stack.enter_context(contextlib.suppress(OSError, RuntimeFault))
            inner = netns.inside(namespace, lambda: _connected(port.inside))
            stack.enter_context(inner)
            back = threading.Thread(target=_copy, args=(inner, outer), daemon=True)
            back.start()
            _copy(outer, inner)
            back.join()
    finally:
        slots.release()


def _connected(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=_CONNECT_S)
    made.settimeout(None)
    return made


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
