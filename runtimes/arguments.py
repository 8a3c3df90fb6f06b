"""Values on the command lines of ``python -m runtimes.…``: refused before anything is touched."""

from __future__ import annotations

import argparse
import math
import re

from runtimes.linux.cpu_list import parse_cpus
from runtimes.linux.disk.keeper import LARGEST as LARGEST_DISK
from runtimes.linux.disk.keeper import SMALLEST as SMALLEST_DISK

_UNITS = ("", "k", "m", "g", "t")
_SIZE = re.compile(r"([0-9]{1,18})([kmgt]?)", re.IGNORECASE | re.ASCII)


def cpus(text: str) -> tuple[int, ...]:
    """``0-1``; an empty text names none.  For argparse."""
    try:
        return parse_cpus(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}: write it as 0-1,3") from None


def size_bytes(text: str) -> int:
    """Bytes, none included; ``64m`` and the like in powers of 1024.  For argparse."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r:.40} is not a number of bytes, as 67108864 or 64m"
        )
    return int(match[1]) << 10 * _UNITS.index(match[2].lower())


def disk_bytes(text: str) -> int:
    """As ``size_bytes``, and enough for a file system.  For argparse."""
    size = size_bytes(text)
    if not SMALLEST_DISK <= size <= LARGEST_DISK:
        raise argparse.ArgumentTypeError(f"{text:.40} is not between 16m and 4t")
    return size


def count(text: str) -> int:
    """A number from 1 on.  For argparse."""
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= 9 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a number from 1 on")
    return int(text)


def seconds(text: str) -> float:
    """Seconds from 0 on.  For argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a number of seconds, as 3600")
    return value
