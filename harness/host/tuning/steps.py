"""Tune a host, and put it back.

The order is what makes it safe: what was is on disk before anything is written, so whenever this
is killed, ``restore`` finds all that may have been changed.  Both may be repeated at will.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from harness.host.tuning.catalogue import ABSENT, STAGES, Place, Stage, balanced
from harness.host.tuning.change import Change, State
from harness.host.tuning.isolation import boot_id
from harness.host.tuning.kernel_files import Tree
from harness.host.tuning.setting import Setting
from harness.host.tuning.undo import Original, Undo, UndoFile


def tune(
    tree: Tree,
    file: UndoFile,
    *,
    now_utc: str,
    harness_cpus: Callable[[], frozenset[int]],
    stages: Sequence[Stage] = STAGES,
) -> list[Change]:
    """Set what can be set, and read it back.

    Args:
        tree: the host.
        file: where what was is kept.
        now_utc: time, for the file.
        harness_cpus: CPUs for interrupts, asked after every stage: an earlier one may switch
            CPUs off.
        stages: what is tuned.

    Raises:
        HarnessFault: the undo file is damaged or cannot be written; then nothing is changed.
    """
    undo = file.load()
    if undo is None or undo.boot_id != boot_id(tree):  # what an earlier boot had is gone with it
        undo = Undo(boot_id(tree), now_utc, ())
    changes = []
    for stage in stages:
        settings = list(stage(Place(tree, harness_cpus())))
        more = undo.with_more(tuple(_originals(tree, settings)))
        if more != undo:
            file.save(more)
            undo = more
        changes += [_applied(tree, setting) for setting in settings]
    found = {change.subject for change in changes}
    lacking = [subject for subject in ABSENT if subject not in found]
    changes += [Change(each, "absent", "", "", ABSENT[each], ()) for each in lacking]
    if "IRQ affinity" in found and balanced(tree):
        why = "irqbalance is running and will move them back: stop it while measuring"
        changes.append(Change("IRQ affinity", "refused", "", "", why, ()))
    return changes


def restore(tree: Tree, file: UndoFile) -> list[Change]:
    """Put back what was, read it back, and forget about it once all of it is.

    Raises:
        HarnessFault: the undo file is damaged.
    """
    undo = file.load()
    if undo is None:
        return []
    if undo.boot_id != boot_id(tree):
        file.remove()
        why = "the host was booted since: nothing of it was left to put back"
        return [Change(each.subject, "gone", "", "", why, (each.path,)) for each in undo.originals]
    changes = [_restored(tree, original) for original in undo.originals]
    if not any(change.state == "refused" for change in changes):
        file.remove()
    return changes


def _originals(tree: Tree, settings: Sequence[Setting]) -> Iterator[Original]:
    """Of those that will be written: what is as wanted already needs no undoing."""
    for setting in settings:
        value = setting.read(tree)
        if value is not None and not setting.holds(tree, setting.wanted):
            yield Original(setting.subject, setting.path, value, setting.form)


def _applied(tree: Tree, setting: Setting) -> Change:
    was = setting.read(tree)
    if was is None:
        return _change(setting, "gone", "", "", "there is no such file any more")
    if setting.holds(tree, setting.wanted):
        return _change(setting, "already", was, was)
    why = _written(tree, setting, setting.wanted)
    return _change(setting, "refused" if why else "changed", was, setting.read(tree) or "", why)


def _restored(tree: Tree, original: Original) -> Change:
    setting = Setting(original.subject, original.path, original.value, original.form)
    was = setting.read(tree)
    if was is None:
        return _change(setting, "gone", "", "", "there is no such file any more")
    if setting.holds(tree, original.value):
        return _change(setting, "already", was, was)
    why = _written(tree, setting, original.value)
    return _change(setting, "refused" if why else "restored", was, setting.read(tree) or "", why)


def _written(tree: Tree, setting: Setting, value: str) -> str:
    """Why the file does not hold ``value`` now; empty where it does."""
    try:
        tree.write(setting.path, value)
    except OSError as error:
        return f"the kernel refuses {value}: {os.strerror(error.errno or 0)}"
    if setting.holds(tree, value):
        return ""
    return f"{value} was written and {setting.read(tree)} is read back"


def _change(setting: Setting, state: State, was: str, now: str, why: str = "") -> Change:
    return Change(setting.subject, state, was, now, why, (setting.path,))
