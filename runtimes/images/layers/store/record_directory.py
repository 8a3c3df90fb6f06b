"""A directory of the layer store with a record for each name."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, Literal
from urllib.parse import unquote

from runtimes.faults import RuntimeFault
from runtimes.images.layers.store import records as catalogue
from runtimes.images.layers.store.records import Damaged, Named, file_name


class RecordDirectory(Generic[Named]):
    """Records of one kind.

    Args:
        home: the directory; made with ``make``.
        record: their type.
        kind: their word.
        durable: whether a record is on disk when ``put`` returns.
    """

    def __init__(
        self, home: Path, record: type[Named], kind: Literal["image", "use"], *, durable: bool
    ) -> None:
        self.home, self._kind, self._durable = home, kind, durable
        self._record: type[Named] = record

    def make(self) -> None:
        """Make the directory, where it is missing.

        Raises:
            OSError: it cannot be made.
        """
        self.home.mkdir(exist_ok=True)

    def get(self, name: str) -> Named | None:
        """The record of that name; ``None`` where there is none.

        Raises:
            RuntimeFault: not a name, or the record is damaged.
        """
        return self._read(self.home / file_name(name))

    def put(self, record: Named) -> None:
        """Keep ``record`` under its name; another one of that name is let go.

        Raises:
            RuntimeFault: it cannot be written, or not be read again.
        """
        try:
            catalogue.write(self.home / file_name(record.key), record, durable=self._durable)
        except OSError as error:
            raise RuntimeFault(f"cannot write {self.home}: {error}") from error

    def remove(self, name: str) -> bool:
        """Remove the record of that name, damaged or not; whether there was one.

        Raises:
            RuntimeFault: not a name.
        """
        try:
            (self.home / file_name(name)).unlink()
        except FileNotFoundError:
            return False
        return True

    def names(self) -> list[str]:
        """Names of all records, damaged ones too."""
        return [_name(path) for path in self._paths()]

    def read(self) -> tuple[list[Named], list[Damaged]]:
        """All records, by name, and those that cannot be read."""
        records, damaged = [], []
        for path in self._paths():
            try:
                record = self._read(path)
            except RuntimeFault as fault:
                damaged.append(Damaged(self._kind, _name(path), path, str(fault)))
            else:
                records += [record] if record is not None else []
        return records, damaged

    def _paths(self) -> list[Path]:
        return sorted(self.home.glob("[!.]*.json"))

    def _read(self, path: Path) -> Named | None:
        record = catalogue.read(path, self._record)
        if record is not None and file_name(record.key) != path.name:
            raise RuntimeFault(f"{path}: it is the record of {record.key!r}")
        return record


def _name(path: Path) -> str:
    return unquote(path.stem, errors="surrogateescape")
