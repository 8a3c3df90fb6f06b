"""The Docker SDK behind a narrow door: what we call, and its errors in our words.

This module imports the SDK, an optional extra; everything that must work without it
(registration, ``availability``) imports this module only when it is needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol, cast

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions

from runtimes.faults import RuntimeFault

TIMEOUT_S = 60
"""Longest silence of the daemon within one call, the import of an image excepted."""


class Client(Protocol):
    """What we use of ``docker.APIClient``.  Every answer is hostile: read it by ``field``."""

    def version(self) -> object:
        """GET /version."""

    def info(self) -> object:
        """GET /info."""

    def inspect_image(self, image: str) -> object:
        """GET /images/{}/json."""

    def images(self, *, filters: Mapping[str, object]) -> object:
        """GET /images/json."""

    def remove_image(self, image: str) -> object:
        """DELETE /images/{}."""

    def import_image_from_stream(
        self, stream: Iterable[bytes], *, repository: str, tag: str, changes: list[str]
    ) -> object:
        """POST /images/create?fromSrc=-."""

    def create_container_from_config(self, config: Mapping[str, object], name: str) -> object:
        """POST /containers/create."""

    def attach_socket(self, container: str, params: Mapping[str, int]) -> object:
        """POST /containers/{}/attach, hijacked."""

    def start(self, container: str) -> None:
        """POST /containers/{}/start."""

    def inspect_container(self, container: str) -> object:
        """GET /containers/{}/json."""

    def wait(self, container: str, timeout: float) -> object:
        """POST /containers/{}/wait."""

    def stop(self, container: str, timeout: int) -> None:
        """POST /containers/{}/stop."""

    def remove_container(self, container: str, *, v: bool, force: bool) -> None:
        """DELETE /containers/{}."""

    def containers(
        self,
        *,
        all: bool,  # noqa: A002  # the SDK's name
        filters: Mapping[str, object],
    ) -> object:
        """GET /containers/json."""

    def networks(self, *, filters: Mapping[str, object]) -> object:
        """GET /networks."""

    def remove_network(self, net_id: str) -> None:
        """DELETE /networks/{}."""

    def close(self) -> None:
        """Close the connections."""


def connect(address: str, *, timeout_s: int = TIMEOUT_S) -> Client:
    """Connect to the daemon at ``address`` (``unix://…``) and agree on an API version.

    Raises:
        RuntimeFault: nothing answers, or nothing that we understand.
    """
    with speaking(f"connect to the Docker daemon at {address}"):
        client = docker.APIClient(base_url=address, version="auto", timeout=timeout_s)
        return cast("Client", client)


def field(answer: object, *path: str) -> object:
    """What stands at ``path`` in an answer; ``None`` where it does not exist."""
    for key in path:
        if not isinstance(answer, dict):
            return None
        answer = answer.get(key)
    return answer


def text(answer: object, *path: str) -> str:
    """As ``field``, a string; empty where there is none."""
    value = field(answer, *path)
    return value if isinstance(value, str) else ""


def number(answer: object, *path: str) -> int:
    """As ``field``, an integer; 0 where there is none."""
    value = field(answer, *path)
    return value if isinstance(value, int) else 0


def items(answer: object) -> list[object]:
    """A list answer; empty where it is none."""
    return answer if isinstance(answer, list) else []


DAMAGED = (
    "part of the daemon's data root is gone, and with it a layer of the image; where the daemon is "
    "a run's own: invoke clean --cache"
)


@contextlib.contextmanager
def speaking(what: str, log_tail: Callable[[], str] = str) -> Iterator[None]:
    """Turn the SDK's errors into faults that say ``what`` failed.

    Args:
        what: the act and its object, e.g. ``start container tb-3fa9c1-7``.
        log_tail: last lines of the daemon's log, where we have it.

    Raises:
        RuntimeFault: the daemon refused (its words), or does not answer any more.
    """
    try:
        yield
    except docker.errors.APIError as error:
        words = str(error.explanation or error)[:2000]
        raise RuntimeFault(
            f"{what}: the Docker daemon refuses: {words}",
            hint=DAMAGED if "overlay mount" in words and "no such file" in words else "",
            tail=log_tail(),
        ) from error
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise RuntimeFault(
            f"{what}: the Docker daemon does not answer in time", tail=log_tail()
        ) from error
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
        # What the SDK falls over when an answer has another shape than it expects.
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise RuntimeFault(
            f"{what}: the Docker daemon is gone or speaks nonsense: {str(error)[:500]}",
            hint="is dockerd running?  See its log",
            tail=log_tail(),
        ) from error


def is_missing(error: RuntimeFault) -> bool:
    """Whether a fault from ``speaking`` means that the object does not exist."""
    return isinstance(error.__cause__, docker.errors.NotFound)


def is_refusal(error: RuntimeFault) -> bool:
    """Whether a fault from ``speaking`` is the daemon's answer, so that the daemon lives."""
    return isinstance(error.__cause__, docker.errors.APIError)
