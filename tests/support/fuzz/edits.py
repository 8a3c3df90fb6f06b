"""Damage to a run's files, from a seed: bytes, lines and fields that nobody wrote so."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FILES = ("run.json", "trials.jsonl", "samples.jsonl")
RAW = (
    *("1e400", "-1e400", "NaN", "9223372036854775808", "9007199254740993", "1000000000000", "-1"),
    *("0", "1.7976931348623157e308", "-1.7976931348623157e308", "5e-324", "1e154", "0.1", "null"),
    *("true", '""', '"\\u0000"', '"\\u202e\\u001b[31m"', "{}", "[]", "[[[[]]]]", '{"a":{}}'),
    "[" * 5000 + "]" * 5000,
)
"""Values that a field may be given, as JSON or nearly so."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One line of one file, replaced; line 0 is the whole file."""

    file: str
    line: int
    text: str
    """One character for each byte."""


def edits_of(rng: random.Random, base: Path) -> list[Edit]:
    """Damage to a copy of the run in ``base``."""
    file = rng.choice((*FILES, *FILES[1:]))
    data = (base / file).read_bytes()
    if rng.random() < 0.15:
        return [Edit(file, 0, _cut(rng, data).decode("latin-1"))]
    if file == "run.json":
        return [Edit(file, 0, _field(rng, data).decode("latin-1"))]
    lines = data.split(b"\n")[:-1]
    others = [base / name for name in FILES[1:]]
    return [
        Edit(file, number, _line(rng, lines[number - 1], others).decode("latin-1"))
        for number in rng.sample(
            range(1, len(lines) + 1), min(rng.choice((1, 1, 3, 20)), len(lines))
        )
    ]


def _cut(rng: random.Random, data: bytes) -> bytes:
    """Emptied, cut off, a hole in it, twice the same."""
    at = rng.randrange(len(data))
    return rng.choice((b"", data[:at], data[:at] + bytes(64) + data[at + 64 :], data + data))


def _line(rng: random.Random, line: bytes, others: Sequence[Path]) -> bytes:
    at = rng.randrange(len(line))
    match rng.randrange(6):
        case 0:
            return rng.randbytes(rng.randrange(80))
        case 1:
            return line[:at]
        case 2:
            return line[:at] + bytes([line[at] ^ 1 << rng.randrange(8)]) + line[at + 1 :]
        case 3:
            return b""
        case 4:
            return rng.choice(rng.choice(others).read_bytes().split(b"\n")[:-1])
        case _:
            return _field(rng, line)


def _field(rng: random.Random, data: bytes) -> bytes:
    """One field, at any depth, with another value, or without it."""
    document = json.loads(data)
    place, key = rng.choice(list(_places(document)))
    mark = "\x01value\x01"
    if rng.random() < 0.1 and isinstance(place, dict):
        del place[key]
    else:
        place[key] = mark
    return (
        json.dumps(document, separators=(",", ":"))
        .replace(json.dumps(mark), rng.choice(RAW))
        .encode()
    )


def _places(value: object) -> Iterator[tuple[dict[object, object] | list[object], object]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)  # type: ignore[arg-type]
    for key, inner in items:
        yield value, key  # type: ignore[misc]
        if isinstance(inner, dict | list):
            yield from _places(inner)


def apply(path: Path, edit: Edit) -> None:
    """Make the edit in the file at ``path``."""
    data = edit.text.encode("latin-1")
    if edit.line:
        lines = path.read_bytes().split(b"\n")
        lines[edit.line - 1] = data
        data = b"\n".join(lines)
    path.write_bytes(data)


def in_words(edits: Sequence[Edit]) -> str:
    """The first of them, to make them again."""
    return "; ".join(f"{each.file}:{each.line} = {each.text[-300:]!r}" for each in edits[:2])
