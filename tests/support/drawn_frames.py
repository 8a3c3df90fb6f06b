"""Frames of any size with known truth, for measuring and testing the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from results.frame import COLUMNS, NO_SLICE
from results.ledger.claims.rules import Rule
from results.ledger.claims.schema import Claim, Ledger, Part

METRIC = "value_ns"


@dataclass(frozen=True, slots=True)
class Size:
    """How large a simulated run is."""

    claims: int = 20
    arms: int = 10
    """The baseline and its twin included."""
    trials: int = 200
    iterations: int = 20

    @property
    def samples(self) -> int:
        """Rows of the frame: every claim has a workload of its own."""
        return self.claims * self.arms * self.trials * self.iterations


def arms(size: Size) -> list[str]:
    """``native``, ``native:aa``, then boxes."""
    return ["native", "native:aa", *(f"box{place}" for place in range(size.arms - 2))]


def ledger(size: Size) -> Ledger:
    """One claim per workload: no box loses more than 2 %."""
    return Ledger(tuple(_claim(place, size) for place in range(size.claims)), "0" * 64)


def frame(size: Size, *, noise: float = 0.01, loss: float = 0.01, seed: int = 7) -> pd.DataFrame:
    """Samples in which every box takes ``loss`` more time than native.

    Blocks drift by 5 %; trials vary by ``noise`` (standard deviation of the log), iterations
    inside a trial by a tenth of that.
    """
    chance = np.random.default_rng(seed)
    shape = size.claims, size.arms, size.trials, size.iterations
    workload, arm, trial, iteration = (index.ravel() for index in np.indices(shape, np.int32))
    effects = np.where(np.arange(size.arms) < 2, 0.0, np.log1p(loss))[None, :, None, None]
    drift = np.linspace(0.0, 0.05, size.trials)[None, None, :, None]
    logs = (
        effects
        + drift
        + noise * chance.standard_normal((*shape[:3], 1))
        + 0.1 * noise * chance.standard_normal(shape)
    )
    names = arms(size)
    backends = [name.partition(":")[0] for name in names]
    profiles = [name.partition(":")[2] or "default" for name in names]
    ids = [f"w{w}-b{t}-{names[a]}" for w, a, t in np.ndindex(*shape[:3])]
    columns = {
        "run_id": _label(np.zeros_like(arm), ["20261124T000000Z-000000"]),
        "block": trial.astype(np.int64),
        "trial_id": _label(np.arange(workload.size, dtype=np.int32) // size.iterations, ids),
        "attempt": np.ones(workload.size, np.int64),
        "backend": _label(arm, backends),
        "profile": _label(arm, profiles),
        "arm": _label(arm, names),
        "workload": _label(workload, [f"cpu.w{place}" for place in range(size.claims)]),
        "resource": _label(np.zeros_like(arm), ["cpu"]),
        "metric": _label(np.zeros_like(arm), [METRIC]),
        "unit": _label(np.zeros_like(arm), ["ns"]),
        "direction": _label(np.zeros_like(arm), ["lower"]),
        "iteration": iteration.astype(np.int64),
        "value": 1e6 * np.exp(logs).ravel(),
        "valid": np.ones(workload.size, bool),
        "reasons": _label(np.zeros_like(arm), [""]),
        "place": np.full(workload.size, NO_SLICE, np.int64),
    }
    return pd.DataFrame(columns, columns=list(COLUMNS))


def _label(codes: npt.NDArray[np.integer[Any]], names: list[str]) -> pd.Categorical[str]:
    """A categorical column; names may repeat."""
    unique = sorted(set(names))
    places = {name: place for place, name in enumerate(unique)}
    remap = np.array([places[name] for name in names], np.int32)
    return pd.Categorical.from_codes(remap[codes], categories=pd.Index(unique))


def _claim(place: int, size: Size) -> Claim:
    part = Part(
        name=f"work {place}",
        workload=f"cpu.w{place}",
        metric=METRIC,
        rule=Rule("loss-at-most", 0.02),
        baseline="native",
        candidates=tuple(arms(size)[2:]),
    )
    return Claim(
        id=f"claim-{place}",
        claim="No box loses more than 2 %.",
        source="simulated",
        refuted_by="a larger loss",
        parts=(part,),
        combine="every",
        awaits="",
        if_supported="",
        if_refuted="",
        origin="simulated",
        line=1,
    )
