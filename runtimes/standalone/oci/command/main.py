"""Run the command line: one command, errors on standard error and in the log."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from runtimes.faults import RuntimeFault
from runtimes.printable import printable, printable_line
from runtimes.standalone.oci.command import lifecycle, state
from runtimes.standalone.oci.command.containers import VERSION, Store
from runtimes.standalone.oci.command.create import ContainerRequest, create, run, start
from runtimes.standalone.oci.command.exec import Visit, execute
from runtimes.standalone.oci.command.install import install
from runtimes.standalone.oci.command.options import PROGRAM, parse
from runtimes.standalone.oci.read import read

FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """The process's exit status."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if options.version or options.what is None:
        _say(f"{PROGRAM} version {importlib.metadata.version('tarebench')}\nspec: {VERSION}")
        return 0 if options.version else FAILED
    warn = _log(options, "warning")
    try:
        return _COMMANDS[options.what](options, Store(options.root.absolute()), warn) or 0
    except (RuntimeFault, OSError) as fault:
        hint = getattr(fault, "hint", "")
        _log(options, "error")(f"{fault}" + (f": {hint}" if hint else ""))
        return FAILED


def _log(options: argparse.Namespace, level: str) -> Callable[[str], None]:
    """Tells standard error and, where there is one, the log that engines read."""

    def tell(words: str) -> None:
        sys.stderr.write(f"{printable(words)}\n")
        if options.log is None:
            return
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        entry = {"level": level, "msg": words, "time": now}
        plain = f"{now} {level}: {printable_line(words)}"
        text = json.dumps(entry) if options.log_format == "json" else plain
        with options.log.open("a") as file:
            file.write(f"{text}\n")

    return tell


def _say(words: str) -> None:
    sys.stdout.write(f"{printable(words)}\n")


def _show(content: object) -> None:
    _say(json.dumps(content, indent=2))


_Warn = Callable[[str], None]


def _wanted(options: argparse.Namespace) -> ContainerRequest:
    if options.preserve_fds:
        raise RuntimeFault("--preserve-fds: a container of ns has its three streams only")
    if options.no_pivot:
        raise RuntimeFault("--no-pivot: without pivot_root there is a way back to the host")
    return ContainerRequest(options.id, options.bundle, options.pid_file, options.console_socket)


def _create(options: argparse.Namespace, store: Store, warn: _Warn) -> None:
    create(store, _wanted(options), warn)


def _run(options: argparse.Namespace, store: Store, warn: _Warn) -> int:
    status = run(store, _wanted(options), warn, detach=options.detach)
    if not options.detach and not options.keep:
        lifecycle.delete(store, options.id, warn, force=True)
    return status


def _start(options: argparse.Namespace, store: Store, warn: _Warn) -> None:
    start(store, options.id, warn)


def _state(options: argparse.Namespace, store: Store, _: _Warn) -> None:
    _show(state.state(store, store.load(options.id)))


def _kill(options: argparse.Namespace, store: Store, _: _Warn) -> None:
    lifecycle.kill(store, options.id, options.signal, everybody=options.all)


def _delete(options: argparse.Namespace, store: Store, warn: _Warn) -> None:
    lifecycle.delete(store, options.id, warn, force=options.force)


def _execute(options: argparse.Namespace, store: Store, warn: _Warn) -> int:
    visit = Visit(
        name=options.id,
        process=options.process,
        argv=tuple(options.command),
        environment=tuple(options.env),
        directory=options.cwd,
        user=options.user,
        tty=options.tty,
        detach=options.detach,
        pid_file=options.pid_file,
        console=options.console_socket,
    )
    return execute(store, visit, warn)


def _events(options: argparse.Namespace, store: Store, _: _Warn) -> None:
    if not options.stats:
        raise RuntimeFault("events: only --stats, once", hint="read the cgroups for more")
    _say(json.dumps(state.stats(store.load(options.id))))


def _ps(options: argparse.Namespace, store: Store, _: _Warn) -> None:
    pids = state.processes(store.load(options.id))
    if options.format == "json":
        _say(json.dumps(pids))
    else:
        _say("\n".join(["PID", *map(str, pids)]))


def _list(options: argparse.Namespace, store: Store, _: _Warn) -> None:
    states = [state.state(store, store.load(name)) for name in store.names()]
    if options.quiet:
        sys.stdout.write("".join(f"{printable_line(one['id'])}\n" for one in states))
    elif options.format == "json":
        _say(json.dumps(states))
    else:
        rows = [("ID", "PID", "STATUS", "BUNDLE", "CREATED")]
        rows += [(one["id"], str(one["pid"]), one["status"], one["bundle"], one["created"])
                 for one in states]  # fmt: skip
        _say("\n".join("   ".join(map(printable_line, row)) for row in rows))


def _check(options: argparse.Namespace, _: Store, __: _Warn) -> None:
    one = read(options.bundle)
    kinds = " ".join(kind for kind, _ in one.namespaces)
    _say(f"{' '.join(one.argv)}: namespaces {kinds}; {len(one.mounts)} mounts")


_COMMANDS: Mapping[str, Callable[[argparse.Namespace, Store, _Warn], int | None]] = {
    "create": _create,
    "run": _run,
    "start": _start,
    "state": _state,
    "kill": _kill,
    "delete": _delete,
    "pause": lambda options, store, _: lifecycle.pause(store, options.id),
    "resume": lambda options, store, _: lifecycle.resume(store, options.id),
    "exec": _execute,
    "events": _events,
    "ps": _ps,
    "list": _list,
    "features": lambda _options, _store, _warn: _show(state.features()),
    "check": _check,
    "install": lambda options, _store, _warn: install(options.path),
}
