"""Nonsense on every command line: what is wrong and what would be right, an exit code, no trace.

``bench`` has its own, in test_bench_command.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import invoke, module

pytestmark = pytest.mark.parallel

TASKS = [
    (("bench", "--dry-run"), 1, "--dry-run"),  # invoke's own word and status
    (("bench", "--resume", "x", "--seed", "1", "--blocks", "3"), 2, "leave it out with --resume"),
    (("bench", "--plan", "--backend", "dokcer"), 2, "did you mean docker"),
    (("bench", "--plan", "--resume", "nope"), 2, "no run 'nope'"),
    (("bench", "--plan", "--backend", "fake", "--out", "/proc/nowhere"), 3, "--out"),
    (("bench", "--backend", "fake", "--budget", "soon"), 2, "write it as 10m"),
    (("bench", "--backend", "fake", "--claims", "/nonexistent"), 2, "--claims"),
    (("soak", "--cycles", "lots"), 2, "not a whole number"),
    (("soak", "--cycles", "0"), 2, "at least 1"),
    (("perf", "--json", "/nonexistent/x"), 2, "--json /nonexistent/x"),
    (("compare", "one"), 1, "'b'"),
    (("compare", "one", "two"), 2, "no run 'one'"),
    (("compare", "one", "two", "--fail-on", "rain"), 2, "choose regression"),
    (("compare", "one", "two", "--margin", "much"), 2, "0.02 is 2 %"),
    (("claims", "--run", "nope"), 2, "no run 'nope'"),
    (("claims", "--claims", "/etc"), 2, "--claims"),
    (("explain", "nope", "--run", "nope"), 2, "no run 'nope'"),
    (("explain", "--help"), 2, "invoke --help explain"),
    (("box", "--help"), 2, "invoke --help box"),
    (("report", "--run", "../../etc"), 2, "no run '../../etc'"),
    (("report", "--out", "/nonexistent"), 2, "no run in /nonexistent"),
    (("import", "/nonexistent"), 2, "give a file"),
    (("import", "/dev/zero"), 2, "not a regular file"),
    (("import", "/etc/passwd", "--rounds", "many"), 2, "choose iterations or trials"),
]

NS, OCI, IMAGES = "runtimes.standalone.box", "runtimes.standalone.oci", "runtimes.standalone.image"
MODULES = [
    ((NS,), 2, "required"),
    ((NS, "run", "--layers", "/nonexistent", "--", "true"), 125, "is not a directory"),
    ((NS, "run", "--layers", "/etc/passwd", "--", "true"), 125, "is not a directory"),
    ((NS, "run", "--layers", "/", "--cpus", "x", "--", "true"), 2, "write it as 0-1,3"),
    ((NS, "run", "--layers", "/", "--memory", "-5", "--", "true"), 2, "not a number of bytes"),
    ((NS, "run", "--layers", "/", "--profile", "nope", "--", "true"), 2, "choose from"),
    ((NS, "run", "--image", "/nonexistent"), 125, "no image at /nonexistent"),
    ((OCI, "nosuch"), 2, "choose from"),
    ((OCI, "state", "nosuch"), 1, "does not exist: nosuch"),
    ((OCI, "state", "../../etc"), 1, "invalid container id"),
    ((OCI, "run", "--bundle", "/nonexistent", "x"), 1, "config.json"),
    ((IMAGES, "nosuch"), 2, "choose from"),
    ((IMAGES, "rm", "nosuch"), 1, "no image 'nosuch'"),
    ((IMAGES, "gc", "--limit", "-5"), 2, "not a number of bytes"),
    ((IMAGES, "gc", "--grace", "nan"), 2, "not a number of seconds"),
    ((IMAGES, "inspect", "/etc/passwd"), 1, "neither a layout"),
    (("reports",), 2, "RUN_DIR"),
    (("reports", "/nonexistent"), 1, "no run '/nonexistent'"),
]


@pytest.mark.parametrize(("words", "status", "says"), TASKS)
def test_a_task_answers_nonsense_with_what_is_right(
    words: tuple[str, ...], status: int, says: str
) -> None:
    ended = invoke(*words)
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.status == status


@pytest.mark.parametrize(("words", "status", "says"), MODULES)
def test_a_module_answers_nonsense_with_what_is_right(
    tmp_path: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    ended = module(*words, home=tmp_path)
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.status == status
