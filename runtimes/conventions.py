"""Names, labels, paths and the port that every runtime's boxes share."""

from __future__ import annotations

PREFIX = "tb"
"""Every interface, domain, container and netns that we make is named ``tb-…`` or ``tb<run>…``."""

LABEL = "io.tarebench.run"
"""The label on every Docker object that we make; its value is the run's short id."""

CGROUP_PARENT = "tarebench"
"""The one directory, in each cgroup hierarchy, below which all of ours are."""

AGENT_PATH = "/opt/tarebench/agent"
"""The agent inside every box, from the shared root filesystem."""

VOLUME_PATH = "/volume"
"""Where a box has its volume, if it was given one: writable, not on its own root."""

ROOT_SCRATCH = "/var/tmp"  # noqa: S108  # in the box
"""A directory on the box's own root where work may write; natively, one of the host's disk."""

BOX_PORT = 8080
"""Where a server inside a box listens; published on the host side as ``Lease.port``."""
