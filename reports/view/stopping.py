"""How a run with a budget came to its end: its looks, and why each claim got no more trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from reports import text
from reports.view.model import Gate, Table
from results.records.looks import ClaimStop
from results.records.records import Run

WORDS = {
    "decided": "settled at a look",
    "budget": "the budget ended",
    "maximum": "the most blocks were reached",
    "unanswerable": "what it lacks is not trials",
}
COUNTED = {
    "decided": "settled at a look",
    "budget": "left open where the budget ended",
    "maximum": "left open at the most blocks",
    "unanswerable": "left open for want of something else than trials",
}


def design(run: Run) -> tuple[tuple[str, str], ...]:
    """Rows that say when the run was to end."""
    if run.budget_s is None:
        return (("blocks", f"{run.blocks}, fixed beforehand"),)
    planned = ", ".join(str(look.blocks) for look in run.planned_looks)
    return (
        ("blocks", f"at most {run.blocks}, until the claims are settled"),
        ("budget", f"{text.number(run.budget_s)} s of trials and looks"),
        ("looks planned", f"after {planned} blocks" if planned else "none could be planned"),
    )


def blocks_words(run: Run) -> str:
    """In how many blocks it was measured, as the end of a sentence."""
    if run.budget_s is None:
        return f"in {run.blocks} blocks of random order"
    if not run.looks:
        return "in blocks of random order"
    done = run.looks[-1].blocks
    return f"in blocks of random order, as many as the claims needed, {done} at most"


def stopping_tables(run: Run) -> tuple[Table, ...]:
    """Looks taken and claims stopped; nothing where the number of blocks was fixed."""
    if run.budget_s is None:
        return ()
    looks = tuple(
        (
            f"{look.blocks}{' (the last)' if look.last else ''}",
            str(look.trials),
            text.percent(look.equivalence / 2.0, 2),
            ", ".join(sorted(text.name(name) for name in look.decided)) or "none",
            f"{text.number(look.seconds)} s",
        )
        for look in run.looks
    )
    stops = tuple(_stop(stop) for stop in run.stops)
    return (
        Table(
            "Why each claim got no more trials", ("Claim", "Why", "Blocks", "More needed"), stops
        ),
        Table("Looks", ("Blocks", "Trials", "Error per end", "Decided so far", "It took"), looks),
    )


def stopping_gates(run: Run) -> Iterable[Gate]:
    """One line for the top of the report."""
    if run.budget_s is None or not run.finished_utc:
        return
    if not run.stops:
        why = "no look was taken" if not run.looks else "no claim could be judged by what ran"
        yield Gate("info", "Nothing was settled early", text.sentence(why))
        return
    counts = Counter(stop.reason for stop in run.stops)
    said = text.listed([f"{count} {COUNTED[reason]}" for reason, count in counts.items()])
    times = "once" if len(run.looks) == 1 else f"{len(run.looks)} times"
    yield Gate(
        "good" if set(counts) == {"decided"} else "info",
        f"Trials were added until {max(stop.blocks for stop in run.stops)} blocks",
        f"{_claims(len(run.stops))}: {said}. Intervals are corrected for looking {times}.",
    )


def _claims(count: int) -> str:
    return "1 claim" if count == 1 else f"{count} claims"


def _stop(stop: ClaimStop) -> tuple[str, str, str, str]:
    more = text.NOTHING
    if stop.reason in {"budget", "maximum"}:
        more = "nobody can say" if stop.more is None else f"about {stop.more} blocks"
    return text.name(stop.claim), WORDS[stop.reason], str(stop.blocks), more
