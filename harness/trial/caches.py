"""Cold caches: what an arm whose name ends in ``cold`` begins with.

Before each of its boxes is asked for, and again before each time its command runs, everything that
need not be in memory is dropped: page cache, directory entries and inodes, of the host and, where
the box has a kernel of its own, of that kernel too.  It loses nothing, for only what is on disk is
dropped (``drop_caches``, Documentation/admin-guide/sysctl/vm.rst), but it is the whole host's, so
only a run that measures does it, and such a run is alone.

What was dropped is cold for the arms that come after, too: they are warmed before they are measured
(see harness.trial.trial).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from harness.errors import HarnessFault
from runtimes.agent.channel import Agent

DROP = Path("/proc/sys/vm/drop_caches")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
EVERYTHING = "3"
"""Page cache, and what the kernel remembers of directories and inodes."""
INSIDE_S = 120.0
_SCRIPT = f"sync && echo {EVERYTHING} > {DROP}"


class Caches(Protocol):
    """What holds data that is also on disk."""

    def drop(self) -> None:
        """Forget it on this host."""
        ...

    def drop_inside(self, agent: Agent) -> None:
        """Forget it in a box, where that has a kernel of its own."""
        ...


class NoCaches:
    """In a dry run: nothing is kept, nothing forgotten."""

    def drop(self) -> None:
        """See Caches."""

    def drop_inside(self, agent: Agent) -> None:
        """See Caches."""
        del agent


class HostCaches:
    """Of this host, and of guests on it."""

    def drop(self) -> None:
        """See Caches.  What is still to be written is written first: dirty pages are not dropped.

        Raises:
            HarnessFault: the kernel does not let us.
        """
        os.sync()
        try:
            DROP.write_text(EVERYTHING)
        except OSError as error:
            raise HarnessFault(
                f"cannot drop this host's caches: {error.strerror}",
                hint="cold arms need root and a writable /proc/sys/vm; leave them out",
            ) from None

    def drop_inside(self, agent: Agent) -> None:
        """See Caches.  A box with this host's kernel has no caches but this host's.

        Raises:
            HarnessFault: a guest that cannot, or a box that does not say which kernel it is on.
        """
        boot_id = agent.facts().get("boot_id")
        if boot_id == BOOT_ID.read_text().strip():
            return
        if boot_id is None:
            raise HarnessFault(
                "the box does not say which kernel it is on, so its caches may be warm",
                hint="leave its cold arm out",
            )
        done = agent.run(["/bin/sh", "-c", _SCRIPT], timeout_s=INSIDE_S)
        if done.status != 0:
            said = done.stderr.decode("utf-8", "replace").strip()[-200:]
            raise HarnessFault(f"the guest cannot drop its caches: {said or done.status}")
