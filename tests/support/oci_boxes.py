"""Boxes of ``ns`` on paper, and their OCI configurations."""

from __future__ import annotations

from pathlib import Path

from runtimes.linux.cgroups.specs import Bounds
from runtimes.linux.cgroups.v1 import V1
from runtimes.linux.cgroups.v2 import V2
from runtimes.linux.ids.maps import BoxIds, Extent
from runtimes.ns.build import Attachment, Box
from runtimes.ns.mounts.mount_plan import BoxPaths
from runtimes.ns.profile import PROFILES
from runtimes.oci.configuration import Configuration
from runtimes.oci.describe import describe

IDS = BoxIds((Extent(0, 100_000, 65_536),), (Extent(0, 100_000, 65_536),))
V1_HOST = V1({"cpuset": Path("/c/cpuset"), "cpu": Path("/c/cpu"), "memory": Path("/c/memory")})
V2_HOST = V2(Path("/c"))
BOUNDS = Bounds((0, 1, 3), 1.5, 64 << 20)
ATTACHMENT = Attachment(
    Path("/run/netns/host"), "tb0", "tbx1", "198.19.0.2", 24, "198.19.0.1", "02:00:00:00:00:02",
    1500,
)  # fmt: skip
FILTER = b"\x06\0\0\0\0\0\xff\x7f"
SETTLED = sorted(set(PROFILES) - {"timens"})
"""Profiles that the installed runtimes know; time namespaces came with specification 1.1."""


def box(profile: str = "default", host: V1 | V2 = V1_HOST) -> Box:
    """A box of one profile."""
    return Box(
        profile=PROFILES[profile],
        hostname="tb-1",
        places=BoxPaths(Path("/state/tb-1"), Path("/state/stage")),
        ids=IDS,
        argv=("/agent", "-x"),
        environment={"PATH": "/bin", "HOME": "/root"},
        creation=host.creation("run", "tb-1", BOUNDS),
        controllers=host.controllers,
        attachment=ATTACHMENT,
        lifeline_fd=10,
        filter=FILTER,
    )


def configuration(profile: str = "default") -> Configuration:
    """Its configuration."""
    return describe(
        box(profile), Path("/state/stage/root"), bounds=BOUNDS, cgroups_path="/tarebench/run/tb-1"
    )
