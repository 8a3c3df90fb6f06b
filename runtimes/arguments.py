"""Values on the command lines of ``python -m runtimes.…``: refused before anything is touched."""

from __future__ import annotations

import argparse
import math

from runtimes.cpu_list import parse_cpus


def cpus(text: str) -> tuple[int, ...]:
    """``0-1``; an empty text names none.  For argparse."""
    try:
        return parse_cpus(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}: write it as 0-1,3") from None


def size_bytes(text: str) -> int:
    """Bytes, none included.  For argparse."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a number of bytes, as 67108864")
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
