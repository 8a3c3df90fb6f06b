"""SHA-256 by the root filesystem's libcrypto, in slices: see programs/slices.h for how it is asked.

``openssl speed`` measures for whole seconds.  This calls what it calls, EVP's SHA-256 on a block
that fits the first-level cache, through Python's _hashlib.  Between two blocks pass a few hundred
nanoseconds of Python, which are counted: a few per cent of the figure, the same in every box.
"""

from __future__ import annotations

import sys
import time
from _hashlib import openssl_sha256

BLOCK = bytes(16384)
KNOWN = "4fe7b59af6de3b665b67788cc2f99892ab827efae3a467342b3bb4e3bc8e5bfe"
"""Of one block: known before the program is measured, checked after each slice."""
MOST_MS = 60_000
BATCH = 64


def blocks_for(span_ns: int) -> tuple[int, int]:
    """Hash whole batches for at least ``span_ns``; how many blocks, and how long it took."""
    update, count = openssl_sha256().update, 0
    begun_ns = time.monotonic_ns()
    while True:
        for _ in range(BATCH):
            update(BLOCK)
        count += BATCH
        spent_ns = time.monotonic_ns() - begun_ns
        if spent_ns >= span_ns:
            return count, spent_ns


def main() -> None:
    """Answer requests until there are no more."""
    print("ready", flush=True)
    for line in sys.stdin:
        lead_ms, span_ms = (int(word) for word in line.split())
        if not (0 <= lead_ms <= MOST_MS and 1 <= span_ms <= MOST_MS):
            sys.exit(f"{line!r} is not LEAD_MS SPAN_MS")
        blocks_for(lead_ms * 1_000_000)
        count, spent_ns = blocks_for(span_ms * 1_000_000)
        if openssl_sha256(BLOCK).hexdigest() != KNOWN:
            sys.exit("the digest of a known block is wrong")
        print(f"ns={spent_ns} blocks={count} block_bytes={len(BLOCK)}", flush=True)


if __name__ == "__main__":
    main()
