"""Run as a plain user in a cgroup of its own: a box of ``ns`` with limits.  Tells as JSON.

``python -m tests.support.delegated_engine DIRECTORY``, with ``fs/`` as ``tiny_rootfs`` makes it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import sys
from pathlib import Path

from runtimes.base import InstanceSpec
from runtimes.linux import cgroups
from runtimes.linux.cgroups.v2 import V2
from runtimes.linux.ids import entering
from runtimes.ns.engine import prepared
from runtimes.resources import Limits
from tests.support.sites import held_testbed, site_of
from tests.support.tiny_rootfs import rootfs_in

RUN = secrets.token_hex(3)
LIMITS = Limits((max(os.sched_getaffinity(0)),), 0.5, 64 << 20, 77)


def main(where: Path) -> None:
    """One box from its start to its end."""
    entering.enter(lambda _: None)
    (where / "fs/root/volume").mkdir(exist_ok=True)
    with held_testbed(RUN) as bed:
        site = site_of(RUN, where, bed, rootfs_in(where / "fs"), limits=LIMITS)
        with prepared(site, frozenset({"default"})) as engine:
            box = engine.start(InstanceSpec(f"tb-{RUN}-0", "default", LIMITS, bed.lease(0)))
            box.agent.hello(20.0)
            box.pause()
            paused = box.group.frozen()
            box.resume()
            found = {
                "conditions": sorted(engine.conditions("default")),
                "limits": dataclasses.asdict(box.limits()),
                "paused": paused,
                "harness": Path("/proc/self/cgroup").read_text().strip(),
            }
            box.remove()
    hierarchy = cgroups.usable()
    assert isinstance(hierarchy, V2)
    found["left"] = [str(path) for path in hierarchy.root.iterdir() if path.is_dir()]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
