"""Who is alive: names that the kernel lets go when their owner dies, and that leave no file.

An abstract Unix socket (unix(7)) exists as long as its owner does.  Whoever makes something on
this host under a run's short id holds the socket of that name meanwhile, so that ``invoke clean``
knows what the living have from what the dead left.
"""

from __future__ import annotations

import errno
import socket


def address(name: str) -> str:
    """The socket's address."""
    return f"\0tarebench/{name}"


def claim(name: str) -> socket.socket | None:
    """Be the owner of ``name`` until the socket is closed; ``None`` where another one is."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        holder.bind(address(name))
        holder.listen(16)
    except OSError as error:
        holder.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return holder


def is_alive(name: str) -> bool:
    """Whether some process owns ``name``."""
    holder = claim(name)
    if holder is None:
        return True
    holder.close()
    return False
