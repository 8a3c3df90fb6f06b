"""What is seen where a layer is being made, above those that are finished: step by step.

A path is looked up from a directory that was found already, so that a name takes as many steps as
it has parts, however deep it is.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass

from runtimes.images.canonical import HostileArchive
from runtimes.images.layers.limits.budget import Budget
from runtimes.images.layers.limits.rules import Rules
from runtimes.images.layers.stack.tree import Tree, is_whiteout
from runtimes.images.layers.stack.union import Found, Pile

_MAX_LINKS = 40
"""Symbolic links followed in one path, as in Linux' path_resolution(7)."""


class NoDirectoryFault(HostileArchive):
    """A name goes on below something that is no directory."""


@dataclass(frozen=True, slots=True)
class Place:
    """A directory, seen or to be made."""

    path: str
    depth: int
    """Levels of it."""
    is_own: bool
    """Whether the layer in the making has it."""
    below: Found | None
    """The directory that finished layers show there, unless it is hidden."""

    def of(self, base: str) -> str:
        """The path of ``base`` in it."""
        return f"{self.path}/{base}" if self.path else base


class Sight:
    """Looks at a layer in the making, ``own``, and at those ``below`` it."""

    def __init__(self, own: Tree, below: Pile, rules: Rules, budget: Budget) -> None:
        self._own, self._below, self._rules, self._budget = own, below, rules, budget

    def follow(self, name: str, followed: set[str], *, imply: bool) -> list[Place]:
        """The directories on the way to the directory ``name``, the root first, itself last.

        Args:
            name: as written.
            followed: links that the way leads through are added to it.
            imply: those that are in no layer shall be made; they are not there otherwise.

        Raises:
            HostileArchive: something on the way is no directory, links go round or too deep.
        """
        self._budget.walked(len(name))
        pending = name.split("/")[::-1]
        done = [Place("", 0, is_own=True, below=self._below.top())]
        links = 0
        while pending:
            part = pending.pop()
            if part == "..":
                del done[max(1, len(done) - 1) :]
            if part in {"", ".", ".."}:
                continue
            found = self.at(done[-1], part)
            if found is None and not imply:
                raise NoDirectoryFault(f"{name!r}: {done[-1].of(part)!r} is not there")
            if found is None or found.is_directory:
                done.append(self._enter(done[-1], part, found, name))
                continue
            links += 1
            target = self._target(found, name, links)
            followed.add(found.path)
            del done[1 if target.startswith("/") else len(done) :]
            pending += target.split("/")[::-1]
        return done

    def at(self, place: Place, base: str) -> Found | None:
        """What is seen at ``base`` in ``place``, a link not followed."""
        path = place.of(base)
        status = self._own.lstat(path) if place.is_own else None
        if status is None:
            return self._below.step(place.below, base)
        return None if is_whiteout(status) else Found(path, status, (self._own,))

    def _enter(self, parent: Place, base: str, found: Found | None, name: str) -> Place:
        """The directory ``base`` in ``parent``, where ``found`` (nothing, or a directory) is."""
        path, depth = parent.of(base), parent.depth + 1
        if depth >= self._rules.depth or len(path) > self._rules.name_bytes:
            raise HostileArchive(f"{name[:200]!r}: leads to a path that is too long or too deep")
        if found is None or found.tree is not self._own:
            return Place(path, depth, is_own=False, below=found)
        below = None if self._own.is_opaque(path) else self._below.step(parent.below, base)
        if below is not None and not below.is_directory:
            below = None
        return Place(path, depth, is_own=True, below=below)

    def _target(self, found: Found, name: str, links: int) -> str:
        """Target of the link that was ``found``, the ``links``th on the way."""
        if not stat.S_ISLNK(found.status.st_mode):
            raise NoDirectoryFault(f"{name!r}: {found.path!r} is not a directory")
        if links > _MAX_LINKS:
            raise HostileArchive(f"{name!r}: too many symbolic links")
        target = found.tree.readlink(found.path)
        self._budget.walked(len(target))
        return target
