"""What a number in a run's files may be: bounds that msgspec holds a record to when it is decoded.

What lies outside was not written by us, and would cost whoever computes with it: an integer that
no column holds, a billion blocks to go through.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

MOST = 1 << 53
"""Integers up to here are the same as floating point numbers, and in every reader of JSON."""
MOST_BLOCKS = 1 << 32
"""An import may give each of its trials a block of its own."""

SchemaNumber = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0, le=MOST)]
Attempt = Annotated[int, Meta(ge=1, le=MOST)]
Iteration = Annotated[int, Meta(ge=-MOST, le=MOST)]
"""From 1; below: a warm-up."""
Instant = Annotated[int, Meta(ge=-(1 << 62), le=1 << 62)]
"""Nanoseconds: differences of two fit into 64 bits."""
Blocks = Annotated[int, Meta(ge=0, le=MOST_BLOCKS)]
Rounds = Annotated[int, Meta(ge=1, le=10_000)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(ge=0.0, le=1e10)]
