"""A Docker daemon's client that remembers what it was asked for, and lies on request."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from runtimes.base import Lease, Network, Site
from runtimes.docker.request import ROOTFS_LABEL
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.resources import Limits

DIGEST = "sha256:" + "ab" * 32


def labelled(digest: str) -> dict[str, object]:
    """An image as Docker describes it."""
    return {"Id": "sha256:1", "Config": {"Labels": {ROOTFS_LABEL: digest}}}


@dataclass(slots=True)
class FakeClient:
    """Implements ``runtimes.docker.api.Client``."""

    calls: list[tuple[str, object]] = field(default_factory=list)
    container_list: object = field(default_factory=list)
    network_list: object = field(default_factory=list)
    image: object = field(default_factory=lambda: labelled(DIGEST))
    image_after_import: object = field(default_factory=lambda: labelled(DIGEST))
    import_answer: object = '{"status": "sha256:1"}\n'
    image_list: object = field(default_factory=list)
    inspected: object = field(default_factory=dict)
    created: object = field(default_factory=lambda: {"Id": "c0ffee"})
    create_errors: list[Exception] = field(default_factory=list)
    """What the next calls of create fail with."""
    start_error: Exception | None = None
    first_bytes: bytes = b""
    their_socket: socket.socket | None = None

    def version(self) -> object:
        return {"Version": "20.10.24", "Components": [{"Name": "runc", "Version": "1.1.5"}, 7]}

    def info(self) -> object:
        return {"Driver": "overlay2", "DockerRootDir": "/nowhere"}

    def inspect_image(self, image: str) -> object:
        self.calls.append(("inspect_image", image))
        if isinstance(self.image, Exception):
            raise self.image
        return self.image

    def images(self, *, filters: Mapping[str, object]) -> object:
        self.calls.append(("images", filters))
        return self.image_list

    def remove_image(self, image: str) -> object:
        self.calls.append(("remove_image", image))
        return []

    def import_image_from_stream(
        self, stream: Iterable[bytes], *, repository: str, tag: str, changes: list[str]
    ) -> object:
        self.calls.append(("import", (b"".join(stream), repository, tag, changes)))
        self.image = self.image_after_import
        return self.import_answer

    def create_container_from_config(self, config: Mapping[str, object], name: str) -> object:
        self.calls.append(("create", (name, config)))
        if self.create_errors:
            raise self.create_errors.pop(0)
        return self.created

    def attach_socket(self, container: str, params: Mapping[str, int]) -> object:
        self.calls.append(("attach", (container, params)))
        ours, self.their_socket = socket.socketpair()
        return ours

    def start(self, container: str) -> None:
        self.calls.append(("start", container))
        if self.first_bytes and self.their_socket is not None:
            self.their_socket.sendall(self.first_bytes)
        if self.start_error is not None:
            raise self.start_error

    def inspect_container(self, container: str) -> object:
        self.calls.append(("inspect", container))
        return self.inspected

    def wait(self, container: str, timeout: float) -> object:
        self.calls.append(("wait", (container, timeout)))
        return {"StatusCode": 0}

    def stop(self, container: str, timeout: int) -> None:
        self.calls.append(("stop", (container, timeout)))

    def remove_container(self, container: str, *, v: bool, force: bool) -> None:
        self.calls.append(("remove", (container, v, force)))

    def containers(
        self,
        *,
        all: bool,  # noqa: A002  # the SDK's name
        filters: Mapping[str, object],
    ) -> object:
        self.calls.append(("containers", (all, filters)))
        return self.container_list

    def networks(self, *, filters: Mapping[str, object]) -> object:
        self.calls.append(("networks", filters))
        return self.network_list

    def remove_network(self, net_id: str) -> None:
        self.calls.append(("remove_network", net_id))

    def close(self) -> None:
        if self.their_socket is not None:
            self.their_socket.close()

    def named(self, name: str) -> list[object]:
        """Arguments of every call of ``name``."""
        return [argument for called, argument in self.calls if called == name]


LIMITS = Limits(cpus=(0, 1), cpu_quota=1.5, memory_bytes=512 << 20)
LEASE = Lease(slot=3, address="198.19.0.5", mac="02:7b:00:00:00:05", port=20003)


def site(**changes: object) -> Site:
    """A site for code that looks at little of it."""
    values: dict[str, object] = {
        "run": "3fa9c1",
        "rootfs": cast("Rootfs", None),
        "network": cast("Network", None),
        "limits": LIMITS,
        "progress": lambda _: None,
    }
    return Site(**{**values, **changes})  # type: ignore[arg-type]  # a test's shorthand
