"""create, start and run: a container in two halves, and both at once.

``create`` makes everything but the program: the process is there, confined, and waits for a
connection on its socket.  ``start`` connects; the kernel tells it of the exec by the end of the
connection, and the process tells it of a failure over it.  Nobody polls, and only one can claim
the socket.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.launcher import ChildProcess, Plan
from runtimes.launcher.child import LauncherCallback, read_start
from runtimes.launcher.program import opened
from runtimes.linux import cgroups
from runtimes.linux.cgroups import Bounds, Creation, Tree
from runtimes.ns.mounts.mount_plan import BoxPaths
from runtimes.oci.configuration import Configuration
from runtimes.standalone.oci import plan
from runtimes.standalone.oci.command import hooks
from runtimes.standalone.oci.command.bundle_input import cgroup_path, filter_of
from runtimes.standalone.oci.command.containers import (
    CGROUPS,
    CLAIMED,
    CONFIG,
    SOCKET,
    Container,
    Record,
    Store,
    checked,
    ticks,
)
from runtimes.standalone.oci.plan import Means, Waits
from runtimes.standalone.oci.read import read

CACHE = Path(os.environ.get("TAREBENCH_CACHE") or "/var/cache/tarebench")
WHOLE_S = 3600.0
"""For a start; hooks may take long."""
_LARGEST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class ContainerRequest:
    """What ``create`` is asked for."""

    name: str
    bundle: Path
    pid_file: Path | None = None
    console: Path | None = None


def create(store: Store, wanted: ContainerRequest, told: Callable[[str], None]) -> ChildProcess:
    """Make a container, whose process then waits to be started.

    Raises:
        RuntimeFault: refused, or it could not be made; nothing of it is left.
    """
    bundle = wanted.bundle.resolve()
    one = read(bundle)
    if one.terminal != (wanted.console is not None):
        raise RuntimeFault(
            "process.terminal and --console-socket belong together",
            hint="who makes a terminal must have somewhere to send it",
        )
    hierarchy = cgroups.detect()
    record = Record(
        checked(wanted.name),
        str(bundle),
        cgroup_path(one, wanted.name),
        datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        annotations=one.annotations,
    )
    with store.make(record) as container:
        try:
            keep_configuration(bundle, container)
            started = _made(container, one, hierarchy, wanted, told)
            record = replace(record, pid=started.pid, start_ticks=ticks(started.pid))
            store.keep(Container(container.directory, record))
            if wanted.pid_file is not None:
                write_pid(wanted.pid_file, started.pid)
        except BaseException:
            undo(container, hierarchy)
            raise
    return started


def undo(container: Container, hierarchy: Tree) -> None:
    """Take away a container that did not come to be, or that is not wanted any more."""
    group = hierarchy.group_at(container.record.cgroup)
    with contextlib.suppress(RuntimeFault):
        group.kill(10.0)
        group.remove()
    container.forget()
    above = container.record.cgroup.rpartition("/")[0]
    while above == CGROUPS or above.startswith(f"{CGROUPS}/"):  # where nobody else is in it
        hierarchy.release_path(above)
        above = above.rpartition("/")[0]


def keep_configuration(bundle: Path, container: Container) -> None:
    """Later changes of the bundle are not to change the container."""
    with (bundle / CONFIG).open("rb") as file:
        (container.directory / CONFIG).write_bytes(file.read(_LARGEST_BYTES))


def _made(
    container: Container,
    one: Configuration,
    hierarchy: Tree,
    wanted: ContainerRequest,
    told: Callable[[str], None],
) -> ChildProcess:
    bundle, record = Path(container.record.bundle), container.record
    places = places_of(container)
    places.make()
    hierarchy.prepare_path(record.cgroup.rpartition("/")[0])
    early = (*one.hooks.prestart, *one.hooks.create_runtime)
    with contextlib.ExitStack() as stack:
        launcher = stack.enter_context(opened(CACHE, told))
        listener = stack.enter_context(listening(container.directory / SOCKET))
        ours, launchers = socket.socketpair()
        stack.enter_context(ours)
        stack.enter_context(launchers)
        console = stack.enter_context(connected(wanted.console)) if wanted.console else None
        waits = Waits(
            listener.fileno(),
            launchers.fileno() if early else -1,
            console.fileno() if console else -1,
            hooks.state_around_pid(record, "creating"),
            hooks.state_around_pid(record, "created"),
        )

        def act(pid: int) -> None:
            hooks.run_all(early, record, "creating", pid)

        launcher.prepare(plan.staged(one, bundle, places))
        give_streams(one)
        started = launcher.start(
            plan.plan(one, means(container, one, hierarchy, waits, filter_of(one))),
            pass_fds=[fd for fd in (waits.listener_fd, waits.ask_fd, waits.console_fd) if fd >= 0],
            timeout_s=WHOLE_S,
            callback=LauncherCallback(ours.fileno(), act) if early else None,
        )
        if one.oom_score_adjustment:
            score = Path(f"/proc/{started.pid}/oom_score_adj")
            score.write_text(str(one.oom_score_adjustment))
        return started


def places_of(container: Container) -> BoxPaths:
    """A container's mount points."""
    return BoxPaths(container.directory / "box", container.directory / "stage")


def means(
    container: Container,
    one: Configuration,
    hierarchy: Tree,
    waits: Waits,
    program: bytes,
) -> Means:
    """What the host gives a container."""
    made = creation(container, one, hierarchy)
    return Means(places_of(container), made, hierarchy.controllers, program, waits=waits)


def creation(container: Container, one: Configuration, hierarchy: Tree) -> Creation:
    """Its cgroups: in every hierarchy, because engines read accounts and count processes there."""
    bounds = one.bounds or Bounds(())
    return hierarchy.creation_at(container.record.cgroup, bounds, whole=True)


def give_streams(one: Configuration) -> None:
    """A program that is not root is to be able to open its standard streams again."""
    uid = outside(one, one.uid)
    if uid == 0 or one.terminal:
        return
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
                os.fchown(descriptor, uid, -1)


def outside(one: Configuration, uid: int) -> int:
    """What a user of the container is on the host."""
    for each in one.uid_map:
        if each.inside <= uid < each.inside + each.count:
            return each.outside + uid - each.inside
    return uid


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A socket at a path of any length."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, _parent(path) as parent:
        listener.bind(f"{parent}/{path.name}")
        listener.listen(1)
        yield listener


@contextlib.contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    """A connection to a socket at a path of any length.

    Raises:
        RuntimeFault: nobody listens there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            with _parent(path) as parent:
                connection.connect(f"{parent}/{path.name}")
        except OSError as error:
            raise RuntimeFault(f"connect to {path}: {error.strerror}") from None
        yield connection


@contextlib.contextmanager
def _parent(path: Path) -> Iterator[str]:
    """A short name of its directory: a socket's path has at most 107 bytes."""
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def write_pid(path: Path, pid: int) -> None:
    """Whole or not at all: readers watch for the file."""
    new = path.with_name(f".{path.name}")
    new.write_text(str(pid))
    new.replace(path)


def start(store: Store, name: str, warn: Callable[[str], None]) -> None:
    """Have a created container run its program.

    Raises:
        RuntimeFault: it is not created, or its program cannot be run.
    """
    container = store.load(name)
    one = read(container.directory)
    claimed = container.directory / CLAIMED
    if not container.alive():
        raise RuntimeFault(f"cannot start container {name}: container not running")
    try:
        (container.directory / SOCKET).rename(claimed)
    except FileNotFoundError:
        raise RuntimeFault(f"cannot start container {name}: it has been started already") from None
    with connected(claimed) as connection:
        claimed.unlink()
        read_start(_plan_again(container, one), connection.fileno(), WHOLE_S)
    record = container.record
    hooks.run_each(one.hooks.poststart, record, "running", record.pid, warn)


def _plan_again(container: Container, one: Configuration) -> Plan:
    """The steps that ``create`` gave the process: it names the one that fails by its number."""
    hierarchy = cgroups.detect()
    waits = Waits(0, 0 if one.hooks.prestart or one.hooks.create_runtime else -1, 0)
    return plan.plan(one, means(container, one, hierarchy, waits, b"\0" * 8 if one.filter else b""))


def run(
    store: Store, wanted: ContainerRequest, told: Callable[[str], None], *, detach: bool
) -> int:
    """Create and start; unless detached wait for its end, signals passed on.  Its exit status.

    Raises:
        RuntimeFault: as ``create`` and ``start``.
    """
    started = create(store, wanted, told)
    try:
        start(store, wanted.name, told)
    except BaseException:
        undo(store.load(wanted.name), cgroups.detect())
        raise
    return 0 if detach else followed(started)


def followed(started: ChildProcess) -> int:
    """Exit status of a process of ours, signals passed on."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda number, _: started.signal(number))
    return started.wait(1e6)
