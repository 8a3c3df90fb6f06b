"""The shape of a ledger file: what keys there are and of which type."""

from __future__ import annotations

from typing import Literal

import msgspec

from results.ledger.claims.rules import RuleKind
from results.ledger.claims.schema import Combine


class RawRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``{ kind = "equivalence", margin = 0.02 }``."""

    kind: RuleKind
    margin: float | None = None
    factor: float | None = None


class RawPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[claim.part]]``; what it leaves out, its claim says."""

    name: str
    workload: str = ""
    metric: str = ""
    rule: RawRule | None = None
    baseline: str | None = None
    candidates: list[str] | None = None
    awaits: str = ""
    optional: bool = False
    bound_by: str = ""


class RawClaim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[claim]]``."""

    id: str
    claim: str
    source: str
    refuted_by: str
    rule: RawRule | None = None
    baseline: str = "native"
    candidates: list[str] = []
    combine: Combine = "every"
    awaits: str = ""
    if_supported: str = ""
    if_refuted: str = ""
    holds_for: str = "it holds for"
    fails_for: str = "not for"
    replaces: Literal[True] | None = None
    """It stands in the place of the built-in claim of the same id."""
    part: list[RawPart] = []


class RawFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ledger file."""

    claim: list[RawClaim]
