"""Settings of the host that make measuring steadier: applied, verified, undone."""

from harness.tuning.change import Change, summarised
from harness.tuning.steps import boot_id, restore, tune
from harness.tuning.tree import Tree
from harness.tuning.undo import PLACE, Undo, UndoFile

__all__ = [
    "PLACE",
    "Change",
    "Tree",
    "Undo",
    "UndoFile",
    "boot_id",
    "restore",
    "summarised",
    "tune",
]
