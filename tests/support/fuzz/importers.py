"""Others' figures, tampered with, through the path of ``invoke import``: a run, or a fault."""

from __future__ import annotations

import math
import random
import tempfile
from pathlib import Path

import msgspec

from results.importers import ImportFault, Options, Source, prepare
from tests.support.fuzz import Played, Report, campaign
from tests.support.fuzz.mutate import mutated
from tests.support.imports import DATA, HEADER

CSV = f"{HEADER},block,trial,iteration\n" + "".join(
    f"{arm},cpu.x,s,s,lower,{1 + block / 100},{block},{block},1\n"
    for block in range(4)
    for arm in ("native", "docker")
)


def seeds() -> dict[str, bytes]:
    """Real files and a table of our own: name → content."""
    found = {path.name: path.read_bytes() for path in sorted(DATA.glob("*.json"))}
    return {"a.csv": CSV.encode(), **found}


def play(path: Path, data: bytes) -> tuple[bool, str]:
    """Whether a run came of it, and what came of it that may not; empty for nothing."""
    path.write_bytes(data)
    try:
        made = prepare([Source(path, "native")], Options(baseline="none"), ("invoke", "import"))
        msgspec.json.encode(made.run)
        for trial, samples in made.trials:
            msgspec.json.encode(trial)
            if not all(math.isfinite(sample.value) for sample in samples):
                return True, "a value that is no number"
    except ImportFault:
        return False, ""
    except Exception as error:  # noqa: BLE001  # which is what is looked for
        return False, f"{type(error).__name__}: {error}"
    return True, ""


def fuzz(rng: random.Random, seconds: float, corpus: Path) -> Report:
    """See tests.support.fuzz."""
    known = seeds()
    with tempfile.TemporaryDirectory(prefix="tarebench-fuzz-") as directory:

        def attack() -> tuple[int, str, Played]:
            name = rng.choice(list(known))
            data = mutated(rng, known[name])
            return 1, f"{name} {data[:2000]!r}", play(Path(directory, name), data)

        def replay(path: Path) -> Played:
            return play(Path(directory, path.name), path.read_bytes())

        return campaign(seconds, corpus, replay, attack)
