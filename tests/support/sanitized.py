"""C parts of the product built with AddressSanitizer and UndefinedBehaviorSanitizer, and confined.

A sanitized program ends with ``REPORTED`` at the first error, and says on standard error where.
What executes mutated requests runs as nobody in namespaces of its own: it can reach no file,
process or interface of the host.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from runtimes import process
from runtimes.faults import RuntimeFault

NOBODY = 65534
REPORTED = 99
"""Exit status of a program in which a sanitizer found something."""
ENVIRONMENT: Mapping[str, str] = {
    "ASAN_OPTIONS": f"exitcode={REPORTED}:detect_leaks=0:handle_abort=1",
    "UBSAN_OPTIONS": f"exitcode={REPORTED}:print_stacktrace=1:halt_on_error=1",
}
FLAGS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
    "-g",
    "-O1",
    "-std=gnu11",
)
CONFINED = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--ipc", "--fork"),
)
"""Before a command: nobody, and root of nothing but its own namespaces."""


def compile_sanitized(sources: Sequence[Path], output: Path, flags: Sequence[str] = ()) -> Path:
    """``sources`` as a sanitized program; skips, with the reason, where that cannot be built."""
    compiler = process.find("gcc") or process.find("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    try:
        process.run(
            [str(compiler), *FLAGS, *map(str, sources), "-o", str(output), *flags], timeout_s=120
        )
    except RuntimeFault as fault:
        if "asan" in fault.tail or "ubsan" in fault.tail:
            pytest.skip(f"no sanitizers for this compiler: {fault.tail[-200:]}")
        raise
    output.chmod(0o755)
    return output


def report_in(stderr: bytes) -> str:
    """The line that says what a sanitizer found; empty where it found nothing."""
    for line in stderr.decode("utf-8", "replace").splitlines():
        if "runtime error:" in line or "ERROR: AddressSanitizer" in line:
            return line.strip()[:300]
    return ""


def why_not_confined() -> str:
    """Why nothing can be confined here; empty where it can."""
    try:
        process.run([*CONFINED, "true"], timeout_s=20)
    except RuntimeFault as fault:
        return f"no namespaces for nobody here: {fault}"
    return ""


@contextlib.contextmanager
def confined(sources: Sequence[Path], name: str) -> Iterator[Path | str]:
    """A sanitized program that can be run where ``CONFINED`` puts it, or why there is none."""
    why = why_not_confined()
    if why:
        yield why
        return
    with tempfile.TemporaryDirectory(prefix="tarebench-fuzz-") as directory:
        Path(directory).chmod(0o755)
        yield compile_sanitized(sources, Path(directory, name))
