"""A store and a layout for every test here."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.layouts import (
    BASE,
    TOP,
)

from runtimes.images.layers.store.store import LayerStore
from runtimes.standalone.image import pack


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "store", marks="user", durable=False)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A layout with one image of two layers."""
    pack.pack([BASE, TOP], tmp_path / "layout", pack.Description("one"), "none")
    return tmp_path / "layout"
