"""Tasks about this host: what works on it, and what runs have left on it."""

from __future__ import annotations

from dataclasses import asdict

from invoke.context import Context as Invocation
from invoke.exceptions import Exit
from invoke.tasks import task

from harness.clean import clean as cleaning
from harness.clean import layer_store
from harness.cli import tables
from harness.cli.edge import JSON_HELP, edge, options, show
from harness.clock import HostClock
from harness.directories import places
from harness.doctor import doctor as examination
from harness.doctor import tune as tuning
from harness.doctor.steadiness.command import measured
from harness.errors import UsageFault
from harness.terminal.terminal import say, stderr, warn
from runtimes.linux.ids import entering
from runtimes.registry import load as load_runtimes


@task(
    help={
        **JSON_HELP,
        "tune": "set what makes measuring steadier; keep what was, for --restore",
        "measure": "measure clocks, steal and neighbours for ten seconds, too",
        "restore": "put back exactly what --tune changed",
        "libvirt-uri": "libvirt connection to examine",
        "docker-host": "Docker daemon to examine",
    }
)
@edge
def doctor(  # noqa: PLR0917  # invoke passes options by name
    _: Invocation,
    as_json: bool = False,
    tune: bool = False,
    restore: bool = False,
    measure: bool = False,
    libvirt_uri: str | None = None,
    docker_host: str | None = None,
) -> None:
    """Say for every backend and host condition: works or not, why, what to do."""
    if measure and (tune or restore):
        raise UsageFault("--measure changes nothing", hint="tune first, then measure")
    if tune or restore:
        changes = tuning.carry_out(HostClock(), tune=tune, restore=restore)
        told = tuning.told(changes, restore=restore)
        show([told], [asdict(each) for each in changes], as_json=as_json)
        if restore and any(each.state == "refused" for each in changes):
            raise Exit(code=1)
        return
    found = load_runtimes()
    rows = examination.examine(
        found.runtimes, found.broken, places(), options(libvirt_uri, docker_host)
    )
    if measure:
        rows += measured(HostClock(), stderr)
    show([tables.doctor(rows)], [asdict(row) for row in rows], as_json=as_json)
    if any(row.state == "missing" for row in rows):
        raise Exit(code=1)


@task(help={"cache": "also remove root filesystems, images and everything made from them"})
@edge
def clean(_: Invocation, cache: bool = False) -> None:
    """Remove everything that killed runs left on this host; living runs are left alone."""
    where = places()
    if where.state.exists() or (cache and where.cache.exists()):
        entering.enter(warn)  # a plain user's boxes have written with ids of a namespace
    removed = cleaning.clean_all(where.state, load_runtimes().runtimes)
    removed += layer_store.clean(where.cache)
    if cache:
        removed += cleaning.clean_cache(where.cache)
    for line in removed:
        say(line)
    if not removed:
        say("nothing was left")
