"""The daemon that serves a run, whoever's it is; and the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from runtimes.docker import locate
from runtimes.faults import RuntimeFault


class Daemon(Protocol):
    """What the engine needs to know of its daemon."""

    @property
    def address(self) -> str:
        """Engine API's address, ``unix://…``."""
        ...

    @property
    def private(self) -> bool:
        """Whether it is ours alone."""
        ...

    def pids(self) -> tuple[int, ...]:
        """dockerd and containerd."""
        ...

    def dockerd_pid(self) -> int:
        """dockerd alone; 0 where it cannot be told."""
        ...

    def alive(self) -> bool:
        """Whether it answers."""
        ...

    def restart(self) -> None:
        """Bring a dead daemon back.  Raises RuntimeFault where that is not ours to do."""
        ...

    def log_tail(self) -> str:
        """End of its log, where we have it.  Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class UserDaemon:
    """A daemon that was there before us: used, never started, stopped or configured."""

    address: str
    private: bool = False

    def pids(self) -> tuple[int, ...]:
        """dockerd and its containerd, as far as they can be told."""
        return locate.daemon_processes(locate.socket_path(self.address))

    def dockerd_pid(self) -> int:
        """dockerd, as far as it can be told."""
        return locate.dockerd_process(locate.socket_path(self.address))

    def alive(self) -> bool:
        """Whether it answers a ping."""
        return locate.answers(locate.socket_path(self.address))

    def restart(self) -> None:
        """Not ours to do.

        Raises:
            RuntimeFault: always.
        """
        raise RuntimeFault(
            f"the Docker daemon at {self.address} does not answer any more",
            hint="it is yours, so it is not restarted here; see its log",
        )

    def log_tail(self) -> str:
        """The user's log is not ours to look for."""
        return ""
