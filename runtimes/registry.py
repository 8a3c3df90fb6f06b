"""Find runtimes by entry point: ours and those of other packages."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points

from runtimes.base import Runtime
from runtimes.faults import RuntimeFault

GROUP = "tarebench.runtimes"


@dataclass(frozen=True, slots=True)
class Registered:
    """Every runtime that loads, and what is wrong with those that do not."""

    runtimes: dict[str, Runtime]
    broken: dict[str, str]
    """Name → why it could not be loaded."""


def load() -> Registered:
    """Load every registered runtime; one that fails is reported and does not stop the others."""
    runtimes: dict[str, Runtime] = {}
    broken: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            runtime = point.load()()
        except Exception as error:  # noqa: BLE001  # other people's code may raise anything
            broken[point.name] = f"{point.value}: {type(error).__name__}: {error}"
            continue
        if not isinstance(runtime, Runtime) or runtime.name != point.name:
            broken[point.name] = f"{point.value} is no runtime called {point.name}"
            continue
        runtimes[point.name] = runtime
    if not runtimes and not broken:
        raise RuntimeFault(
            "no runtime is registered",
            hint="install the project with ./bootstrap: entry points come with the installation",
        )
    return Registered(runtimes, broken)
