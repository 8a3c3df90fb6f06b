"""What the hardware says of itself: clock, throttling, temperature.  Any of it may be missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.host.pressure.counters import Reader, read_file, whole

ACTING = frozenset({"passive", "hot", "critical"})
"""Trip points at which the kernel slows the processor or worse (thermal/sysfs-api.rst)."""
PROCESSOR_DRIVERS = frozenset({"coretemp", "k10temp", "zenpower", "cpu_thermal"})


@dataclass(frozen=True, slots=True)
class Trip:
    """A temperature file and what it must stay below, in thousandths of a degree Celsius."""

    name: str
    path: str
    limit: int


@dataclass(frozen=True, slots=True)
class Sensors:
    """The files that this host has; found once, read around every trial."""

    frequencies: tuple[str, ...]
    """``scaling_cur_freq`` of the harness's CPUs."""
    core_throttles: tuple[str, ...]
    package_throttles: tuple[str, ...]
    trips: tuple[Trip, ...]
    read: Reader = read_file

    def frequency_khz(self) -> int | None:
        """Clock of the fastest CPU of the harness: the one that has just been working."""
        found = [whole(self.read(path)) for path in self.frequencies]
        return max((each for each in found if each), default=None)

    def throttles(self) -> int | None:
        """How often any processor throttled itself since boot.

        Every CPU shows its package's counter: only the largest counts, else it would count often.
        """
        cores = [whole(self.read(path)) or 0 for path in self.core_throttles]
        packages = [whole(self.read(path)) or 0 for path in self.package_throttles]
        if not cores and not packages:
            return None
        return sum(cores) + max(packages, default=0)

    def hot(self) -> tuple[str, ...]:
        """Sensors at or above their limit, as ``x86_pkg_temp 96 °C``."""
        found = [(trip, whole(self.read(trip.path))) for trip in self.trips]
        return tuple(
            f"{trip.name} {now / 1000:.0f} °C"
            for trip, now in found
            if now is not None and now >= trip.limit
        )


def discover(
    harness_cpus: Iterable[int], sysfs: Path = Path("/sys"), read: Reader = read_file
) -> Sensors:
    """Look for what this host has."""
    cpus = sysfs / "devices/system/cpu"
    wanted = [cpus / f"cpu{number}/cpufreq/scaling_cur_freq" for number in harness_cpus]
    throttle = "cpu[0-9]*/thermal_throttle/{}_throttle_count"
    return Sensors(
        frequencies=tuple(str(path) for path in wanted if path.exists()),
        core_throttles=_paths(cpus, throttle.format("core")),
        package_throttles=_paths(cpus, throttle.format("package")),
        trips=(*_zones(sysfs / "class/thermal", read), *_monitors(sysfs / "class/hwmon", read)),
        read=read,
    )


def _paths(directory: Path, pattern: str) -> tuple[str, ...]:
    return tuple(str(path) for path in sorted(directory.glob(pattern)))


def _zones(directory: Path, read: Reader) -> list[Trip]:
    found = []
    for zone in sorted(directory.glob("thermal_zone[0-9]*")):
        limits = [
            whole(read(str(kind).removesuffix("_type") + "_temp"))
            for kind in sorted(zone.glob("trip_point_*_type"))
            if read(str(kind)).strip() in ACTING
        ]
        real = [limit for limit in limits if limit and limit > 0]
        if real:
            name = read(str(zone / "type")).strip() or zone.name
            found.append(Trip(name[:32], str(zone / "temp"), min(real)))
    return found


def _monitors(directory: Path, read: Reader) -> list[Trip]:
    found = []
    for monitor in sorted(directory.glob("hwmon[0-9]*")):
        driver = read(str(monitor / "name")).strip()
        if driver not in PROCESSOR_DRIVERS:
            continue
        for entry in sorted(monitor.glob("temp*_input")):
            stem = str(entry).removesuffix("_input")
            limits = [whole(read(f"{stem}_{kind}")) for kind in ("max", "crit")]
            real = [limit for limit in limits if limit and limit > 0]
            label = read(f"{stem}_label").strip() or entry.name
            if real:
                found.append(Trip(f"{driver} {label}"[:32], str(entry), min(real)))
    return found
