"""What the rest of the host did during a trial: counters, other processes, pace, sensors."""

from harness.host.pressure.sensors import discover
from harness.host.pressure.watch import NOTHING, Ended, HostWatch, Watch, unwatched

__all__ = ["NOTHING", "Ended", "HostWatch", "Watch", "discover", "unwatched"]
