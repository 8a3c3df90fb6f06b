"""Where a private daemon keeps its things, and the command lines that say so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from runtimes.conventions import CGROUP_PARENT

RUN_DIRECTORY = Path("/run")
"""Sockets and process state: short paths (a socket's is at most 107 bytes), gone at boot."""

_TRUST_KEY_UNTIL = 23
"""Engines before 23.0 write /etc/docker/key.json unless told another place."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one private daemon and its containerd."""

    run: str
    state: Path
    """Configuration and logs; removed with the run."""
    data_root: Path
    """Images and containers; kept between runs where it is in the cache."""
    networked: bool = True
    """Containers are to have a bridge; a daemon that only imports images has none."""

    @property
    def directory(self) -> Path:
        """``/run/tb-<run>-docker``: all that the daemons have open while they run."""
        return runtime_directory(self.run)

    @property
    def socket(self) -> Path:
        """Where the Engine API answers."""
        return self.directory / "docker.sock"

    @property
    def address(self) -> str:
        """The Engine API's address for the SDK."""
        return f"unix://{self.socket}"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd answers."""
        return self.directory / "containerd.sock"

    @property
    def dockerd_log(self) -> Path:
        """Output of dockerd."""
        return self.state / "dockerd.log"

    @property
    def containerd_log(self) -> Path:
        """Output of containerd."""
        return self.state / "containerd.log"

    @property
    def trust_key(self) -> Path:
        """A key that old engines make and that nothing of ours uses."""
        return self.state / "key.json"

    def forget(self) -> None:
        """Remove what is in the run's state, once the daemons have ended."""
        for file in (self.dockerd_log, self.containerd_log, self.trust_key):
            file.unlink(missing_ok=True)


def runtime_directory(run: str) -> Path:
    """Where the private daemon of ``run`` has its sockets; also what its processes are known by."""
    return RUN_DIRECTORY / f"tb-{run}-docker"


def cgroup_parent(run: str) -> str:
    """Below which, in each hierarchy, the containers of a private daemon are."""
    return f"/{CGROUP_PARENT}/{run}/docker"


def containerd_config(layout: Layout) -> str:
    """containerd's configuration: everything in our own places, no CRI, nothing in /opt."""
    quoted = {
        "root": json.dumps(str(layout.data_root / "containerd")),
        "state": json.dumps(str(layout.directory / "containerd")),
        "address": json.dumps(str(layout.containerd_socket)),
    }
    return f"""\
version = 2
root = {quoted["root"]}
state = {quoted["state"]}
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = {quoted["address"]}
"""


def dockerd_config(layout: Layout, major: int) -> str:
    """dockerd's configuration file; also keeps it from reading the user's own."""
    if major >= _TRUST_KEY_UNTIL:
        return "{}\n"
    return json.dumps({"deprecated-key-path": str(layout.trust_key)}) + "\n"


def containerd_argv(layout: Layout, netns: Path) -> list[str]:
    """Command line of the private containerd, in ``netns`` and a mount namespace of its own.

    Mounts in there (container roots, namespace files) are invisible to the host and vanish with
    the daemons, however these end; mounts of the host still reach them.  ``ip netns exec`` is
    no choice: it mounts a new /sys, without the host's control groups.
    """
    return [
        *("nsenter", f"--net={netns}"),
        *("unshare", "--mount", "--propagation", "slave"),
        *("containerd", "--config", str(layout.directory / "containerd.toml")),
    ]


def dockerd_argv(layout: Layout, netns: Path, mtu: int, containerd_pid: int) -> list[str]:
    """Command line of the private dockerd, in ``netns`` and its containerd's mount namespace.

    Theirs must be the same: the one mounts the roots that the other starts containers in.
    """
    return [
        *("nsenter", f"--net={netns}", f"--mount=/proc/{containerd_pid}/ns/mnt"),
        "dockerd",
        f"--config-file={layout.directory / 'daemon.json'}",
        f"--host={layout.address}",
        f"--containerd={layout.containerd_socket}",
        f"--data-root={layout.data_root}",
        f"--exec-root={layout.directory / 'exec'}",
        f"--pidfile={layout.directory / 'dockerd.pid'}",
        "--exec-opt=native.cgroupdriver=cgroupfs",
        f"--cgroup-parent={cgroup_parent(layout.run)}",
        f"--mtu={mtu}",
        *([] if layout.networked else ["--bridge=none", "--iptables=false", "--ip-forward=false"]),
    ]
