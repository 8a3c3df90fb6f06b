"""What was before: written and synced before anything is changed, removed when all is back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from harness.errors import HarnessFault
from harness.host.tuning.setting import Form, permitted

PLACE = Path("/var/lib/tarebench-undo.json")
"""One for the host, since its settings are: not in a state directory, which ``invoke clean``
removes and the environment moves; not on a tmpfs, which does not survive a power cut."""
VERSION = 1
LONGEST_BYTES = 4 << 20
HINT = "look at it; set what it names by hand, then remove it"


@dataclass(frozen=True, slots=True)
class Original:
    """One setting as it was."""

    subject: str
    path: str
    value: str
    form: Form


@dataclass(frozen=True, slots=True)
class Undo:
    """Everything that was changed since ``tuned_utc``, in the order in which it was."""

    boot_id: str
    """Of the boot in which it was changed: none of it survives the next one."""
    tuned_utc: str
    originals: tuple[Original, ...]

    def with_more(self, more: tuple[Original, ...]) -> Undo:
        """With settings that were not known yet; a value once noted is never replaced."""
        known = {each.path for each in self.originals}
        fresh = tuple(each for each in more if each.path not in known)
        return replace(self, originals=(*self.originals, *fresh))


@dataclass(frozen=True, slots=True)
class UndoFile:
    """Where it stands on disk."""

    path: Path = PLACE

    def load(self) -> Undo | None:
        """What stands there; None where there is no such file.

        Raises:
            HarnessFault: it is damaged, or names a file that tuning never writes.
        """
        try:
            with self.path.open("rb") as file:
                data = file.read(LONGEST_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HarnessFault(f"{self.path}: {error.strerror}", hint=HINT) from None
        try:
            return _decoded(json.loads(data))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise HarnessFault(f"{self.path} is damaged: {error}", hint=HINT) from None

    def save(self, undo: Undo) -> None:
        """Write it whole or not at all; durable on return.

        Raises:
            HarnessFault: it cannot be written, so nothing may be changed.
        """
        draft = self._draft()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("w", encoding="utf-8") as file:
                json.dump({"version": VERSION, **asdict(undo)}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
            self._sync()
        except OSError as error:
            raise HarnessFault(
                f"{self.path}: {error.strerror}",
                hint="nothing is changed without it: make room, or run as root",
            ) from None

    def remove(self) -> None:
        """All is as it was."""
        self._draft().unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self._sync()

    def _draft(self) -> Path:
        return self.path.with_name(self.path.name + ".new")

    def _sync(self) -> None:
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _decoded(document: Mapping[str, Any]) -> Undo:
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']!r} is not {VERSION}")
    return Undo(
        boot_id=_text(document["boot_id"]),
        tuned_utc=_text(document["tuned_utc"]),
        originals=tuple(_original(each) for each in document["originals"]),
    )


def _original(entry: Mapping[str, Any]) -> Original:
    path, form = _text(entry["path"]), entry["form"]
    if not permitted(path):
        raise ValueError(f"{path[:80]!r} is no file that is ever tuned")
    if form not in get_args(Form):
        raise ValueError(f"{form!r} is no form of a value")
    return Original(_text(entry["subject"]), path, _text(entry["value"]), form)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > 4096:
        raise ValueError(f"{str(value)[:80]!r} is no text")
    return value
