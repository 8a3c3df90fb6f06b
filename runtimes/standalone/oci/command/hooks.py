"""Hooks of the runtime's own namespaces, and the state that every hook is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.oci.configuration import Hook
from runtimes.standalone.oci.command.containers import VERSION, Record

_ANY_TIME_S = 86400.0


def state(record: Record, status: str, pid: int) -> dict[str, object]:
    """A container's state as the specification has it."""
    return {
        "ociVersion": VERSION,
        "id": record.id,
        "status": status,
        "pid": pid,
        "bundle": record.bundle,
        "annotations": dict(record.annotations),
    }


def state_around_pid(record: Record, status: str) -> tuple[str, str]:
    """The state as text, before and after the pid, which only the process itself knows."""
    whole = state(record, status, 0)
    del whole["pid"]
    text = json.dumps(whole)
    return text[:-1] + ', "pid": ', "}"


def run_all(hooks: Iterable[Hook], record: Record, status: str, pid: int) -> None:
    """Run hooks in order.

    Raises:
        RuntimeFault: one of them failed; the others are not run.
    """
    told = json.dumps(state(record, status, pid)).encode()
    for hook in hooks:
        try:
            process.run(
                hook.argv,
                timeout_s=hook.timeout_s or _ANY_TIME_S,
                env=dict(text.partition("=")[::2] for text in hook.environment),
                stdin=told,
                program=hook.path,
            )
        except process.CommandFailed as fault:
            words = f"hook {hook.path}: {fault}" + (f": {fault.tail}" if fault.tail else "")
            raise RuntimeFault(words, hint=fault.hint) from None


def run_each(
    hooks: Iterable[Hook], record: Record, status: str, pid: int, warn: Callable[[str], None]
) -> None:
    """Run hooks in order, whether or not one before failed: what came of that is a warning."""
    for hook in hooks:
        try:
            run_all([hook], record, status, pid)
        except RuntimeFault as fault:
            warn(str(fault))
