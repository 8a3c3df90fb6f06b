"""Which way of keeping a limit of disk this host has."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runtimes.faults import RuntimeFault
from runtimes.linux.disk import image, project
from runtimes.linux.disk.space import ReadOnly, Space, Spaces, Unlimited
from runtimes.linux.ids.rights import is_host_root

SMALLEST, LARGEST = 16 << 20, 4 << 40
"""Bytes: an ext4 with a journal, and what one without 64-bit numbers of blocks has at the most."""

UNENFORCED = "disk-unenforced"
"""Gate code of boxes whose limit of disk nobody keeps."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """How directories of a run are limited."""

    limit_bytes: int
    """Of each; 0: none is asked for."""
    how: Literal["quota", "image", "nothing"] = "nothing"
    why: str = ""
    """Why nothing keeps it."""

    def space(self, directory: Path, owner: tuple[int, int] = (0, 0)) -> Space:
        """Limit what will be in ``directory``, which exists and is empty.

        Args:
            directory: an image's file is made beside it.
            owner: whose it is to be, where something is to be mounted on it.

        Raises:
            RuntimeFault: no space, no free device, or the file system refuses.
        """
        if self.how == "quota":
            return project.limited(directory, self.limit_bytes)
        if self.how == "image":
            file = directory.with_name(f"{directory.name}.disk")
            return image.made(file, self.limit_bytes, owner)
        return Unlimited()

    def spaces(
        self,
        undo: contextlib.ExitStack,
        layer: Path | None,
        volume: Path | None,
        owner: tuple[int, int] = (0, 0),
    ) -> Spaces:
        """Limit a box's layer (``None``: it has none) and its volume, until ``undo`` is closed.

        ``layer`` is made here, where anything limits it; ``owner`` is the volume's.

        Raises:
            RuntimeFault: as ``space``.
        """
        if layer is None:
            own: Space = ReadOnly()
        else:
            if self.keeps:
                layer.mkdir(0o700)
            own = self._held(undo, layer, (0, 0))
        return Spaces(own, Unlimited() if volume is None else self._held(undo, volume, owner))

    def _held(self, undo: contextlib.ExitStack, directory: Path, owner: tuple[int, int]) -> Space:
        made = self.space(directory, owner)
        undo.callback(_tolerant(made.close))
        return made

    @property
    def keeps(self) -> bool:
        """Whether directories are limited."""
        return self.how != "nothing"

    @property
    def conditions(self) -> frozenset[str]:
        """Gate codes of boxes that it is to limit."""
        lacking = self.limit_bytes and self.how == "nothing"
        return frozenset({UNENFORCED}) if lacking else frozenset()


def has_quotas(directory: Path) -> bool:
    """Whether a limit of what is in ``directory``, which need not be there yet, costs nothing."""
    return is_host_root() and project.enforced(_existing(directory))


def choose(directory: Path, limit_bytes: int) -> Keeper:
    """The way for directories below ``directory``."""
    if not limit_bytes:
        return Keeper(0)
    if not is_host_root():
        why = "a plain user may neither set project quotas nor attach loop devices"
        return Keeper(limit_bytes, "nothing", why)
    if has_quotas(directory):
        return Keeper(limit_bytes, "quota")
    objection = image.objection()
    if objection:
        why = f"the file system of {directory} has no project quotas, and there are {objection}"
        return Keeper(limit_bytes, "nothing", why)
    return Keeper(limit_bytes, "image")


def required(directory: Path, limit_bytes: int) -> Keeper:
    """As ``choose``, for who asks for that very limit.

    Raises:
        RuntimeFault: nothing here would keep it.
    """
    keeper = choose(directory, limit_bytes)
    if limit_bytes and keeper.how == "nothing":
        raise RuntimeFault(
            f"--disk {limit_bytes} cannot be enforced: {keeper.why}",
            hint="run as root, with TAREBENCH_STATE on a file system with project quotas",
        )
    return keeper


def _tolerant(action: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        with contextlib.suppress(OSError):
            action()

    return run


def _existing(directory: Path) -> Path:
    while not directory.is_dir() and directory != directory.parent:
        directory = directory.parent
    return directory
