"""Linpack: a dense system of linear equations in double precision, by a program of our own.

It factors, solves and checks its own solutions; see programs/linpack.c for how, and
docs/adr/0021 for why it is not HPL.
"""

from __future__ import annotations

from pathlib import Path

from workloads import own_program
from workloads.base import (
    Command,
    CommandWork,
    Measurement,
    Metric,
    Output,
    Program,
    Size,
    Workload,
)
from workloads.reading import Reader

ORDER = 2048
"""Unknowns: 32 MiB of matrix, which fits the smallest box and no second-level cache, and one
solution within seconds under emulation."""

MOST_RESIDUAL = 16.0
"""HPL's limit, which the program holds too."""

VECTOR_BYTES = (16, 32, 64)

_PATH = "/opt/tarebench/linpack"
_PROGRAM = Program(
    _PATH,
    Path(__file__).with_name("programs") / "linpack.c",
    flags=("-O3", "-pthread", "-lm"),
)
_MOST_FLOPS = 1e14


def _work(size: Size) -> CommandWork:
    argv = (_PATH, str(ORDER), str(size.seconds))
    return CommandWork(Command(argv, timeout_s=300.0 + 15.0 * size.seconds), size.iterations)


def parse(output: Output) -> tuple[Measurement, ...]:
    """Operations per second, of all solutions and of the fastest.

    Raises:
        WorkloadFault: on anything but the program's exact output, another order, or a residual
            above HPL's limit.
    """
    units = dict.fromkeys(("order", "threads", "solutions", "residual"), "1")
    units |= {"vector_bytes": "B", "mean": "flop/s", "best": "flop/s"}
    values = own_program.values("linpack", output, units)
    reader = Reader.of("linpack", output)
    if values["order"] != ORDER:
        raise reader.fault(f"it solved for {values['order']:g} unknowns, not for {ORDER}")
    if values["vector_bytes"] not in VECTOR_BYTES:
        raise reader.fault(f"there are no vectors of {values['vector_bytes']:g} bytes")
    reader.bounded(values["residual"], "residual", at_most=MOST_RESIDUAL)
    mean, best = (reader.bounded(values[key], key, at_most=_MOST_FLOPS) for key in ("mean", "best"))
    if best < mean * 0.999999:  # both are printed with one decimal
        raise reader.fault(f"its fastest solution, {best:g}/s, is slower than the mean, {mean:g}")
    return (("operations_per_second", mean), ("operations_per_second_best", best))


LINPACK = Workload(
    name="cpu.linpack",
    resource="cpu",
    title="Linpack, double precision",
    metrics=(
        Metric("operations_per_second", "1/s", "higher", primary=True),
        Metric("operations_per_second_best", "1/s", "higher"),
    ),
    work=_work,
    parse=parse,
    program=_PATH,
    programs=(_PROGRAM,),
)
