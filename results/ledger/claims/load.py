"""Read ledger files: the built-in claims and a user's own, checked to the last name."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from results.ledger.claims.checks import Checker
from results.ledger.claims.errors import LedgerError
from results.ledger.claims.raw import RawFile
from results.ledger.claims.schema import Claim, Ledger
from results.ledger.claims.source_lines import Places
from results.ledger.claims.vocabulary import Known, installed

BUILT_IN = Path(__file__).parents[2] / "claims.toml"
LIMIT_BYTES = 1 << 20

_WHERE = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<name>[a-z_]+)(?:\[(?P<index>\d+)\])?")


def load(own: Path | None = None, known: Known | None = None) -> Ledger:
    """The built-in ledger, with the claims of the user's file ``own`` added at its end.

    A claim of ``own`` that says ``replaces = true`` stands in the place of the built-in one with
    its id.

    Args:
        own: a TOML file as ``claims.toml`` is one.
        known: names that a claim may use; by default what the installed packages register.

    Raises:
        LedgerError: a file is not there, is no TOML, or a claim in it does not hold together; says
            the file, the line and the key.
    """
    names = known or installed()
    text = _read(BUILT_IN)
    claims = {claim.id: claim for claim, _ in _parsed(text, BUILT_IN, "built in", names)}
    digest = hashlib.sha256(text.encode())
    if own is not None:
        text = _read(own)
        digest.update(b"\0" + text.encode())
        for claim, replaces in _parsed(text, own, str(own), names):
            _check_place(claim, replaces, claims, own)
            claims[claim.id] = claim
    return Ledger(tuple(claims.values()), digest.hexdigest())


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise LedgerError(f"{path}: longer than 1 MiB", "a ledger is a short text")
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror}", "give a ledger file with --claims") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise LedgerError(f"{path}:{line}: not UTF-8", "save it as UTF-8") from None
    except ValueError as error:  # a NUL in the name
        raise LedgerError(f"{str(path)!r}: {error}", "give a ledger file with --claims") from None


def _parsed(text: str, path: Path, origin: str, known: Known) -> list[tuple[Claim, bool]]:
    document = _toml(text, path)
    places = Places.of(text, _counts(document))
    try:
        raw = msgspec.convert(document, RawFile)
    except msgspec.ValidationError as error:
        raise _misshapen(error, places, path) from None
    if not raw.claim:
        raise LedgerError(f"{path}:1: it holds no [[claim]]", "see results/claims.toml for some")
    checker = Checker(path, origin, places, known)
    seen: dict[str, int] = {}
    found = []
    for index, each in enumerate(raw.claim):
        if each.id in seen:
            raise checker.fault(
                f"{each.id!r:.60} is the id of the claim in line {places.line(seen[each.id])}",
                index,
                key="id",
            )
        seen[each.id] = index
        found.append((checker.claim(each, index), bool(each.replaces)))
    return found


def _toml(text: str, path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        what = str(error)[: place.start()] if place else str(error)
        at = f":{place[1]}:{place[2]}" if place else ""
        raise LedgerError(f"{path}{at}: no TOML: {what:.200}", "see https://toml.io") from None
    except (RecursionError, ValueError, OverflowError):
        raise LedgerError(f"{path}:1: no TOML that can be read", "see https://toml.io") from None


def _counts(document: Mapping[str, Any]) -> tuple[int, ...]:
    claims = document.get("claim")
    if not isinstance(claims, list):
        return ()
    parts = [claim.get("part", []) if isinstance(claim, dict) else [] for claim in claims]
    return tuple(len(each) if isinstance(each, list) else 0 for each in parts)


def _misshapen(error: msgspec.ValidationError, places: Places, path: Path) -> LedgerError:
    """msgspec's sentence, with its path turned into a line and a key."""
    words = str(error)
    where = _WHERE.search(words)
    steps = list(_STEP.finditer(where["path"])) if where else []
    indices = {step["name"]: int(step["index"]) for step in steps if step["index"]}
    what = words[: where.start()] if where else words
    named = re.search(r"field `([^`]*)`", what)
    key = named[1] if named else (steps[-1]["name"] if steps else "file")
    missing = named is not None and "missing" in what
    if named:
        what = "it is missing" if missing else "there is no such key"
    line = places.line(indices.get("claim"), indices.get("part"), "" if missing else key)
    hint = "results/claims.toml shows every key"
    return LedgerError(f"{path}:{line}: {key}: {what:.200}", hint)


def _check_place(claim: Claim, replaces: bool, claims: Mapping[str, Claim], path: Path) -> None:
    there = claim.id in claims
    if there and not replaces:
        raise LedgerError(
            f"{path}:{claim.line}: id: {claim.id!r} is a built-in claim",
            "choose another id, or say replaces = true",
        )
    if replaces and not there:
        raise LedgerError(
            f"{path}:{claim.line}: replaces: there is no built-in claim {claim.id!r}",
            "leave replaces out; invoke claims lists the ids",
        )
