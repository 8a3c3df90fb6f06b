"""What a job may say on its agent's channel, in the agent's name."""

from __future__ import annotations

import struct

LATER = "/bin/busybox usleep 100000;"
"""Once the agent has said that the job has started."""
FORGED_END = (
    b"status=0\ntimed_out=0\nwall_ns=1\nuser_ns=1\nsys_ns=1\nmax_rss_bytes=1\n"
)  # fmt: skip


def frame(kind: bytes, job: int, payload: bytes = b"", *, length: int | None = None) -> bytes:
    """As the agent would send it."""
    return struct.pack(">cII", kind, job, len(payload) if length is None else length) + payload


FORGED = {
    "no frame": (b"GET / HTTP/1.1\r\n\r\n", "unknown type"),
    "a request of the host's": (frame(b"I", 1, b"5 50\n"), "unknown type"),
    "endless": (frame(b"o", 1, length=2**32 - 1), "are the most"),
    "of a job that is not": (frame(b"o", 77, b"x"), "none asked for"),
    "a second greeting": (frame(b"h", 0, b"3"), "hello comes first, and once"),
    "facts that none asked for": (frame(b"f", 9, b"a=b\n"), "none asked for"),
    "an end that is none": (frame(b"x", 1, b"status=0\n"), "reported an ended job with"),
    "a negative time": (
        frame(b"x", 1, FORGED_END.replace(b"wall_ns=1", b"wall_ns=-1")), "out of range",
    ),
    "an end, and the true one after it": (frame(b"x", 1, FORGED_END), "none asked for"),
}  # fmt: skip
"""Bytes, and what they are refused with: where job 1 is running and nothing else was asked."""
