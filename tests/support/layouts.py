"""Small image layouts for tests, and their documents changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.layer_trees import d, f, hard

from runtimes.images.layers.limits.rules import Rules
from runtimes.images.layers.store.store import LayerStore
from runtimes.standalone.image import documents, pull
from runtimes.standalone.image.documents import digest_of
from runtimes.standalone.image.image import host_architecture

FOREIGN = "arm64" if host_architecture() == "amd64" else "amd64"
BASE = [d("etc"), f("etc/hosts", b"h"), f("etc/passwd", b"p" * 5000)]
TOP = [f("etc/.wh.hosts"), hard("etc/again", "etc/passwd")]

Edit = Callable[[dict[str, Any]], object]


def bring(path: Path, store: LayerStore, **options: str | Rules) -> set[str]:
    """Pull; names that the image shows."""
    image = pull.pull(path, store, print, **options)  # type: ignore[arg-type]  # by name
    directories = store.lower_directories(image)
    return {str(p.relative_to(top)) for top in directories for p in top.rglob("*") if p.is_file()}


def replace_blob(layout: Path, raw: bytes, descriptor: dict[str, Any]) -> None:
    descriptor.update(digest=digest_of(raw), size=len(raw))
    (layout / "blobs/sha256" / descriptor["digest"][7:]).write_bytes(raw)


def edit(
    layout: Path,
    *,
    index: Edit | None = None,
    manifest: Edit | None = None,
    config: Edit | None = None,
) -> None:
    """Change documents of the first image, and every digest above them."""
    top = json.loads((layout / "index.json").read_bytes())
    entry = top["manifests"][0]
    inner = json.loads((layout / "blobs/sha256" / entry["digest"][7:]).read_bytes())
    settings_ = json.loads((layout / "blobs/sha256" / inner["config"]["digest"][7:]).read_bytes())
    if config:
        config(settings_)
        replace_blob(layout, json.dumps(settings_).encode(), inner["config"])
    if manifest:
        manifest(inner)
    replace_blob(layout, json.dumps(inner).encode(), entry)
    if index:
        index(top)
    (layout / "index.json").write_text(json.dumps(top))


def blob_files(layout: Path) -> list[Path]:
    return sorted((layout / "blobs/sha256").iterdir())


def with_layer(layout: Path, blob: bytes, diff: str, suffix: str = "+gzip") -> None:
    """Make ``blob`` the only layer, uncompressed called ``diff``."""

    def manifest(document: dict[str, Any]) -> None:
        del document["layers"][1:]
        document["layers"][0]["mediaType"] = documents.LAYER + suffix
        replace_blob(layout, blob, document["layers"][0])

    edit(
        layout,
        config=lambda config: config["rootfs"].update(diff_ids=[diff]),
        manifest=manifest,
    )
