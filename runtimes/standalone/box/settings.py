"""What a box by hand runs: from the command line, and from an image's configuration."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from runtimes.faults import RuntimeFault
from runtimes.images.layers.store.records import StoredImage
from runtimes.process import ENVIRONMENT

_LONGEST_DIRECTORY = 4095
_DEEPEST_DIRECTORY = 256


@dataclass(frozen=True, slots=True)
class Settings:
    """One program."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    """Without HOME that of the user is set."""
    directory: str = "/"
    """Absolute and clean; made where it is missing."""
    user: str = ""
    """As an image's configuration has it; root where empty."""


def of_command(command: Sequence[str], terminal: str) -> Settings:
    """A command in bare layers.

    Raises:
        RuntimeFault: there is none.
    """
    if not command:
        raise RuntimeFault("there is no command to run", hint="put one after --")
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "HOME"}
    return Settings(tuple(command), {**environment, "TERM": terminal})


def of_image(image: StoredImage, command: Sequence[str], terminal: str) -> Settings:
    """An image's entrypoint with ``command``, or with its own where that is empty.

    Raises:
        RuntimeFault: there is nothing to run, or the configuration cannot be taken.
    """
    argv = (*image.entrypoint, *(command or image.command))
    if not argv:
        raise RuntimeFault(f"image {image.name} names no command", hint="put one after --")
    environment = {"PATH": ENVIRONMENT["PATH"], "TERM": terminal}
    for pair in image.environment:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise RuntimeFault(f"image {image.name}: {pair[:100]!r} is no environment variable")
        environment[name] = value
    texts = (*argv, *environment, *environment.values(), image.directory, image.user)
    _check(image.name, texts)
    return Settings(argv, environment, _clean(image.directory), image.user)


def changed(
    made: Settings, *, environment: Sequence[str], directory: str | None, user: str | None
) -> Settings:
    """As the command line has it: ``NAME=VALUE`` pairs, and ``NAME`` for the caller's own.

    Raises:
        RuntimeFault: no such variable, a relative directory, or what no program can be given.
    """
    added = {}
    for pair in environment:
        name, equals, value = pair.partition("=")
        if not name or (not equals and name not in os.environ):
            raise RuntimeFault(
                f"--env {pair[:100]!r}: no environment variable",
                hint="NAME=VALUE, or the NAME of one that is set here",
            )
        added[name] = value if equals else os.environ[name]
    if directory is not None and not directory.startswith("/"):
        raise RuntimeFault(
            f"--workdir {directory[:100]!r} is not absolute", hint="give it from the box's root on"
        )
    _check("by hand", (*added, *added.values(), directory or "", user or ""))
    return replace(
        made,
        environment={**made.environment, **added},
        directory=made.directory if directory is None else _clean(directory),
        user=made.user if user is None else user,
    )


def _check(name: str, texts: Sequence[str]) -> None:
    """Refuse what no program can be given.

    Raises:
        RuntimeFault: such a text.
    """
    for text in texts:
        try:
            text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise RuntimeFault(f"image {name}: {text[:100]!r} is not text") from None
        if "\0" in text:
            raise RuntimeFault(f"image {name}: NUL in {text[:100]!r}")


def _clean(directory: str) -> str:
    clean = posixpath.normpath(f"/{directory}").replace("//", "/")
    if len(clean.encode("utf-8", "surrogateescape")) > _LONGEST_DIRECTORY or (
        clean.count("/") > _DEEPEST_DIRECTORY
    ):
        raise RuntimeFault(f"working directory {clean[:100]!r}… is too long or too deep")
    return clean
