"""Run as a plain user: the engines of a run, without root.  Tells what it found as JSON.

``python -m tests.support.rootless_engine DIRECTORY``, where DIRECTORY holds ``fs/`` as
``tiny_rootfs`` makes it and is the user's own.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from runtimes.base import InstanceSpec, Site
from runtimes.faults import RuntimeFault
from runtimes.launcher.instance import LaunchedInstance
from runtimes.linux.ids import entering
from runtimes.native import NativeRuntime, peer_agent
from runtimes.ns.engine import NamespaceEngine
from runtimes.ns.engine import prepared as ns
from runtimes.resources import Limits
from tests.support.sites import held_testbed, site_of
from tests.support.tiny_rootfs import rootfs_in

RUN = secrets.token_hex(3)
CPU = max(os.sched_getaffinity(0))
LIMITS = Limits((CPU,), 1.0, 64 << 20)
PROFILES = frozenset({"default", "host-net", "no-userns"})
BUSYBOX = "/bin/busybox"
S = 10.0


def look(site: Site, box: LaunchedInstance) -> dict[str, Any]:
    """What one box can do, and how it is held."""
    agent = box.agent
    agent.hello(S)
    agent.run([BUSYBOX, "httpd", "-p", "8080", "-h", "/opt/tarebench"], timeout_s=S)
    address, port = box.address()
    url = f"http://{address}:{port}/rootfs.digest"
    with peer_agent(replace(site, state=site.state / "peer"), (CPU,)) as peer:
        answer = peer.run([BUSYBOX, "wget", "-qO-", url], timeout_s=S).stdout.decode()
    seen: dict[str, Any] = {
        "cpus": box.limits().cpus,
        "memory": box.limits().memory_bytes,
        "pids": len(box.stats().pids),
        "reached": answer.strip() == site.rootfs.digest,
    }
    try:
        box.pause()
    except RuntimeFault as fault:
        seen["pause"] = str(fault)
    agent.run([BUSYBOX, "taskset", "-p", "ffffff", "1"], timeout_s=S)
    agent.run([BUSYBOX, "sh", "-c", "taskset -p ffffff $PPID"], timeout_s=S)
    seen["cpus_after"] = box.limits().cpus
    return seen


def added(engine: NamespaceEngine, box: LaunchedInstance) -> str:
    """What a further program in the box says."""
    out, into = os.pipe()
    try:
        program = engine.execute(box, [BUSYBOX, "sh", "-c", "id -u; hostname"], stdout=into)
    finally:
        os.close(into)
    with os.fdopen(out) as said:
        text = said.read()
    assert program.wait(S) == 0
    return text


def tell(words: str) -> None:
    """What the user is told."""
    sys.stderr.write(f"{words}\n")


def main(where: Path) -> None:
    """Everything, in one go."""
    entering.enter(tell)
    found: dict[str, Any] = {}
    (where / "fs/root/volume").mkdir(exist_ok=True)
    with held_testbed(RUN) as bed:
        site = site_of(RUN, where, bed, rootfs_in(where / "fs"), limits=LIMITS)
        volume = where / "volume"
        with ns(replace(site, state=site.state / "ns"), PROFILES) as engine:
            for number, profile in enumerate(sorted(PROFILES)):
                spec = InstanceSpec(f"tb-{RUN}-{number}", profile, LIMITS, bed.lease(number))
                volume.mkdir()
                box = engine.start(replace(spec, volume=volume))
                found[profile] = look(site, box)
                found[profile]["added"] = added(engine, box).split()
                box.agent.run([BUSYBOX, "touch", "/volume/made"], timeout_s=S)
                found[profile]["volume"] = (volume / "made").exists()
                box.remove()
                (volume / "made").unlink()
                volume.rmdir()
            again = engine.start(replace(spec, profile="default"))  # after the launcher came home
            again.agent.hello(S)
            again.remove()
        with NativeRuntime().prepare(replace(site, state=site.state / "native"), PROFILES) as bare:
            box = bare.start(InstanceSpec(f"tb-{RUN}-9", "default", LIMITS, bed.lease(9)))
            assert isinstance(box, LaunchedInstance)
            found["native"] = look(site, box)
            found["conditions"] = sorted(bare.conditions("default"))
            box.remove()
    left = [str(path) for path in (where / "state").rglob("*") if not path.is_dir()]
    found["left"] = left + [name for _, name in socket.if_nameindex() if RUN in name]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
