"""Arms as they appear: one colour and marker each, the same in every chart of every report."""

from __future__ import annotations

import re
from collections.abc import Container

from reports import text
from reports.view.model import ArmView
from results.records.records import ArmRecord, Run, arm_name

BASELINE = "native"
AGAIN = "native:aa"

COLD_BASELINE = "native:cold"
"""What arms with cold caches are held against, where the run has it."""

SLOTS = {"native": 0, "native:aa": 1, "ns": 2, "docker": 3, "kvm": 4, "oci": 5, "containerd": 6}
"""Constant, so that a reader of many reports learns them.  Others take what is left, in order."""

SLOT_COUNT = 12

MEANING = {
    AGAIN: "native again (A/A)",
    "kvm:nested-ns": "ns in a VM",
    "kvm:nested-docker": "Docker in a VM",
}
"""Arms whose names do not say what they are."""

UNJUDGED = ("emulated", "simulated")
"""Conditions under which an arm's figures are drawn hollow and judged by nobody."""


def arm_views(run: Run) -> dict[str, ArmView]:
    """Every arm of ``run`` by name, always in the same order, the baseline first."""
    records = {arm_name(arm.backend, arm.profile): arm for arm in run.arms}
    order = sorted(records, key=lambda name: (SLOTS.get(name, SLOT_COUNT), _natural(name)))
    taken = {SLOTS[name] for name in order if name in SLOTS}
    free = [slot for slot in range(SLOT_COUNT) if slot not in taken] or [SLOT_COUNT - 1]
    others = sorted(name for name in order if name not in SLOTS)
    slots = SLOTS | {name: free[index % len(free)] for index, name in enumerate(others)}
    return {
        name: ArmView(
            name=name,
            label=_label(name, _condition(records[name]), baseline_of(name, records)),
            slot=slots[name],
            condition=_condition(records[name]),
            again=name == AGAIN,
        )
        for name in order
    }


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """``depth-8`` before ``depth-64``, and that before ``depth-limit``."""
    parts = re.split(r"([0-9]{1,9})", name)  # every second one is a number
    return tuple((int(each), "") if at % 2 else (-1, each) for at, each in enumerate(parts))


def baseline_of(name: str, present: Container[str]) -> str:
    """The arm that ``name`` is held against: cold with cold, warm with warm."""
    is_cold = name.endswith(":cold") and name != COLD_BASELINE
    return COLD_BASELINE if is_cold and COLD_BASELINE in present else BASELINE


def unplanned(name: str) -> ArmView:
    """An arm that the data has and run.json does not: shown, never dropped."""
    return ArmView(name, _label(name, "", BASELINE), SLOT_COUNT - 1, condition="", again=False)


def _condition(arm: ArmRecord) -> str:
    return next((code for code in UNJUDGED if code in arm.conditions), "")


def _label(name: str, condition: str, baseline: str) -> str:
    words = MEANING.get(name) or text.name(name, 32)
    said = (condition, "" if baseline == BASELINE else f"against {baseline}")
    return ", ".join([words, *filter(None, said)])
