"""Ask the statistics in a child, so that the process that measures loads no numpy."""

from __future__ import annotations

import sys
from typing import TypeVar

import msgspec

from harness.directories import PROJECT
from harness.errors import HarnessFault
from runtimes import process

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

T = TypeVar("T")


def ask(
    module: str,
    kind: type[T],
    *arguments: str,
    timeout_s: float,
    hint: str,
    question: object = None,
    niceness: int = 0,
) -> T:
    """What ``python -m module arguments`` answers, as a ``kind``.

    Args:
        module: prints its answer as JSON.
        kind: of the answer.
        arguments: of its command line.
        timeout_s: the child is killed after it.
        hint: next step for the reader, should it fail.
        question: fed to it as JSON; None: nothing is.
        niceness: of nice(1).

    Raises:
        RuntimeFault: the child failed.
        HarnessFault: its answer is no ``kind``.
    """
    lower = ["nice", "-n", str(niceness)] if niceness else []
    done = process.run(
        [*lower, sys.executable, "-m", module, *arguments],
        timeout_s=timeout_s,
        env=ONE_THREAD,
        stdin=None if question is None else msgspec.json.encode(question),
        cwd=PROJECT,
        hint=hint,
    )
    try:
        return msgspec.json.decode(done.stdout, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HarnessFault(f"the statistics answered what cannot be read: {error}") from None
