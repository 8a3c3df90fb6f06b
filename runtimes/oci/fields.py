"""Careful access to a hostile JSON document: every refusal names the path of what it refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from runtimes.faults import RuntimeFault

T = TypeVar("T")


class BundleFault(RuntimeFault):
    """A bundle that is malformed, or asks for what ``ns`` does not do.

    Attributes:
        path: where in ``config.json``, e.g. ``$.mounts[3].type``.
    """

    def __init__(self, path: str, why: str, *, hint: str = "") -> None:
        super().__init__(f"config.json: {path}: {why}", hint=hint)
        self.path = path


@dataclass(slots=True)
class Fields:
    """One JSON object, which must have been read to the last field when it is closed."""

    path: str
    content: Mapping[str, object]
    _taken: set[str] = field(default_factory=set, init=False)

    def take(self, name: str, kind: type[T], default: T | None = None) -> T:
        """Field ``name``; ``default`` where it is missing or null.

        Raises:
            BundleFault: of another type, or missing without a default.
        """
        self._taken.add(name)
        value = self.content.get(name)
        if value is None:
            if default is None:
                raise BundleFault(self.at(name), "is missing")
            return default
        # bool is an int for Python, not for JSON.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise BundleFault(
                self.at(name), f"is {type(value).__name__}, not {_JSON.get(kind, kind.__name__)}"
            )
        return value

    def has(self, name: str) -> bool:
        """Whether the field is there and says something (not null, not empty, not false)."""
        return bool(self.content.get(name))

    def inner(self, name: str) -> Fields:
        """An object inside; an empty one where it is missing."""
        return Fields(self.at(name), self.take(name, dict, {}))

    def objects(self, name: str) -> Iterator[Fields]:
        """Objects of an array; none where it is missing."""
        for index, value in enumerate(self.take(name, list, [])):
            path = f"{self.at(name)}[{index}]"
            if not isinstance(value, dict):
                raise BundleFault(path, "is not an object")
            yield Fields(path, value)

    def texts(self, name: str) -> tuple[str, ...]:
        """Strings of an array; none where it is missing."""
        values = self.take(name, list, [])
        for index, value in enumerate(values):
            if not isinstance(value, str) or "\0" in value:
                raise BundleFault(f"{self.at(name)}[{index}]", "is not a string without NUL")
        return tuple(values)

    def text(self, name: str, default: str | None = None) -> str:
        """A string.  No path and no name may have a NUL byte."""
        value = self.take(name, str, default)
        if "\0" in value:
            raise BundleFault(self.at(name), "contains a NUL byte")
        return value

    def refuse(self, *names: str, why: str) -> None:
        """Fields that would change the container and that ``ns`` does not do."""
        for name in names:
            self._taken.add(name)
            if self.has(name):
                raise BundleFault(self.at(name), why, hint="runc does it")

    def ignore(self, *names: str) -> None:
        """Fields that change nothing for the container."""
        self._taken.update(names)

    def close(self) -> None:
        """Refuse whatever nobody asked for: an unknown field may be a restriction.

        Raises:
            BundleFault: naming the first one.
        """
        for name, value in self.content.items():
            if name not in self._taken and value not in (None, [], {}, "", False):
                raise BundleFault(self.at(name), "is not supported by ns")

    def at(self, name: str) -> str:
        """Path of a field."""
        return f"{self.path}.{name}"


_JSON: Mapping[type, str] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    list: "an array",
    dict: "an object",
}
