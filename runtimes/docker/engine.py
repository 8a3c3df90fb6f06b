"""The prepared Docker backend: a daemon, an image, and containers made from it."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runtimes import directories
from runtimes.agent.channel import Agent
from runtimes.base import InstanceSpec, Site
from runtimes.docker import api, image, limiting, locate, ours
from runtimes.docker.attach import AttachStream
from runtimes.docker.daemon import Daemon, UserDaemon
from runtimes.docker.instance import DockerInstance
from runtimes.docker.limiting import Limiter
from runtimes.docker.private import private_daemon
from runtimes.docker.request import Place, container_config
from runtimes.docker.starting import Starting
from runtimes.faults import RuntimeFault
from runtimes.linux.disk import Spaces


@dataclass(slots=True)
class DockerEngine:
    """Starts containers until its context ends."""

    run: str
    daemon: Daemon
    client: api.Client
    image: image.Image
    place: Place
    data_root: Path
    versions: Mapping[str, str]
    limiter: Limiter

    def start(self, spec: InstanceSpec) -> DockerInstance:
        """Create, attach, start; return at the first byte or the daemon's answer."""
        config = container_config(spec, run=self.run, image=self.image.identifier, place=self.place)
        marks: dict[str, int] = {}
        with contextlib.ExitStack() as undo:
            identifier = self._create(spec, config)
            undo.callback(self._discard, identifier)
            marks["created"] = time.monotonic_ns()
            held = undo.enter_context(contextlib.ExitStack())
            spaces = self._limited(spec, identifier, held)
            stream = self._attach(spec, identifier)
            undo.callback(stream.close)
            marks["attached"] = time.monotonic_ns()
            starting = Starting(lambda: self._start(spec, identifier, marks))
            undo.callback(starting.close)
            starting.first_sign(stream)
            undo.pop_all()
        return DockerInstance(
            spec=spec,
            client=self.client,
            daemon=self.daemon,
            place=self.place,
            data_root=self.data_root,
            identifier=identifier,
            stream=stream,
            starting=starting,
            agent=Agent(stream),
            marks=marks,
            spaces=spaces,
            held=held,
        )

    def daemon_pids(self) -> tuple[int, ...]:
        """dockerd and its containerd."""
        return self.daemon.pids()

    def conditions(self, profile: str) -> frozenset[str]:
        """A container is never emulated."""
        del profile
        return self.limiter.keeper.conditions

    def bits(self) -> Mapping[str, str]:
        """The image's label, and the image's own digest."""
        return {"rootfs": self.image.rootfs, "image": self.image.identifier}

    def _create(self, spec: InstanceSpec, config: Mapping[str, object]) -> str:
        """Create the container; a daemon that died since the last trial is restarted first."""
        try:
            return self._ask_to_create(spec, config)
        except RuntimeFault as fault:
            if api.is_refusal(fault) or self.daemon.alive():
                raise
        self.daemon.restart()
        ours.remove_every_container(self.client)
        return self._ask_to_create(spec, config)

    def _ask_to_create(self, spec: InstanceSpec, config: Mapping[str, object]) -> str:
        with api.speaking(f"create container {spec.name}", self.daemon.log_tail):
            answer = self.client.create_container_from_config(config, spec.name)
        identifier = api.text(answer, "Id")
        if not identifier.isalnum():
            raise RuntimeFault(f"create container {spec.name}: Docker names no container")
        return identifier

    def _limited(self, spec: InstanceSpec, identifier: str, held: contextlib.ExitStack) -> Spaces:
        if not self.limiter.keeper.keeps:
            return Spaces()
        with api.speaking(f"inspect container {spec.name}", self.daemon.log_tail):
            inspected = self.client.inspect_container(identifier)
        return self.limiter.limited(spec, inspected, held)

    def _attach(self, spec: InstanceSpec, identifier: str) -> AttachStream:
        wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with api.speaking(f"attach to container {spec.name}", self.daemon.log_tail):
            answer = self.client.attach_socket(identifier, wanted)
            return AttachStream(own_socket(answer))

    def _start(self, spec: InstanceSpec, identifier: str, marks: dict[str, int]) -> None:
        with api.speaking(f"start container {spec.name}", self.daemon.log_tail):
            self.client.start(identifier)
        marks["started"] = time.monotonic_ns()

    def _discard(self, identifier: str) -> None:
        with (
            contextlib.suppress(RuntimeFault),
            api.speaking("remove a container that did not start"),
        ):
            self.client.remove_container(identifier, v=True, force=True)


def own_socket(answer: object) -> socket.socket:
    """A socket of our own for the connection that the SDK hijacked.

    The SDK hands out the reader inside its HTTP response, whose life hangs on that response;
    a duplicate descriptor does not.  Nothing can be lost in the reader's buffer: the container
    has not started yet.

    Raises:
        RuntimeFault: the SDK returned something without a descriptor.
    """
    fileno, theirs = getattr(answer, "fileno", None), getattr(answer, "_sock", None)
    if fileno is None:
        raise RuntimeFault(f"attach: the Docker SDK returned a {type(answer).__name__}")
    connection = socket.socket(fileno=os.dup(fileno()))
    # The SDK would leave its own descriptor to the garbage collector.
    for handle in (answer, theirs):
        getattr(handle, "close", lambda: None)()
    return connection


@contextlib.contextmanager
def prepared(site: Site) -> Iterator[DockerEngine]:
    """Daemon, image and network place for a run.

    Raises:
        RuntimeFault: no daemon, or it refuses.
    """
    with contextlib.ExitStack() as stack:
        daemon = _daemon(site, stack)
        client = api.connect(daemon.address)
        stack.callback(client.close)
        if daemon.private:
            ours.remove_every_container(client)
        else:
            stack.callback(_remove_ours, client, site.run)
        made = image.ensure(client, daemon.address, site.rootfs, site.progress)
        if daemon.private:
            image.prune(client)
        with api.speaking("ask Docker for its versions"):
            version, info = client.version(), client.info()
        address = site.network.host_address if daemon.private else site.network.root_uplink()
        data_root = Path(api.text(info, "DockerRootDir") or "/var/lib/docker")
        keeper = limiting.keeper_for(
            daemon, data_root, api.text(info, "Driver"), site.limits.disk_bytes
        )
        yield DockerEngine(
            run=site.run,
            daemon=daemon,
            client=client,
            image=made,
            place=Place(address),
            data_root=data_root,
            versions=versions(version, info),
            limiter=Limiter(daemon, keeper, site.state),
        )


def versions(version: object, info: object) -> dict[str, str]:
    """What run.json says of the engines, from the daemon's two answers."""
    found = {
        "dockerd": api.text(version, "Version"),
        "api": api.text(version, "ApiVersion"),
        "storage_driver": api.text(info, "Driver"),
        "cgroup_driver": api.text(info, "CgroupDriver"),
        "cgroup_version": api.text(info, "CgroupVersion"),
        "default_runtime": api.text(info, "DefaultRuntime"),
    }
    for component in api.items(api.field(version, "Components")):
        name = api.text(component, "Name")
        if name in ("containerd", "runc"):
            found[name] = api.text(component, "Version")
    return {name: value[:80] for name, value in found.items() if value}


def _daemon(site: Site, stack: contextlib.ExitStack) -> Daemon:
    address = locate.choose(site.options, os.environ)
    if address is None:
        return stack.enter_context(private_daemon(site))
    directories.closed(site.state)
    (site.state / locate.ADDRESS_FILE).write_text(address)
    stack.callback((site.state / locate.ADDRESS_FILE).unlink, missing_ok=True)
    site.progress(f"docker: using the daemon at {address}")
    return UserDaemon(address)


def _remove_ours(client: api.Client, run: str) -> None:
    with contextlib.suppress(RuntimeFault):
        ours.remove(client, run)
