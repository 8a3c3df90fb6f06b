"""Limit what a container can write: to the layer that Docker made for it, and to its volume.

Docker's own option (``storage-opt size``) is for XFS with project quotas only.  What it does there
is done here, on every file system that has them: the layer gets a project before anything is in
it.  Elsewhere an image is mounted over the layer's directory where the daemon sees it, which holds
what Docker had put there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runtimes import process
from runtimes.base import InstanceSpec
from runtimes.docker import api
from runtimes.docker.daemon import Daemon
from runtimes.faults import RuntimeFault
from runtimes.linux.disk import DISK_KIND, Keeper, Space, Spaces, Unlimited, choose, image, project

_MOUNT_S = 20.0
DRIVER = "overlay2"


@dataclass(frozen=True, slots=True)
class Limiter:
    """Of one daemon's containers."""

    daemon: Daemon
    keeper: Keeper
    """For directories of the daemon's data root."""
    state: Path
    """Where images are made."""

    def limited(self, spec: InstanceSpec, inspected: object, undo: contextlib.ExitStack) -> Spaces:
        """Limit a container that was created and has not been started.

        Raises:
            RuntimeFault: no space, no free device, or the daemon keeps layers elsewhere.
        """
        layer = layer_of(inspected)
        spaces = Spaces(self._layer(spec, layer, undo), self._volume(spec, undo))
        spaces.mounted()
        return spaces

    def _layer(self, spec: InstanceSpec, layer: Path, undo: contextlib.ExitStack) -> Space:
        if self.keeper.how == "quota":
            return self._projects(layer, undo)
        file = self.state / f"{spec.name}.disk"
        made = image.made(file, self.keeper.limit_bytes, contents=layer)
        undo.callback(_quietly, made.close)
        self._mount(made.device, layer, undo)
        return made

    def _projects(self, layer: Path, undo: contextlib.ExitStack) -> Space:
        made = project.limited(layer / "diff", self.keeper.limit_bytes)
        undo.callback(_quietly, made.close)
        made.extend(layer / "work")
        return made

    def _volume(self, spec: InstanceSpec, undo: contextlib.ExitStack) -> Space:
        if spec.volume is None:
            return Unlimited()
        made = self.keeper.space(spec.volume)
        undo.callback(_quietly, made.close)
        if made.device:
            self._mount(made.device, spec.volume, undo)
        return made

    def _mount(self, device: str, on: Path, undo: contextlib.ExitStack) -> None:
        self._where_the_daemon_is(["mount", "-t", DISK_KIND, device, str(on)])
        undo.callback(_quietly, lambda: self._unmount(on))

    def _unmount(self, on: Path) -> None:
        """Docker unmounts what is below a layer that it removes; both may be gone."""
        self._where_the_daemon_is(["umount", "--lazy", str(on)])

    def _where_the_daemon_is(self, argv: list[str]) -> None:
        mounts = f"--mount=/proc/{self.daemon.dockerd_pid()}/ns/mnt"
        process.run(["nsenter", mounts, *argv], timeout_s=_MOUNT_S)


def keeper_for(daemon: Daemon, data_root: Path, driver: str, limit_bytes: int) -> Keeper:
    """How the layers of a daemon that keeps them with ``driver`` in ``data_root`` are limited."""
    if limit_bytes and driver != DRIVER:
        why = f"Docker keeps layers with {driver or 'an unknown driver'}, not {DRIVER}"
        return Keeper(limit_bytes, "nothing", why)
    keeper = choose(data_root, limit_bytes)
    if keeper.how == "image" and not daemon.private:
        why = f"{data_root} has no project quotas, and nothing is mounted in a daemon not ours"
        return Keeper(limit_bytes, "nothing", why)
    return keeper


def layer_of(inspected: object) -> Path:
    """The directory of a container's own layer, as overlay2 has it.

    Raises:
        RuntimeFault: the daemon has another storage driver.
    """
    upper = Path(api.text(inspected, "GraphDriver", "Data", "UpperDir"))
    if not (upper.is_absolute() and upper.name == "diff" and upper.is_dir()):
        raise RuntimeFault(
            "a container of this Docker has no layer that could be limited",
            hint="let it use overlay2 (docker info: Storage Driver), or leave --disk out",
        )
    return upper.parent


def _quietly(action: Callable[[], None]) -> None:
    with contextlib.suppress(OSError, RuntimeFault):
        action()
