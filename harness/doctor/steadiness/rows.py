"""What was measured of this host, in rows of ``invoke doctor``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from harness.doctor.doctor import Row
from harness.doctor.steadiness.expected import QUICK
from harness.doctor.steadiness.recording import Load, Recording
from results.gating import speeds
from results.gating.cautions import UNEVEN, percent, spread
from results.gating.cpu_taken import OTHERS_CAUTION, STEAL_CAUTION
from runtimes.linux.cpu_list import format_cpus

LARGE = 0.02
"""The smallest margin of the ledger: claims that turn there cannot be decided then."""
DEDICATED = "a bare-metal or dedicated host"


def rows(recording: Recording, effect: float | None, reason: str, online: int) -> Iterator[Row]:
    """Clocks, steal, neighbours, and what they leave visible.

    Args:
        recording: the measurement.
        effect: the smallest to expect, as a share.
        reason: why there is none.
        online: CPUs of the host.
    """
    yield from _clocks(recording)
    yield _steal(recording.load)
    yield _neighbours(recording.load, online)
    yield _effect(effect, reason)


def _clocks(recording: Recording) -> Iterator[Row]:
    alike: dict[str, list[int]] = defaultdict(list)
    found = {cpu: _clock(cpu, took) for cpu, took in recording.paces.items()}
    for cpu, row in found.items():
        if row.state == "works":
            alike[row.state].append(cpu)
        else:
            yield row
    if steady := alike["works"]:
        most = max(spread([float(ns) for ns in recording.paces[cpu]]) for cpu in steady)
        why = f"{_cpus(steady)}: steady within {percent(most)}"
        yield Row("clock speed", "works", why, figures={"spread": most})
    if recording.closed:
        why = f"{_cpus(recording.closed)}: not measured, this process may not work there"
        yield Row("clock speed", "caution", why, "run as root, outside a CPU set")


def _clock(cpu: int, took_ns: Sequence[int]) -> Row:
    took = [float(ns) for ns in took_ns]
    clock, uneven = speeds(took), spread(took)
    if clock is not None and clock.two:
        return Row(
            "clock speed",
            "caution",
            f"CPU {cpu}: two speeds {percent(clock.apart)} apart, {percent(clock.slow_share)} of "
            "the time slow",
            f"{DEDICATED}, whose cores' other threads work for nobody else",
            figures={"cpu": cpu, "apart": clock.apart, "slow_share": clock.slow_share},
        )
    if uneven > UNEVEN:
        why = f"CPU {cpu}: uneven, from tenth to tenth of the readings {percent(uneven)} apart"
        remedy = f"fix the frequency: invoke doctor --tune; {DEDICATED}"
        return Row("clock speed", "caution", why, remedy, figures={"cpu": cpu, "spread": uneven})
    return Row("clock speed", "works", "")


def _steal(load: Load) -> Row:
    figures = {"share": load.steal}
    why = f"{percent(load.steal)} of CPU time" if load.steal else "none"
    if load.steal > STEAL_CAUTION:
        why = f"{why} went to other virtual machines"
        return Row("steal", "caution", why, DEDICATED, figures=figures)
    return Row("steal", "works", why, figures=figures)


def _neighbours(load: Load, online: int) -> Row:
    named = [(name, cpus) for name, cpus in load.neighbours.items() if cpus >= 0.005]
    listed = ", ".join(f"{name} {cpus:.2f} CPUs" for name, cpus in named)
    figures = {"cpus": load.other_cpus, **{f"cpus of {name}": cpus for name, cpus in named}}
    if load.other_cpus > OTHERS_CAUTION * online:
        why = f"{load.other_cpus:.2f} CPUs' worth" + (f": {listed}" if listed else "")
        remedy = "stop other work on this host while it measures"
        return Row("busy neighbours", "caution", why, remedy, figures=figures)
    return Row("busy neighbours", "works", listed or "none", figures=figures)


def _effect(effect: float | None, reason: str) -> Row:
    subject = "smallest effect"
    if effect is None:
        return Row(subject, "caution", f"to expect: not known: {reason}", "measure again")
    why = (
        f"{percent(effect)} to expect for CPU work in slices, {QUICK.blocks} blocks (suite quick); "
        "what boxes add by themselves comes on top"
    )
    figures = {"share": effect}
    if effect > LARGE:
        remedy = "more blocks (--suite standard, --blocks), a quieter host"
        return Row(subject, "caution", why, remedy, figures=figures)
    return Row(subject, "works", why, figures=figures)


def _cpus(numbers: Sequence[int]) -> str:
    return f"{'CPU' if len(numbers) == 1 else 'CPUs'} {format_cpus(numbers)}"
