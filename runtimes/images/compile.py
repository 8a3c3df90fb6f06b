"""Static programs for the root filesystem, the same bits from the same sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runtimes import process
from runtimes.faults import RuntimeFault

COMPILERS = ("gcc", "cc")
FLAGS = ("-static", "-O2", "-Wall", "-Wextra", "-Wl,--build-id=none", "-s")
COMPILE_S = 120.0


def compile_static(source: Path | Sequence[Path], output: Path, flags: Sequence[str] = ()) -> None:
    """Compile C ``source`` into the static program ``output``.

    No path of this machine and no build id gets into the output, so that its digest depends on
    the sources, ``flags`` and the compiler alone.

    Args:
        source: one C file or several; what they include by ``"…"`` is found beside them.
        output: the program; replaced if it exists.
        flags: more flags, after ours; libraries (``-lm``) go here too.

    Raises:
        RuntimeFault: no compiler, or it refused; its messages are the fault's tail.
    """
    sources = [source] if isinstance(source, Path) else list(source)
    compiler = next(filter(None, map(process.find, COMPILERS)), None)
    if compiler is None:
        raise RuntimeFault(
            f"there is no C compiler ({' or '.join(COMPILERS)}) to build {output.name}",
            hint="apt-get install gcc libc6-dev",
        )
    prefixes = sorted({str(path.resolve().parent) for path in sources})
    process.run(
        [
            str(compiler),
            *FLAGS,
            *(f"-ffile-prefix-map={prefix}=." for prefix in prefixes),
            *map(str, (path.resolve() for path in sources)),
            "-o",
            str(output),
            *flags,
        ],
        timeout_s=COMPILE_S,
        env={"SOURCE_DATE_EPOCH": "0"},
        hint="apt-get install gcc libc6-dev (the static C library is in libc6-dev)",
    )
