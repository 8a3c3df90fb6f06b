"""What does not hold in the run's files, as the report tells it."""

from __future__ import annotations

from reports import text
from reports.view.model import Gate, Table
from results.store.contents import Contents

SHOWN = 4
MAX_ROWS = 400
REMEDY = (
    "restore the files from a copy, or measure again what was lost: invoke bench --resume with the "
    "run’s name"
)


def damage_gates(contents: Contents) -> tuple[Gate, ...]:
    """A caution for what is damaged and left out, one for what nobody can check."""
    found = []
    if contents.damaged:
        count = contents.damaged
        title = f"{count} {'place' if count == 1 else 'places'} in this run’s files are damaged"
        told = "; ".join(contents.told(SHOWN))
        detail = f"What does not hold is left out and counts nowhere; the rest is used. {told}"
        found.append(Gate("caution", title, text.clean(detail, 1500), REMEDY))
    if contents.caution:
        title = "Whether samples were lost or changed was not checked"
        found.append(Gate("caution", title, text.sentence(contents.caution)))
    return tuple(found)


def damage_tables(contents: Contents) -> tuple[Table, ...]:
    """All of the damage that is named; none where there is none."""
    if not contents.damaged:
        return ()
    rows = [(each.place, text.clean(each.why, 500)) for each in contents.damage[:MAX_ROWS]]
    more = contents.damaged - len(rows)
    if more:
        rows.append(("", f"and {more} more"))
    return (Table("Damaged and left out", ("Where", "Why"), tuple(rows)),)
