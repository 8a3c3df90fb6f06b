"""What the waterfall says in sentences."""

from __future__ import annotations

from reports import text
from reports.view.waterfall_rows import Fall

DEAREST = 3
"""How many of the dearest steps the lead names."""


def lead(fall: Fall) -> str:
    """What the main waterfall says, in sentences."""
    own = [row for row in fall.rows if not row.tier]
    tiers = [row for row in fall.rows if row.tier]
    if not own:
        return ""
    first, last = own[0], own[-1]
    at = {row.label: text.quantity(row.median, fall.unit) for row in fall.rows}
    begin = f"A box begins as a plain process, which says its first byte after {at[first.label]}"
    whole = "with every mechanism it is a container" if last.last else f"with {last.label}"
    said = [f"{begin}, and {whole}, after {at[last.label]}."]
    told = sorted(
        (row for row in own if row.finding == "costs" and row.change),
        key=lambda row: -(row.change.value if row.change else 0.0),
    )
    if told:
        words = [f"{row.label} ({row.figure})" for row in told[:DEAREST]]
        verb = "The dearest steps are" if len(words) > 1 else "The dearest step is"
        said.append(f"{verb} {text.listed(words)}.")
    elif all(row.finding in {"few", "first"} for row in own):
        said.append("There are too few blocks yet for intervals, so no step is called a cost.")
    else:
        said.append("No single step is told from nothing.")
    engines = [f"{row.label} {at[row.label]}" for row in tiers]
    if engines:
        said.append(f"Other engines take longer for the same box: {text.listed(engines)}.")
        if 0 < last.median < tiers[-1].median:
            share = text.percent(last.median / tiers[-1].median)
            said.append(
                f"All of the kernel's mechanisms together are {share} of what "
                f"{tiers[-1].label} takes."
            )
    return " ".join(said)


def floor(fall: Fall) -> str:
    """What this machine can show, in a sentence."""
    if fall.floor is None:
        return (
            "What native differs from itself is not known yet, so a step is told by its interval "
            "alone."
        )
    least = text.quantity(fall.floor, fall.unit)
    return f"Native differed from itself by up to {least}: smaller steps are not told from nothing."
