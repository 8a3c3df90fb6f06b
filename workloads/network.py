"""Network: throughput (iperf3), round trips (sockperf), requests per second (nginx and wrk).

The other end is always the same native process in the peer's network namespace, so only the
box and its path to the wire differ.  One module for each tool; this one names them together.
"""

from __future__ import annotations

from workloads.iperf3 import IPERF3, IPERF3_BACK
from workloads.sockperf import SOCKPERF, SOCKPERF_UDP
from workloads.wrk import HTTP

__all__ = ["HTTP", "IPERF3", "IPERF3_BACK", "SOCKPERF", "SOCKPERF_UDP"]
