"""What well-known tools would write, with made-up figures: the fake box's own repertoire."""

from __future__ import annotations

from collections.abc import Mapping

from runtimes.fake_script import DEMO_ARGV, Reply

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


REPERTOIRE: Mapping[tuple[str, ...], tuple[Reply, ...]] = {
    DEMO_ARGV: _varied("{rate:.1f}\n", 1000.0),
    ("true",): (Reply(),),
    ("false",): (Reply(status=1),),
    ("sleep",): (Reply(wall_ns=None),),
    ("/usr/bin/sysbench", "cpu"): _varied(_SYSBENCH, 1000.0),
    ("/usr/bin/openssl", "speed"): _varied(_OPENSSL, 5e8),
    ("/opt/tarebench/memory", "stream"): _varied(_STREAM, 1e10),
    ("/opt/tarebench/memory", "latency"): _varied(_CHASE, 90.0),
}
"""First words of a command → its replies in turn.  ``sleep`` goes on until it is killed."""
