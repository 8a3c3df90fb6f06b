"""What a validation program found, read from its output: the checks that failed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_CHECK = re.compile(r"(?P<not>not )?ok \d+(?: - (?P<what>.*?))?(?P<directive> # (?:TODO|SKIP).*)?")
_LONGEST = 200


def failures(status: int, output: str, errors: str) -> tuple[str, ...]:
    """Every failure in its own words; none where the program passed.

    Some programs tell of a failure only by a diagnosis that belongs to no check, and some end
    with an error message instead of a check; two say nothing at all where all is well.
    """
    found = list(_failed_checks(output.splitlines()))
    if status != 0:
        last = [line for line in errors.splitlines() if line.strip()] or ["nothing was said"]
        panic = next((line for line in last if line.startswith("panic: ")), last[-1])
        found.append(f"ended with {status}: {panic}"[:_LONGEST])
    return tuple(found)


def _failed_checks(lines: list[str]) -> Iterator[str]:
    before = ""
    for index, line in enumerate(lines):
        check = _CHECK.fullmatch(line)
        if check is not None and check["not"] and not check["directive"]:
            yield (check["what"] or "a check without a name")[:_LONGEST]
        diagnosis = line == "  ---" and _CHECK.fullmatch(before) is None
        if diagnosis and index + 1 < len(lines) and (words := _error(lines[index + 1])):
            yield words[:_LONGEST]
        before = line


def _error(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    error = found.get("error") if isinstance(found, dict) else None
    return str(error).splitlines()[0] if error else ""
