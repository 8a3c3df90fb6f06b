"""A root's read-only layers, as operations: one directory is a stack of one.

Layers are prepared once per run: in the stage they are entries ``0`` (the topmost), ``1`` and so
on of two directories, as they are and as a user namespace's map shows them.  A start names only
such a directory and how deep the stack is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.launcher import Launcher, Plan, Side, Step
from runtimes.launcher.operations import (
    Attach,
    Bind,
    BindIdmapped,
    CloneTree,
    MakeDirectory,
    MakeOverlay,
    Mount,
    Operation,
    Unmount,
)
from runtimes.launcher.operations.base import NODEV, RDONLY
from runtimes.linux.disk import DISK_KIND
from runtimes.ns.mounts.mount_plan import ROOT_SLOT, BoxPaths


@dataclass(frozen=True, slots=True)
class Stack:
    """Layers of a root."""

    layers: tuple[Path, ...]
    """Topmost first."""
    home: Path | None = None
    """A directory, on one file system, that all of them are in: mapping ids in it maps them all.
    Without it each layer is mapped by a mount of its own, which every start then copies."""

    @property
    def depth(self) -> int:
        """How many layers there are."""
        return len(self.layers)


def of(directory: Path) -> Stack:
    """A root filesystem in one directory."""
    return Stack((directory,))


def prepare(
    launcher: Launcher,
    stack: Stack,
    places: BoxPaths,
    user_namespace_fd: int | None,
    *,
    user_xattr: bool = False,
) -> None:
    """Make a stack ready for starts, once per run.

    ``user_namespace_fd`` is of the namespace whose map profiles with a user namespace see the
    layers through; ``None`` where there is no such profile.  ``user_xattr``: see MakeOverlay.

    Raises:
        LaunchFault: a layer is missing, too many of them, or ids cannot be mapped there.
    """
    make_stage(places, stack)
    passed = () if user_namespace_fd is None else (user_namespace_fd,)
    launcher.prepare(staged(stack, places, user_namespace_fd, user_xattr=user_xattr), passed)


def make_stage(places: BoxPaths, stack: Stack) -> None:
    """Mount points and names of layers."""
    places.make()
    for number, layer in enumerate(stack.layers):
        (places.own / str(number)).symlink_to(layer)
        mapped = places.mapped / str(number)
        if stack.home is None:
            mapped.mkdir()
        else:
            mapped.symlink_to(places.home / layer.relative_to(stack.home))


def staged(
    stack: Stack, places: BoxPaths, user_namespace_fd: int | None, *, user_xattr: bool = False
) -> Plan:
    """What the launcher mounts in its own namespace, once per run.

    That is the layers as a user namespace's map shows them, so that files of root outside are
    files of root inside without a copy, and all layers together, read-only.
    """
    return Plan(
        tuple(
            Step(Side.LAUNCHER, "staged", one)
            for one in (
                *_mapped(stack, places, user_namespace_fd),
                *_together(stack, places, user_xattr=user_xattr),
            )
        )
    )


def _mapped(stack: Stack, places: BoxPaths, user_namespace_fd: int | None) -> list[Operation]:
    if user_namespace_fd is None:
        return []
    if stack.home is not None:
        pairs = [(stack.home, places.home)]
    else:
        pairs = [(layer, places.mapped / str(n)) for n, layer in enumerate(stack.layers)]
    flags = RDONLY | NODEV
    return [BindIdmapped(str(one), str(point), user_namespace_fd, flags) for one, point in pairs]


def _together(stack: Stack, places: BoxPaths, *, user_xattr: bool) -> list[Operation]:
    if stack.depth == 1:
        layer, plain = str(stack.layers[0]), str(places.plain)
        return [Bind(layer, plain, recursive=False, attributes=RDONLY | NODEV)]
    together = _read_only(places, places.own, stack.depth, user_xattr=user_xattr)
    return [together, Attach(ROOT_SLOT, str(places.plain))]


def writable(
    overlay: Operation, places: BoxPaths, owner: tuple[int, int], *, made: bool, device: str
) -> list[Operation]:
    """The instance's directories and, over them, its root.

    Args:
        overlay: makes the root.
        places: the instance's.
        owner: root of the box, outside.
        made: its state directory is there already.
        device: what is mounted on that meanwhile, or empty.  The overlay keeps it.
    """
    state, *layer = make_directories(places, owner)
    return [
        *(() if made else (state,)),
        *((Mount(device, str(places.state), DISK_KIND),) if device else ()),
        *layer,
        overlay,
        *((Unmount(str(places.state)),) if device else ()),
    ]


def make_directories(places: BoxPaths, owner: tuple[int, int]) -> list[Operation]:
    """The instance's directories.  The upper one becomes ``/``, which root owns."""
    return [
        MakeDirectory(str(places.state), 0o700),
        MakeDirectory(str(places.upper), 0o755, *owner),
        MakeDirectory(str(places.work), 0o700, *owner),
    ]


def overlay(
    depth: int,
    places: BoxPaths,
    *,
    mapped: bool,
    volatile: bool = False,
    user_xattr: bool = False,
) -> Operation:
    """The root: the staged layers below the instance's own; the overlay is the host's.

    Raises:
        RuntimeFault: a path that overlayfs' option syntax cannot say.
    """
    if set(str(places.state)) & set(':,\\"'):
        raise RuntimeFault(
            f"overlay cannot take the path {places.state}",
            hint="set TAREBENCH_STATE to one without : , \\ and quotes",
        )
    layers = str(places.mapped if mapped else places.own)
    upper, work, point = str(places.upper), str(places.work), str(places.root)
    return MakeOverlay(ROOT_SLOT, layers, depth, upper, work, point, volatile, user_xattr)


def read_only_root(
    depth: int, places: BoxPaths, *, mapped: bool, user_xattr: bool = False
) -> Operation:
    """The staged layers themselves as the root."""
    if depth > 1:
        layers = places.mapped if mapped else places.own
        return _read_only(places, layers, depth, user_xattr=user_xattr)
    return CloneTree(ROOT_SLOT, str(places.mapped / "0" if mapped else places.plain))


def _read_only(places: BoxPaths, layers: Path, depth: int, *, user_xattr: bool) -> Operation:
    point = str(places.root)
    return MakeOverlay(ROOT_SLOT, str(layers), depth, "", "", point, user_xattr=user_xattr)
