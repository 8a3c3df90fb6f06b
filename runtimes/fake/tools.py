"""What well-known tools would write, with made-up figures: the fake box's own repertoire."""

from __future__ import annotations

from collections.abc import Mapping

from runtimes.fake.script import DEMO_ARGV, Line, Reply

FACTORS = (1.0, 1.004, 0.998, 1.001, 0.9965)
"""Deterministic noise, taken in turn."""

_SYSBENCH = """\
sysbench 1.0.20 (using system LuaJIT 2.1.0-beta3)

CPU speed:
    events per second:  {rate:.2f}

General statistics:
    total time:                          1.0000s
    total number of events:              {rate:.0f}

Latency (ms):
         min:                                    0.90
         avg:                                    1.00
         max:                                    1.50
         sum:                                 999.00
"""

_STREAM = """\
tarebench-memory 1
array_bytes 67108864 B
rounds 20 1
copy {rate:.1f} B/s
scale {rate:.1f} B/s
add {rate:.1f} B/s
triad {rate:.1f} B/s
"""

_CHASE = """\
tarebench-memory 1
bytes 268435456 B
loads 1000000 1
mean {rate:.3f} ns
best 80.000 ns
"""

_OPENSSL = "+H:16384\n+F:25:sha256:{rate:.2f}\n"


def _varied(template: str, typical: float) -> tuple[Reply, ...]:
    return tuple(
        Reply(stdout=template.format(rate=typical * factor).encode()) for factor in FACTORS
    )


def _resident(template: str, typical: float) -> tuple[Reply, ...]:
    """A program that does slices; ``{typical}`` in its answers is varied."""
    answers = tuple(
        Line((template.format(typical=round(typical * factor)) + "\n").encode())
        for factor in FACTORS
    )
    return (Reply(stdout=b"ready\n", wall_ns=None, answers=answers),)


_STREAM_SLICE = (
    "ns=48000000 bytes=67108864 rounds=1 copy_ns=9000000 scale_ns=9000000 add_ns=14000000 "
    "triad_ns={typical}"
)
_CHASE_SLICE = "ns={typical} loads=500000 best_ns=1300000 batch=16384"
_HASH_SLICE = "ns={typical} blocks=1500 block_bytes=16384"
_SERVICE_SLICE = "ns={typical} count=400000 best_ns=50000 batch=500"

REPERTOIRE: Mapping[tuple[str, ...], tuple[Reply, ...]] = {
    DEMO_ARGV: _varied("{rate:.1f}\n", 1000.0),
    ("true",): (Reply(),),
    ("false",): (Reply(status=1),),
    ("sleep",): (Reply(wall_ns=None),),
    ("/usr/bin/sysbench", "cpu"): _varied(_SYSBENCH, 1000.0),
    ("/usr/bin/openssl", "speed"): _varied(_OPENSSL, 5e8),
    ("/opt/tarebench/memory", "stream"): _varied(_STREAM, 1e10),
    ("/opt/tarebench/memory", "latency"): _varied(_CHASE, 90.0),
    ("/opt/tarebench/memory", "slices", "stream"): _resident(_STREAM_SLICE, 14e6),
    ("/opt/tarebench/memory", "slices", "latency"): _resident(_CHASE_SLICE, 45e6),
    ("/usr/bin/python3", "-I", "-S", "/opt/tarebench/openssl_slices.py"): _resident(
        _HASH_SLICE, 49e6
    ),
    ("/opt/tarebench/system", "slices"): _resident(_SERVICE_SLICE, 45e6),
}
"""First words of a command → its replies in turn.  ``sleep`` goes on until it is killed."""
