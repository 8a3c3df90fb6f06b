"""A host on which this user may make no cgroup: what can be had without.

CPUs are kept by affinity, which a box may change; there is no other limit and no account.  A box
is told by its PID namespace, which the kernel ends as a whole with its first process.  Nothing is
dropped silently: ``enforces`` is empty, and what is read back of a limit is that there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.linux.cgroups.processes import affinity, kill_all
from runtimes.linux.cgroups.specs import Account, Bounds, Creation
from runtimes.resources import LimitsRead

_PROC = Path("/proc")
_HINT = "run as root"


@dataclass(slots=True)
class Processes:
    """One box without a cgroup: every process of its PID namespace."""

    name: str
    _leader: int = field(default=0, init=False)
    _namespace: str = field(default="", init=False)

    def lead(self, pid: int) -> None:
        """The box's first process, once it is there."""
        self._leader, self._namespace = pid, _namespace(pid)

    def limits(self) -> LimitsRead:
        """See Group.  The CPUs on which any of its processes may run."""
        return LimitsRead(cpus=affinity(self.pids()), cpu_quota=None, memory_bytes=None)

    def cpu_ns(self) -> int | None:
        """See Group."""
        return None

    def memory_bytes(self) -> int | None:
        """See Group."""
        return None

    def memory_peak_bytes(self) -> int | None:
        """See Group."""
        return None

    def oom_kills(self) -> int:
        """See Group.  There is no limit to be killed for."""
        return 0

    def account(self) -> Account:
        """See Group."""
        return Account(
            cpu_ns=None,
            cpu_user_ns=None,
            cpu_system_ns=None,
            throttled_ns=None,
            memory_bytes=None,
            memory_peak_bytes=None,
            swap_bytes=None,
            oom_kills=0,
            pids=len(self.pids()),
            io_read_bytes=None,
            io_write_bytes=None,
            stalled_ns={},
        )

    def pids(self) -> tuple[int, ...]:
        """See Group."""
        if not self._namespace or _namespace(self._leader) != self._namespace:
            return ()  # with its first process all others have ended
        numbers = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
        return tuple(pid for pid in numbers if _namespace(pid) == self._namespace)

    def add(self, pid: int) -> None:
        """See Group."""
        raise self._impossible(f"take process {pid} in")

    def freeze(self) -> None:
        """See Group."""
        raise self._impossible("be paused")

    def thaw(self) -> None:
        """See Group."""
        raise self._impossible("be paused")

    def frozen(self) -> bool:
        """See Group."""
        return False

    def kill(self, timeout_s: float) -> None:
        """See Group."""
        kill_all(self.pids, timeout_s, f"box {self.name}")

    def remove(self) -> None:
        """See Group."""

    def _impossible(self, what: str) -> RuntimeFault:
        return RuntimeFault(f"box {self.name} cannot {what}: it has no cgroup", hint=_HINT)


def _namespace(pid: int) -> str:
    """Of processes that nobody but root may look into: none."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Absent:
    """Implements ``Hierarchy`` where none can be used."""

    why: str
    hint: str = _HINT
    """How to have cgroups all the same."""
    version: str = "none"

    @property
    def controllers(self) -> Mapping[str, Path] | None:
        """See Hierarchy."""
        return None

    @property
    def enforces(self) -> frozenset[str]:
        """See Hierarchy."""
        return frozenset()

    def prepare(self, run: str) -> None:
        """See Hierarchy."""

    def creation(self, run: str, name: str, bounds: Bounds) -> Creation:
        """See Hierarchy."""
        del run, name
        return Creation((), (), (), None, affinity=bounds.cpus)

    def group(self, run: str, name: str) -> Processes:
        """See Hierarchy."""
        del run
        return Processes(name)

    def release(self, run: str) -> None:
        """See Hierarchy."""

    def remove_all(self, run: str) -> list[str]:
        """See Hierarchy.  Boxes end with their harness: each hears the end of its lifeline."""
        del run
        return []
