"""Imported runs bring workloads of their own: which claims they bear on.

A built-in claim speaks of a resource and names our workload for it.  Where an imported run lacks
that workload, those that it has for the same resource stand in, each by its primary metric; rule,
margin and arms stay as they were fixed.  What a study never set out to measure is named and counts
neither way: where it measured the resource otherwise, the claim is judged without it; where it did
not measure the resource at all, what it has does not speak for the whole claim.  Claims of the
user's own file name what they mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from results.ledger.claims.schema import Claim, Part
from results.records.records import Run, WorkloadRecord

BUILT_IN = "built in"


def adapted(claims: Sequence[Claim], run: Run | None) -> tuple[Claim, ...]:
    """``claims`` as ``run`` can bear on them: as they are for a run that was measured here."""
    if run is None or run.source == "bench":
        return tuple(claims)
    named = {part.workload for claim in claims for part in claim.parts}
    own = {each.name: each for each in run.workloads}
    strangers = [each for each in run.workloads if each.name not in named]
    return tuple(
        replace(claim, parts=_parts(claim.parts, own, strangers))
        if claim.origin == BUILT_IN
        else claim
        for claim in claims
    )


def _parts(
    parts: Sequence[Part], own: Mapping[str, WorkloadRecord], strangers: Sequence[WorkloadRecord]
) -> tuple[Part, ...]:
    found = dict.fromkeys(each for part in parts for each in _instead(part, own, strangers))
    held = own.keys() | {each.name for each in strangers}
    resources = {own_or.resource for own_or in (*own.values(), *strangers)}
    return tuple(
        replace(part, optional=True)
        if part.workload not in held and part.workload.partition(".")[0] in resources
        else part
        for part in found
    )


def _instead(
    part: Part, own: Mapping[str, WorkloadRecord], strangers: Sequence[WorkloadRecord]
) -> Iterator[Part]:
    """What ``part`` is judged by; ``part`` itself where nothing stands in."""
    record = own.get(part.workload)
    if record is not None:
        has = part.metric in {name for name, _, _ in record.metrics}
        yield part if has else replace(part, metric=record.primary)
        return
    # A part that awaits a workload is called by its resource, where it is about one.
    resource = part.workload.partition(".")[0] or part.name
    fitting = [each for each in strangers if each.resource == resource and _fits(part, each)]
    if not fitting:
        yield part
    for each in fitting:
        yield replace(part, name=each.name, workload=each.name, metric=each.primary, awaits="")


def _fits(part: Part, workload: WorkloadRecord) -> bool:
    """Factors are of times and sizes, of which less is better."""
    if not part.rule.kind.startswith("ratio"):
        return True
    directions = {name: direction for name, _, direction in workload.metrics}
    return directions.get(workload.primary) == "lower"
