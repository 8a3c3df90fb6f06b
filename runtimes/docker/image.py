"""The shared root filesystem as a Docker image: imported once, found again by its label."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runtimes.docker import api
from runtimes.docker.request import REPOSITORY, ROOTFS_LABEL, image_tag
from runtimes.faults import RuntimeFault
from runtimes.images.rootfs.rootfs import Rootfs

IMPORT_TIMEOUT_S = 900
_CHUNK_BYTES = 1 << 20
_REPORT_EVERY_NS = 2_000_000_000
_KEPT = 3
"""Images of ours that a private daemon keeps; older ones go."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the daemon."""

    identifier: str
    """``sha256:…`` of its configuration; containers are made from it, whatever the tag says."""
    rootfs: str
    """Digest of the root filesystem that it was made from, as its label says."""


def ensure(client: api.Client, address: str, rootfs: Rootfs, progress: Progress) -> Image:
    """The image of ``rootfs``, imported when the daemon does not have it.

    Raises:
        RuntimeFault: the daemon refuses or dies, or the image it shows is another one.
    """
    tag = image_tag(rootfs.digest)
    found = find(client, tag)
    if found is None or found.rootfs != rootfs.digest:
        _import(address, rootfs, tag, progress)
        found = find(client, tag)
    if found is None or found.rootfs != rootfs.digest:
        raise RuntimeFault(
            f"docker: {REPOSITORY}:{tag} does not carry the digest {rootfs.digest}",
            hint=f"remove it with: docker rmi {REPOSITORY}:{tag}",
        )
    return found


def find(client: api.Client, tag: str) -> Image | None:
    """Our image with this tag, if the daemon has one."""
    try:
        with api.speaking(f"look up image {REPOSITORY}:{tag}"):
            answer = client.inspect_image(f"{REPOSITORY}:{tag}")
    except RuntimeFault as error:
        if api.is_missing(error):
            return None
        raise
    identifier = api.text(answer, "Id")
    if not identifier:
        return None
    return Image(identifier, api.text(answer, "Config", "Labels", ROOTFS_LABEL))


def prune(client: api.Client) -> None:
    """Remove all but the newest of our images.  Only for a daemon that is ours alone."""
    with api.speaking("list images"):
        answer = client.images(filters={"label": ROOTFS_LABEL})
    ours = [entry for entry in api.items(answer) if api.text(entry, "Labels", ROOTFS_LABEL)]
    ours.sort(key=lambda entry: api.number(entry, "Created"), reverse=True)
    for entry in ours[_KEPT:]:
        with api.speaking("remove an old image"):
            client.remove_image(api.text(entry, "Id"))


def _import(address: str, rootfs: Rootfs, tag: str, progress: Progress) -> None:
    client = api.connect(address, timeout_s=IMPORT_TIMEOUT_S)
    try:
        with api.speaking(f"import {rootfs.archive} as {REPOSITORY}:{tag}"):
            answer = client.import_image_from_stream(
                pieces(rootfs.archive, progress),
                repository=REPOSITORY,
                tag=tag,
                changes=[f"LABEL {ROOTFS_LABEL}={rootfs.digest}"],
            )
    finally:
        client.close()
    complaint = import_error(answer)
    if complaint:
        raise RuntimeFault(f"import {rootfs.archive}: the Docker daemon refuses: {complaint}")


def pieces(archive: Path, progress: Progress) -> Iterator[bytes]:
    """The archive in pieces, with the share sent told to ``progress`` every two seconds."""
    total = max(1, archive.stat().st_size)
    sent, told_ns = 0, time.monotonic_ns()
    progress(f"docker: importing the root filesystem ({total >> 20} MiB)")
    with archive.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            yield piece
            sent += len(piece)
            if time.monotonic_ns() - told_ns > _REPORT_EVERY_NS:
                told_ns = time.monotonic_ns()
                progress(f"docker: importing the root filesystem ({100 * sent // total} %)")


def import_error(answer: object) -> str:
    """The daemon's complaint in an import's answer (JSON lines); empty where there is none."""
    if not isinstance(answer, str):
        return "its answer is no text"
    for line in answer.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            return f"its answer is no JSON: {line[:200]!r}"
        if isinstance(message, dict) and message.get("error"):
            return str(message["error"])[:2000]
    return ""
