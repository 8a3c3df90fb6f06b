"""RandomAccess (GUPS) by the rules of HPC Challenge, by a program of our own.

It takes its updates back and counts what is wrong then; see programs/random_access.c for how.
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

TABLE_BYTES = 256 << 20
"""Half of the default memory limit, as the rules have it; a guest's kernel fits beside it."""

MOST_WRONG = 0.01
"""Share of words that may be wrong by the rules, for updates that threads lose to each other."""

_PATH = "/opt/tarebench/random_access"
_PROGRAM = Program(
    _PATH, Path(__file__).with_name("programs") / "random_access.c", flags=("-pthread",)
)
_MOST_RATE = 1e12


def _work(size: Size) -> CommandWork:
    argv = (_PATH, str(TABLE_BYTES), str(size.seconds))
    return CommandWork(Command(argv, timeout_s=120.0 + 10.0 * size.seconds), size.iterations)


def parse(output: Output) -> tuple[Measurement, ...]:
    """Updates per second.

    Raises:
        WorkloadFault: on anything but the program's exact output, another table, more updates
            than the rules have, or more than 1 % of the words wrong.
    """
    keys = ("words", "threads", "updates", "right")
    values = own_program.values("random_access", output, dict.fromkeys(keys, "1") | {"rate": "1/s"})
    reader = Reader.of("random_access", output)
    words = TABLE_BYTES // 8
    if values["words"] != words:
        raise reader.fault(f"its table had {values['words']:g} words, not {words}")
    if not (1.0 - MOST_WRONG) * words <= values["right"] <= words:
        raise reader.fault(f"{values['right']:g} of {words} words are right: fewer than 99 %")
    reader.bounded(values["updates"], "updates", at_most=4.0 * words)
    return (("updates_per_second", reader.bounded(values["rate"], "rate", at_most=_MOST_RATE)),)


RANDOM_ACCESS = Workload(
    name="memory.random-access",
    resource="memory",
    title="Random updates (RandomAccess)",
    metrics=(Metric("updates_per_second", "1/s", "higher", primary=True),),
    work=_work,
    parse=parse,
    program=_PATH,
    programs=(_PROGRAM,),
)
