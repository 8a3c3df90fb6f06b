r"""The one escaping of text for people: nothing in it steers a terminal, a page, a log or a reader.

What an image, a guest, a daemon, a file or a command line says may hold control characters (ECMA-48
has a terminal obey them, C1's single ``U+009B`` included), marks that reorder or hide what follows
(Unicode's bidirectional ones, zero-width ones), half surrogates, which no stream can encode, and
line separators that forge a second message.  Each is shown as Python would write it, ``\x1b``.

Whatever is written for people passes here where it leaves the program.  Quoting for HTML, Markdown
or rich's markup is that edge's own business and comes after.
"""

from __future__ import annotations

import re
import unicodedata


def printable(text: str) -> str:
    """``text`` with everything escaped that is neither seen nor a space; lines and tabs stay."""
    if text.isprintable():
        return text
    return "".join(char if _is_seen(char) else _escape(char) for char in text)


def printable_line(text: str) -> str:
    """``printable`` on one line: for a name, a cell, an entry of a log."""
    if text.isprintable():
        return text
    return re.sub(r"[\n\t]", lambda match: _escape(match[0]), printable(text))


def printable_json(text: str) -> str:
    """A JSON document whose strings hold nothing that steers, and whose values are the same.

    Outside of strings JSON has nothing but ASCII, so that every other such character is in one.
    """
    if text.isprintable():
        return text
    return "".join(char if _is_seen(char) else _json_escape(char) for char in text)


def _is_seen(char: str) -> bool:
    return char.isprintable() or char in "\n\t" or unicodedata.category(char) == "Zs"


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
