"""From the shape of a claim to the claim: every name, margin and text checked."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from results.ledger.claims.errors import LedgerError
from results.ledger.claims.raw import RawClaim, RawPart, RawRule
from results.ledger.claims.rules import SHARES, Rule
from results.ledger.claims.schema import Claim, Part
from results.ledger.claims.source_lines import Places
from results.ledger.claims.vocabulary import Known, arm_names, is_known_arm

ID = re.compile(r"[a-z][a-z0-9-]{0,47}")
LARGEST_FACTOR = 1e6
LONGEST_TEXT = 600
MOST_PARTS = 50


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks the claims of one file."""

    path: Path
    origin: str
    places: Places
    known: Known

    def fault(
        self, what: str, claim: int, part: int | None = None, *, key: str, hint: str = ""
    ) -> LedgerError:
        """An error that says where."""
        line = self.places.line(claim, part, key)
        return LedgerError(f"{self.path}:{line}: {key}: {what}", hint)

    def claim(self, raw: RawClaim, index: int) -> Claim:
        """The claim, or LedgerError."""
        if not ID.fullmatch(raw.id):
            hint = "lower-case letters, digits and hyphens, at most 48"
            raise self.fault(f"{raw.id!r:.60} is no id", index, key="id", hint=hint)
        for key in ("claim", "source", "refuted_by"):
            self._text(getattr(raw, key), index, key=key)
        for key in ("awaits", "if_supported", "if_refuted", "holds_for", "fails_for"):
            self._text(getattr(raw, key), index, key=key, may_be_empty=True)
        if bool(raw.part) == bool(raw.awaits):
            what = "both parts and awaits" if raw.part else "neither a [[claim.part]] nor awaits"
            raise self.fault(f"{raw.id!r} has {what}", index, key="id")
        if len(raw.part) > MOST_PARTS:
            raise self.fault(f"{len(raw.part)} parts, at most {MOST_PARTS}", index, key="part")
        parts = tuple(self._part(raw, each, index, place) for place, each in enumerate(raw.part))
        if parts and all(part.awaits for part in parts):
            hint = "say awaits for the claim itself"
            raise self.fault(f"every part of {raw.id!r} awaits", index, key="id", hint=hint)
        return Claim(
            id=raw.id,
            claim=raw.claim.strip(),
            source=raw.source.strip(),
            refuted_by=raw.refuted_by.strip(),
            parts=parts,
            combine=raw.combine,
            awaits=raw.awaits.strip(),
            if_supported=raw.if_supported.strip(),
            if_refuted=raw.if_refuted.strip(),
            holds_for=raw.holds_for.strip(),
            fails_for=raw.fails_for.strip(),
            origin=self.origin,
            line=self.places.line(index),
        )

    def _part(self, claim: RawClaim, raw: RawPart, index: int, place: int) -> Part:
        self._text(raw.name, index, place, key="name")
        self._text(raw.awaits, index, place, key="awaits", may_be_empty=True)
        rule = raw.rule or claim.rule
        if rule is None:
            raise self.fault(f"{claim.id!r} has no rule", index, place, key="rule")
        own = place if raw.rule else None
        checked = self._rule(rule, index, own)
        baseline = claim.baseline if raw.baseline is None else raw.baseline
        candidates = tuple(claim.candidates if raw.candidates is None else raw.candidates)
        self._arm(baseline, index, place if raw.baseline is not None else None, "baseline")
        if not candidates:
            raise self.fault(f"{claim.id!r} has no candidates", index, key="candidates")
        for name in candidates:
            self._arm(name, index, place if raw.candidates is not None else None, "candidates")
        if not raw.awaits:
            self._metric(raw, index, place)
        return Part(
            name=raw.name.strip(),
            workload=raw.workload,
            metric=raw.metric,
            rule=checked,
            baseline=baseline,
            candidates=candidates,
            awaits=raw.awaits.strip(),
            optional=raw.optional,
            bound_by=raw.bound_by,
        )

    def _rule(self, raw: RawRule, index: int, place: int | None) -> Rule:
        wanted, other = ("margin", "factor") if raw.kind in SHARES else ("factor", "margin")
        value = getattr(raw, wanted)
        if value is None:
            raise self.fault(f"{raw.kind} needs a {wanted}", index, place, key="rule")
        if getattr(raw, other) is not None:
            raise self.fault(f"{raw.kind} has no {other}, but a {wanted}", index, place, key=other)
        if wanted == "margin" and not 0.0 < value < 1.0:
            hint = "a share: 0.02 is 2 %"
            raise self.fault(f"{value:g} is outside (0, 1)", index, place, key="margin", hint=hint)
        usable = math.isfinite(value) and 1.0 / LARGEST_FACTOR <= value <= LARGEST_FACTOR
        if not usable or value == 1.0:
            what = f"{value:g} is no factor between {1 / LARGEST_FACTOR:g} and {LARGEST_FACTOR:g}"
            hint = "for “as much as” use equivalence" if value == 1.0 else ""
            raise self.fault(what, index, place, key=wanted, hint=hint)
        return Rule(raw.kind, value)

    def _arm(self, name: str, index: int, place: int | None, key: str) -> None:
        if is_known_arm(name, self.known):
            return
        names = arm_names(self.known)
        hint = f"{_near(name, names)}valid: {', '.join(names)}, each also with :profile"
        raise self.fault(f"no arm is called {name!r:.60}", index, place, key=key, hint=hint)

    def _metric(self, raw: RawPart, index: int, place: int) -> None:
        if raw.workload not in self.known.metrics:
            names = sorted(self.known.metrics)
            hint = f"{_near(raw.workload, names)}valid: {', '.join(names)}"
            what = f"no workload is called {raw.workload!r:.60}"
            raise self.fault(what, index, place, key="workload", hint=hint)
        metrics = self.known.metrics[raw.workload]
        for key, name in (("metric", raw.metric), ("bound_by", raw.bound_by or raw.metric)):
            if not name or (metrics is not None and name not in metrics):
                names = sorted(metrics or ())
                hint = f"{_near(name, names)}valid: {', '.join(names)}" if names else ""
                what = f"{raw.workload} has no metric {name!r:.60}"
                raise self.fault(what, index, place, key=key, hint=hint)

    def _text(
        self,
        text: str,
        index: int,
        place: int | None = None,
        *,
        key: str,
        may_be_empty: bool = False,
    ) -> None:
        if not text.strip() and not (may_be_empty and not text):
            raise self.fault("it is empty", index, place, key=key)
        if len(text) > LONGEST_TEXT:
            raise self.fault(f"longer than {LONGEST_TEXT} characters", index, place, key=key)
        strange = next((char for char in text if _is_strange(char)), None)
        if strange is not None:
            what = f"the character U+{ord(strange):04X} cannot be shown"
            raise self.fault(what, index, place, key=key)


def _is_strange(char: str) -> bool:
    """Whether it reorders, hides or breaks a line of text."""
    return char not in "\n\t" and unicodedata.category(char) in {"Cc", "Cf", "Cs", "Cn", "Co"}


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"did you mean {near[0]}? " if near else ""
