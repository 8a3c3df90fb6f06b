"""The kernel's most common services: where a wall between program and kernel costs most.

By a small program of our own; see programs/system.c for what each mode does.
"""

from __future__ import annotations

from pathlib import Path

from workloads import own_program
from workloads.base import (
    Answer,
    Command,
    CommandWork,
    Measurement,
    Metric,
    Output,
    Program,
    ResidentSlices,
    Size,
    Workload,
    WorkloadFault,
)
from workloads.reading import Reader

_PATH = "/opt/tarebench/system"
_PROGRAM = Program(_PATH, Path(__file__).with_name("programs") / "system.c", flags=("-O2",))
_MOST_NS = 1e11

METRICS = (
    Metric("mean_ns", "ns", "lower", primary=True),
    Metric("best_ns", "ns", "lower"),
)


def parse(output: Output) -> tuple[Measurement, ...]:
    """Mean time of one use of the service, and that of the fastest batch, in nanoseconds.

    Raises:
        WorkloadFault: on anything but the program's exact output.
    """
    values = own_program.values("system", output, {"count": "1", "mean": "ns", "best": "ns"})
    reader = Reader.of("system", output)
    mean, best = (reader.bounded(values[key], key, at_most=_MOST_NS) for key in ("mean", "best"))
    if best > mean * 1.000001:  # both are printed to three decimals
        raise reader.fault(f"its fastest batch, {best:g} ns, is slower than the mean, {mean:g}")
    return (("mean_ns", mean), ("best_ns", best))


def parse_slice(line: bytes) -> Answer:
    """As ``parse``, of one slice.

    Raises:
        WorkloadFault: on anything but the program's exact answer.
    """
    found = own_program.answer("system", line, ("ns", "count", "best_ns", "batch"))
    if found["best_ns"] > found["ns"]:
        raise WorkloadFault(f"system: a batch of {found['best_ns']} ns in {found['ns']} ns")
    mean, best = found["ns"] / found["count"], found["best_ns"] / found["batch"]
    return Answer(found["ns"], (("mean_ns", mean), ("best_ns", best)))


def _workload(mode: str, title: str, *, writes: bool = False, steady: bool = True) -> Workload:
    """``steady``: what it does leaves nothing behind, so that it can go on in slices."""

    def work(size: Size) -> CommandWork:
        argv = (_PATH, mode, str(size.seconds))
        return CommandWork(Command(argv, timeout_s=60.0 + 10.0 * size.seconds), size.iterations)

    return Workload(
        name=f"system.{mode}",
        resource="system",
        title=title,
        metrics=METRICS,
        work=work,
        parse=parse,
        program=_PATH,
        programs=(_PROGRAM,),
        needs_root=writes,
        changes_image=writes,
        slices=ResidentSlices((_PATH, "slices", mode), parse_slice, set_up_s=60.0, timeout_s=20.0)
        if steady
        else None,
    )


CALL = _workload("call", "System call (getppid)")
FAULT = _workload("fault", "Page fault (first touch)")
SWITCH = _workload("switch", "Context switch (pipe round trip)")
SPAWN = _workload("spawn", "Process (spawn, exec, wait)")
LOOKUP = _workload("lookup", "Lookup of a name that is not there, in the root", steady=False)
COPY_UP = _workload(
    "copyup", "First opening for writing of a file of the root", writes=True, steady=False
)
