"""Where in a TOML text something stands: tomllib tells that of broken syntax only.

Tables are found by their headers, keys by their names below them.  What is written in another
way (inline arrays of tables) is found no closer than the file's first line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CLAIM = re.compile(r"\s*\[\[\s*claim\s*\]\]")
_PART = re.compile(r"\s*\[\[\s*claim\s*\.\s*part\s*\]\]")


@dataclass(frozen=True, slots=True)
class Places:
    """Lines of a text's claims and parts, counted from 1."""

    lines: tuple[str, ...]
    claims: tuple[int, ...]
    parts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, text: str, counts: tuple[int, ...]) -> Places:
        """Find the tables of ``text``, whose claims have ``counts`` parts.

        Headers that stand inside a string would shift all others: then nothing is told.
        """
        lines = tuple(text.splitlines())
        claims: list[int] = []
        parts: list[list[int]] = []
        for number, line in enumerate(lines, 1):
            if _CLAIM.match(line):
                claims.append(number)
                parts.append([])
            elif _PART.match(line) and parts:
                parts[-1].append(number)
        if tuple(map(len, parts)) != counts:
            return cls(lines, (), ())
        return cls(lines, tuple(claims), tuple(tuple(each) for each in parts))

    def line(self, claim: int | None, part: int | None = None, key: str = "") -> int:
        """Line of ``key`` in the part of the claim, else of its header, else 1."""
        if claim is None or claim >= len(self.claims):
            return 1
        starts = sorted([*self.claims, *(line for of in self.parts for line in of)])
        begin = self.claims[claim] if part is None else self.parts[claim][part]
        end = next((start for start in starts if start > begin), len(self.lines) + 1)
        for number in range(begin, end):
            if key and re.search(rf"(?<![\w-]){re.escape(key)}\s*=", self.lines[number - 1]):
                return number
        return begin
