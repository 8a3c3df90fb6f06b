"""Everything that is fixed before the first trial."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import HarnessFault, UsageFault
from harness.plan import selection
from harness.plan.budget import most_blocks, parse_budget
from harness.plan.limits import DEFAULT_DISK_BYTES, Allotment, allot, parse_disk
from harness.plan.schedule import Arm, Slot, schedule
from harness.plan.suites import Suite, choose, suite
from results.records.records import Skipped
from results.store.store import new_run_id
from runtimes import directories
from runtimes.base import Capability, Runtime
from runtimes.linux.disk import has_quotas
from runtimes.variations import capabilities
from workloads.base import Size, Workload

LARGEST_BLOCKS = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    backend: str | None = None
    """``None``: what the suite names."""
    workload: str | None = None
    """``None``: what the suite names."""
    suite: str = "quick"
    blocks: int | None = None
    """With a budget the most that there may be."""
    budget: str | None = None
    """Time for trials and looks, as ``10m``; None: a fixed number of blocks."""
    seed: int | None = None
    cpus: str | None = None
    cpuset: str | None = None
    memory: str | None = None
    disk: str | None = None
    """``None``: the usual limit where it costs nothing, else none."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Backend options: ``libvirt_uri``, ``docker_host``."""
    command: tuple[str, ...] = ()
    """The command line, for the report."""
    design: str = "auto"
    """``auto``: in slices whatever can be; ``trials``: one trial after another."""
    claims: str = ""
    """Text of the user's own ledger file, checked; empty where there is none."""


BOUNDING_BLOCKS = 5
"""The fewest that give an interval: see results.stats."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does."""

    run_id: str
    arms: tuple[Arm, ...]
    workloads: Mapping[str, Workload]
    suite: str
    size: Size
    rounds: Mapping[str, int]
    blocks: int
    emulated_blocks: int
    seed: int
    allotment: Allotment
    skipped: tuple[Skipped, ...]
    tolerant: bool
    """A backend that cannot be prepared is left out, instead of ending the run."""
    options: Mapping[str, str]
    command: tuple[str, ...]
    partial: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Backend → workloads in which it takes part, where not in all."""
    budget_s: float | None = None
    """Stop when the claims are settled, or after so long; None: a fixed number of blocks."""
    sliced: frozenset[str] = frozenset()
    """Workloads whose blocks work in slices."""

    @property
    def run(self) -> str:
        """Short id: six hexadecimal digits that are part of every name on the host."""
        return self.run_id.rpartition("-")[2]

    def slots(
        self, runtimes: Mapping[str, Runtime], never_valid: frozenset[Arm] = frozenset()
    ) -> list[Slot]:
        """Every trial in order, without those that a backend cannot have.

        Args:
            runtimes: registered runtimes, for what each is capable of.
            never_valid: arms whose samples no gate lets count (an emulated VM): they take part in
                the first ``emulated_blocks`` blocks, to show that they work, and in as many as
                give an interval where what they show bounds the real thing.
        """
        order = schedule(
            self.arms,
            list(self.workloads),
            blocks=self.blocks,
            seed=self.seed,
            rounds=self.rounds,
        )
        return [
            slot
            for slot in order
            if not self.misfit(slot.arm, slot.workload, runtimes)
            and (slot.arm not in never_valid or self._shown(slot))
        ]

    def without(self, backend: str, skipped: Skipped) -> Plan:
        """The plan without a backend that turned out not to run."""
        return dataclasses.replace(
            self,
            arms=tuple(arm for arm in self.arms if arm.backend != backend),
            skipped=(*self.skipped, skipped),
        )

    def _shown(self, slot: Slot) -> bool:
        bounds = any(metric.if_emulated for metric in self.workloads[slot.workload].metrics)
        blocks = max(self.emulated_blocks, BOUNDING_BLOCKS) if bounds else self.emulated_blocks
        return slot.block <= blocks  # of the workload's own, however many a round has

    def misfit(self, arm: Arm, workload: str, runtimes: Mapping[str, Runtime]) -> str:
        """Why an arm takes no part in a workload; empty where it does."""
        of_backend = self.partial.get(arm.backend, self.workloads)
        if workload not in self.partial.get(arm.name, of_backend):
            return "the suite asks no more of it"
        has = capabilities(runtimes[arm.backend], arm.profile)
        needs = self.workloads[workload]
        for capability, wanted, why in (
            (Capability.NETWORK, needs.needs_network, "it has no network"),
            (Capability.VOLUME, needs.needs_volume, "it has no volume"),
            (Capability.ROOT, needs.needs_root, "its root is not its own to write to"),
            (Capability.IMAGE, needs.changes_image, "the files of its image are not its own"),
        ):
            if wanted and capability not in has:
                return why
        return ""


def make_plan(
    request: Request, runtimes: Mapping[str, Runtime], workloads: Mapping[str, Workload]
) -> Plan:
    """Plan a new run.  Nothing is started or written.

    Raises:
        UsageFault: unknown names or impossible limits.
        HarnessFault: a backend asked for by name cannot run here, or none can.
    """
    chosen_suite = suite(request.suite)
    backends = chosen_suite.backend if request.backend is None else request.backend
    arms, tolerant = selection.choose_arms(backends, runtimes, chosen_suite.beside_all)
    named = selection.required(backends)
    chosen = selection.choose_workloads(
        chosen_suite.workload if request.workload is None else request.workload, workloads
    )
    budget_s = None if request.budget is None else parse_budget(request.budget)
    blocks = chosen_suite.blocks if request.blocks is None else request.blocks
    if budget_s is not None:
        blocks = most_blocks(request.blocks)
    if not 1 <= blocks <= LARGEST_BLOCKS:
        raise UsageFault(f"--blocks {blocks} is not between 1 and {LARGEST_BLOCKS}")
    usual = DEFAULT_DISK_BYTES if has_quotas(directories.state()) else 0
    disk_bytes = parse_disk(request.disk, usual)
    allotment = allot(request.cpus, request.cpuset, request.memory, disk_bytes=disk_bytes)
    skipped = _unavailable(arms, runtimes, request.options)
    for each in skipped:
        if each.backend in named or not tolerant:
            raise HarnessFault(
                f"backend {each.backend} cannot run here: {each.reason}", hint=each.fix
            )
    missing = {each.backend for each in skipped}
    arms = [arm for arm in arms if arm.backend not in missing]
    if not arms:
        reasons = "; ".join(f"{each.backend}: {each.reason}" for each in skipped)
        raise HarnessFault(f"no backend can run here ({reasons})", hint="see invoke doctor")
    return Plan(
        run_id=new_run_id(),
        arms=tuple(arms),
        workloads=chosen,
        suite=chosen_suite.name,
        size=chosen_suite.size,
        rounds=chosen_suite.rounds,
        partial=_partial(chosen_suite, request, named, workloads),
        blocks=blocks,
        emulated_blocks=chosen_suite.emulated_blocks,
        seed=secrets.randbits(32) if request.seed is None else request.seed,
        allotment=allotment,
        skipped=tuple(skipped),
        tolerant=tolerant,
        options=request.options,
        command=request.command,
        budget_s=budget_s,
        sliced=_sliced(request.design, chosen, chosen_suite.whole),
    )


def _sliced(
    design: str, workloads: Mapping[str, Workload], whole: Collection[str]
) -> frozenset[str]:
    choose(design, dict.fromkeys(("auto", "trials")), "design")
    if design == "trials":
        return frozenset()
    able = {name for name, each in workloads.items() if each.slices is not None}
    return frozenset(able.difference(whole))


def _partial(
    chosen: Suite, request: Request, named: Collection[str], workloads: Mapping[str, Workload]
) -> dict[str, tuple[str, ...]]:
    """Backends and arms with a part in a few workloads only, unless the command line says more."""
    if request.workload is not None:
        return {}
    return {
        arm: tuple(selection.choose_workloads(text, workloads))
        for arm, text in chosen.partial.items()
        if arm.partition(":")[0] not in named
    }


def _unavailable(
    arms: Sequence[Arm], runtimes: Mapping[str, Runtime], options: Mapping[str, str]
) -> list[Skipped]:
    skipped = []
    for backend in selection.backends_of(arms):
        answer = runtimes[backend].availability(options)
        if not answer.ok:
            skipped.append(Skipped(backend, answer.reason, answer.fix))
    return skipped
