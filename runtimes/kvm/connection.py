"""The connection to libvirt: one event loop per process, one listener per domain.

The default is libvirt's embedded QEMU driver (https://libvirt.org/drvqemu.html, "Embedded
driver"): the driver runs in this process, below a root directory of ours, without any daemon.
libvirt allows one such root per process and never lets go of it; so the first root stays for
the life of the process, and later engines use it as well.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import libvirt

from runtimes import directories
from runtimes.faults import RuntimeFault
from runtimes.kvm.faults import translated
from runtimes.linux import trees

SOCKET_LIMIT_BYTES = 107
"""Longest path of a Unix socket (unix(7), sun_path without its end)."""

DEEPEST_SOCKET = "lib/qemu/domain-9999-tb-ffffff-99999/monitor.sock"
"""What libvirt puts below the embedded root, at its longest."""

QEMU_CONF = """\
# Written by tarebench for its own embedded libvirt.
cgroup_controllers = []
security_driver = "none"
namespaces = []
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
"""
# cgroup_controllers: boxes of all backends live in cgroups of our own making, equally limited.
# security_driver, namespaces, ownership: no relabelling of images shared by all instances.
# stdio_handler: without it libvirt wants a virtlogd daemon for the console's log.

OPEN_S = 20.0
KEEPALIVE_S, KEEPALIVE_COUNT = 5, 6
"""A daemon that leaves so many questions, so many seconds apart, unanswered is taken for dead:
calls that wait for it then end with an error."""

Listener = Callable[[int, int], None]
"""Called with a lifecycle event and its detail, on the event loop's thread."""

_lock = threading.Lock()
_loop: threading.Thread | None = None
_embedded: Connection | None = None


def _ignore_error(_context: object, _error: object) -> None:
    """Errors reach the caller as exceptions; libvirt's own printing is noise."""


def _run_events() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def _start_loop() -> None:
    """libvirt's event loop, once per process, before the first connection."""
    global _loop  # noqa: PLW0603  # libvirt's loop is the process's own
    if _loop is None:
        libvirt.registerErrorHandler(_ignore_error, None)
        libvirt.virEventRegisterDefaultImpl()
        _loop = threading.Thread(target=_run_events, name="libvirt events", daemon=True)
        _loop.start()


@dataclass(slots=True)
class Connection:
    """An open connection and who listens to which domain."""

    uri: str
    link: libvirt.virConnect
    root: Path | None
    """Root of the embedded driver; ``None`` for a daemon."""
    _directories: tuple[Path, ...] = ()
    """What the embedded driver made below its root when it started."""
    _borrowed: tuple[Path, ...] = ()
    """Directories above the root that a later user had to make again, the deepest first: an earlier
    one had them, and has taken them away."""
    _users: int = 0
    _listeners: dict[str, Listener] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._register()

    def _register(self) -> None:
        kind = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
        self.link.domainEventRegisterAny(None, kind, self._dispatch, None)

    def refresh(self) -> None:
        """Connect again to a daemon that was restarted; guests of before live on without us.

        Raises:
            RuntimeFault: it does not answer.
        """
        if self.root is not None:
            return
        with translated(f"connect again to libvirt at {self.uri}"):
            if not self.link.isAlive():
                self.link = _opened(self.uri)
                self._register()

    def _dispatch(
        self,
        _link: libvirt.virConnect,
        domain: libvirt.virDomain,
        event: int,
        detail: int,
        _: object,
    ) -> None:
        listener = self._listeners.get(domain.name())
        if listener is not None:
            listener(event, detail)

    def used(self) -> Connection:
        """Count one more user, and make again what an earlier one took away at its end."""
        if self._users == 0:
            for directory in self._directories:
                directory.mkdir(parents=True, exist_ok=True)
        self._users += 1
        return self

    def listen(self, name: str, listener: Listener) -> None:
        """Hand lifecycle events of domain ``name`` to ``listener``."""
        self._listeners[name] = listener

    def unlisten(self, name: str) -> None:
        """Stop listening.  Idempotent."""
        self._listeners.pop(name, None)

    def close(self) -> None:
        """Let go of a daemon; of the embedded driver's files once nobody uses it.

        The driver itself stays (see above); ``connect`` makes its directories again.
        """
        with _lock:
            self._users -= 1
            if self.root is None:
                with contextlib.suppress(libvirt.libvirtError):
                    self.link.close()
            elif self._users == 0:
                trees.remove(self.root, ignore_errors=True)
                for directory in self._borrowed:
                    with contextlib.suppress(OSError):  # somebody else's now
                        directory.rmdir()

    def borrow(self) -> None:
        """Note what is missing above the root, before it is made again."""
        if self.root is not None and self._users == 0:
            gone = (directory for directory in self.root.parents if not directory.exists())
            self._borrowed = tuple(gone)

    @property
    def pid_directory(self) -> Path:
        """Where libvirt keeps ``<domain>.pid``."""
        return self.root / "run/qemu" if self.root else Path("/run/libvirt/qemu")

    @property
    def log_directory(self) -> Path:
        """Where libvirt keeps ``<domain>.log``, with QEMU's own words."""
        return self.root / "log/qemu" if self.root else Path("/var/log/libvirt/qemu")


def connect(uri: str | None, root: Path, capabilities: Path) -> Connection:
    """Connect to ``uri``, or to the embedded driver below ``root``.

    Args:
        uri: ``None`` for the embedded driver.
        root: used if this process has no embedded driver yet; short, see SOCKET_LIMIT_BYTES.
        capabilities: directory kept between runs in which libvirt caches what QEMU can do
            (asking it takes some seconds).

    Raises:
        RuntimeFault: libvirt refuses, or ``root`` is too long.
    """
    with _lock:
        _start_loop()
        if uri is not None:
            with translated(f"connect to libvirt at {uri}"):
                return Connection(uri, _opened(uri), None).used()
        return _open_embedded(root, capabilities).used()


def _opened(uri: str) -> libvirt.virConnect:
    """A connection to a daemon, which is asked all the while whether it lives (keepalive).

    Raises:
        RuntimeFault: there is no answer; libvirt itself would wait for ever.
        libvirtError: it refuses.
    """
    opening = _Opening(uri)
    thread = threading.Thread(target=opening.run, name=f"open {uri}", daemon=True)
    thread.start()
    thread.join(OPEN_S)
    link = opening.taken()
    link.setKeepAlive(KEEPALIVE_S, KEEPALIVE_COUNT)
    return link


class _Opening:
    """One call that cannot be interrupted, and may be given up."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._lock = threading.Lock()
        self._abandoned = False
        self._link: libvirt.virConnect | None = None
        self._error: libvirt.libvirtError | None = None

    def run(self) -> None:
        """Open it; and close it, where nobody waits any more."""
        try:
            link = libvirt.open(self._uri)
        except libvirt.libvirtError as error:
            self._error = error
            return
        with self._lock:
            self._link = link
            if self._abandoned:
                link.close()

    def taken(self) -> libvirt.virConnect:
        """What has come of it by now."""
        with self._lock:
            self._abandoned = self._link is None
            if self._link is not None:
                return self._link
        if self._error is not None:
            raise self._error
        raise RuntimeFault(
            f"libvirt at {self._uri} has not answered for {OPEN_S:g} s",
            hint="restart its daemon, or leave --libvirt-uri away: no daemon is needed",
        )


def _open_embedded(root: Path, capabilities: Path) -> Connection:
    global _embedded  # noqa: PLW0603  # one embedded driver per process is libvirt's rule
    if _embedded is not None and _embedded.root is not None:
        _embedded.borrow()
        _furnish(_embedded.root, capabilities)
        return _embedded
    if len(str(root / DEEPEST_SOCKET)) > SOCKET_LIMIT_BYTES:
        hint = "set TAREBENCH_STATE to a shorter directory"
        message = f"{root} is too long for the Unix sockets that libvirt makes below it"
        raise RuntimeFault(message, hint=hint)
    _furnish(root, capabilities)
    uri = f"qemu:///embed?root={root}"
    with translated("start libvirt's embedded QEMU driver"):
        link = libvirt.open(uri)
    made = tuple(
        sorted(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())
    )
    _embedded = Connection(uri, link, root, made)
    return _embedded


def _furnish(root: Path, capabilities: Path) -> None:
    """Make what the driver expects below its root; again, if an earlier run took it away."""
    etc = root / "etc"
    directories.closed(root)
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "qemu.conf").write_text(QEMU_CONF)
    cache = root / "cache/qemu"
    cache.mkdir(parents=True, exist_ok=True)
    directories.closed(capabilities)
    link = cache / "capabilities"
    if link.is_dir() and not link.is_symlink():
        trees.remove(link)
    if not link.is_symlink():
        link.symlink_to(capabilities.resolve())
