"""The command line: what ``invoke`` finds.  Most tasks stand in ``harness.cli``.

Exit codes: 0 done; 1 done, but some trials failed, a target was missed, a check does not hold, a
run's files are damaged in part or, with --fail-on, something became worse; 2 something on the
command line does not exist or fit; 3 this host cannot do it; 4 another run is measuring; 128 + N
ended by signal N.  ``box`` has its command's.
"""

from __future__ import annotations

from invoke.context import Context as Invocation
from invoke.exceptions import Exit
from invoke.tasks import task

from harness.cli import option_values as values
from harness.cli.bench import bench
from harness.cli.box import box
from harness.cli.edge import CLAIMS_HELP, JSON_HELP, RUN_HELP, admit, edge, names, opened, show
from harness.cli.host import clean, doctor
from harness.cli.project import fmt, fuzz, lint, perf, soak, test, types
from harness.cli.runs import import_, report
from harness.directories import places
from harness.terminal.terminal import warn

__all__ = [
    "bench",
    "box",
    "claims",
    "clean",
    "compare",
    "doctor",
    "explain",
    "fmt",
    "fuzz",
    "import_",
    "lint",
    "perf",
    "report",
    "soak",
    "test",
    "types",
]


@task(help={**RUN_HELP, **CLAIMS_HELP, **JSON_HELP})
@edge
def claims(
    _: Invocation,
    run: str | None = None,
    claims: str | None = None,
    as_json: bool = False,
    out: str | None = None,
) -> None:
    """List the claim ledger, with the verdicts of a run."""
    from reports.terminal import claims as shown  # noqa: PLC0415  # pandas: not in a bench

    view = shown.look(places(out).runs, run, claims, names())
    show(view.lines, view.document, as_json=as_json)
    admit(view.damage)


@task(
    positional=["claim"],
    help={"claim": "id of the claim", **RUN_HELP, **CLAIMS_HELP, **JSON_HELP},
)
@edge
def explain(
    _: Invocation,
    claim: str,
    run: str | None = None,
    claims: str | None = None,
    as_json: bool = False,
    out: str | None = None,
) -> None:
    """Show how a verdict came about, down to the trials."""
    from reports.terminal import explain as shown  # noqa: PLC0415  # pandas: not in a bench

    view = shown.look(opened(run, out), claim, claims, names())
    show(view.lines, view.document, as_json=as_json)
    admit(view.damage)


@task(
    positional=["a", "b"],
    help={
        "a": "before: a run (name, short id, path, latest, latest~1), or one arm of it: RUN:ARM",
        "b": "after, in the same form",
        "margin": "share that counts as no change; default 0.02",
        "only": "workloads, resources, metrics or workload/metric, apart by commas",
        "fail-on": "regression: exit with 1 where something became worse, and name it",
        **JSON_HELP,
        "out": "directory of results",
    },
)
@edge
def compare(  # noqa: PLR0917  # invoke passes options by name
    _: Invocation,
    a: str,
    b: str,
    margin: str = "0.02",  # not a float: invoke would answer nonsense with a traceback
    only: str = "",
    fail_on: str = "",
    as_json: bool = False,
    out: str | None = None,
) -> None:
    """Say per metric what changed from A to B, and how sure that is."""
    from reports.terminal import compare as shown  # noqa: PLC0415  # pandas: not in a bench

    values.chosen("--fail-on", fail_on, ("", "regression"))
    view = shown.look(places(out).runs, (a, b), values.share("--margin", margin), only)
    show(view.lines, view.document, as_json=as_json)
    for regression in view.regressions if fail_on else ():
        warn(f"worse: {regression}")
    admit(view.damage)
    if fail_on and view.regressions:
        raise Exit(code=1)
