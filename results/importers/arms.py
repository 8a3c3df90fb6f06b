"""Whose figures these are: names in files become arms, and one of them the baseline."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import entry_points

from results.importers.errors import ImportFault
from results.importers.reading import Options, Reading
from results.importers.values import name_problem, tidy

BASELINE = "native"
ALIKE = ("bare-metal", "baremetal", "bare metal", "bare_metal", "bare", "host", "physical")
"""What others call the baseline; with one of them and no ``native``, it is the baseline."""
ARM_LIMIT = 64
NAMES_SHOWN = 12
MOST_ARMS = 200


def checked_arm(name: str) -> str:
    """``name`` as an arm: lower case, ``backend`` or ``backend:profile``.

    Raises:
        ImportFault: it can be none.
    """
    arm = " ".join(name.split()).casefold().removesuffix(":default")
    problem = name_problem(arm, ARM_LIMIT)
    backend, colon, profile = arm.partition(":")
    if not problem and (not backend.strip() or (colon and not profile.strip())):
        problem = "write backend or backend:profile"
    if problem:
        raise ImportFault(f"{tidy(name)!r:.80} cannot be an arm: {problem}")
    return arm


def assigned(readings: Iterable[Reading], options: Options) -> list[str]:
    """The arm of every reading, in order.

    Raises:
        ImportFault: it cannot be told; or a name of ``--map`` is in no file.
    """
    renames = {name.casefold(): arm for name, arm in options.renames.items()}
    known = frozenset(point.name for point in entry_points(group="tarebench.runtimes"))
    arms: dict[tuple[str, str], str] = {}
    used: set[str] = set()
    unknown: dict[str, None] = {}
    found = []
    for reading in readings:
        key = (reading.arm, reading.label)
        if key not in arms:
            arm, by = _arm(reading, renames, known)
            used.update(by)
            if not arm:
                unknown[reading.label] = None
            arms[key] = arm and checked_arm(arm)
        found.append(arms[key])
    if unknown:
        raise ImportFault(
            f"whose figures are they? No arm is known for {_listed(unknown)}",
            "say it for a file with ARM=FILE, for single names with --map NAME=ARM, or with "
            "--arm-param where a parameter is the arm",
        )
    if len(set(found)) > MOST_ARMS:
        raise ImportFault(
            f"{len(set(found))} arms, at most {MOST_ARMS}",
            "an arm is a kind of box, not what tells rows apart",
        )
    idle = [name for name in options.renames if name.casefold() not in used]
    if idle:
        there = dict.fromkeys(arm or label for arm, label in arms)
        raise ImportFault(f"--map: no file holds {_listed(idle)}", f"there are: {_listed(there)}")
    return found


def _arm(
    reading: Reading, renames: Mapping[str, str], known: Collection[str]
) -> tuple[str, tuple[str, ...]]:
    """The arm, empty where unknown, and the names of ``--map`` that it was found by."""
    names = [reading.label.casefold(), reading.arm.casefold()]
    for name in names:
        if name and name in renames:
            return renames[name], (name,)
    within = tuple(name for name in renames if names[0] and name in names[0])
    targets = {renames[name] for name in within}
    if len(targets) > 1:
        raise ImportFault(
            f"--map: {tidy(reading.label)!r:.100} holds {_listed(within)}: which is it?",
            "give more of the name",
        )
    if within:
        return targets.pop(), within
    if reading.arm:
        return reading.arm, ()
    return (names[0] if names[0].partition(":")[0] in known else ""), ()


def baseline(arms: Collection[str], wanted: str) -> str:
    """The arm that the others are compared with; empty where there is none.

    Raises:
        ImportFault: ``wanted`` is no arm, or several arms hold no baseline.
    """
    present = list(dict.fromkeys(arms))
    listed = f"the arms are: {_listed(present)}"
    if wanted.casefold() == "none":
        return ""
    if wanted:
        arm = checked_arm(wanted)
        if arm not in present:
            raise ImportFault(f"--baseline: no arm is called {arm!r}", listed)
        if BASELINE in present and arm != BASELINE:
            raise ImportFault(
                f"--baseline {arm}: there is an arm {BASELINE} as well", "leave --baseline out"
            )
        return arm
    alike = [arm for arm in present if arm in ALIKE]
    if BASELINE in present:
        return BASELINE
    if len(alike) == 1:
        return alike[0]
    if len(present) > 1:
        raise ImportFault(
            f"no arm is called {BASELINE}: with which are the others compared?",
            f"--baseline ARM, or --baseline none; {listed}",
        )
    return ""


def _listed(names: Iterable[str]) -> str:
    shown = [repr(tidy(name)[:60]) for name in names]
    rest = f" and {len(shown) - NAMES_SHOWN} more" if len(shown) > NAMES_SHOWN else ""
    return ", ".join(shown[:NAMES_SHOWN]) + rest
