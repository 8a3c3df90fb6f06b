"""Mutations that keep most of what they are given, so that cases come deep."""

from __future__ import annotations

import random
from collections.abc import Callable

INTERESTING = (0, 1, 2, 127, 128, 255, 256, 4095, 4096, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)


def flip(rng: random.Random, data: bytearray) -> None:
    """A bit."""
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def overwrite(rng: random.Random, data: bytearray) -> None:
    """A number, of any of the usual widths and either byte order, by one that is at an edge."""
    width = rng.choice([1, 2, 4, 8])
    at = rng.randrange(len(data))
    value = rng.choice(INTERESTING) % (1 << 8 * width)
    data[at : at + width] = value.to_bytes(width, rng.choice(["little", "big"]))


def remove(rng: random.Random, data: bytearray) -> None:
    """A piece."""
    at = rng.randrange(len(data))
    del data[at : at + rng.randint(1, 16)]


def repeat(rng: random.Random, data: bytearray) -> None:
    """A piece, once more, somewhere."""
    at, length = rng.randrange(len(data)), rng.randint(1, 64)
    to = rng.randrange(len(data) + 1)
    data[to:to] = data[at : at + length]


def insert(rng: random.Random, data: bytearray) -> None:
    """Something of its own."""
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.randint(1, 16))


def cut(rng: random.Random, data: bytearray) -> None:
    """The end."""
    del data[rng.randrange(len(data)) :]


MUTATIONS: tuple[Callable[[random.Random, bytearray], None], ...] = (
    flip, flip, overwrite, overwrite, remove, repeat, insert, cut,
)  # fmt: skip


def mutated(rng: random.Random, data: bytes, most: int = 4) -> bytes:
    """``data`` after up to ``most`` mutations, at times after none."""
    changed = bytearray(data)
    for _ in range(rng.randint(0, most)):
        if not changed:
            break
        rng.choice(MUTATIONS)(rng, changed)
    return bytes(changed)
