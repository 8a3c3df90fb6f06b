"""Ten seconds of measuring, on a clock and CPUs of paper."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from harness.doctor.steadiness import turns
from harness.doctor.steadiness.recording import Load, Recording
from harness.doctor.steadiness.turns import BLOCKS, ROUNDS, SECONDS, Turns, looked_at
from runtimes.fake.script import FakeClock

PIECE_NS = 100_000
NOTHING = Load(10.0, 0.0, 0.0, {})


@dataclass
class PaperCpus:
    """CPUs on which the work takes scripted times."""

    clock: FakeClock
    took_ns: dict[int, int]
    closed: frozenset[int] = frozenset()
    now: int = -1
    visits: list[int] = field(default_factory=list)

    def move(self, cpus: Collection[int]) -> None:
        (cpu,) = cpus
        if cpu in self.closed:
            raise PermissionError(1, "not allowed")
        self.now = cpu
        self.visits.append(cpu)

    def work(self) -> None:
        self.clock.sleep(self.took_ns.get(self.now, PIECE_NS) / 1e9)


def measured(cpus: PaperCpus, box: tuple[int, ...], read: tuple[int, ...]) -> Recording:
    clock = cpus.clock
    return Turns(box, read, clock.now_ns, cpus.work, cpus.move).measure(
        lambda: NOTHING, lambda _: None
    )


def test_ten_seconds_hold_every_block_and_both_arms_equally_often() -> None:
    cpus = PaperCpus(FakeClock(), {0: 90_000, 1: PIECE_NS})
    begun_ns = cpus.clock.now_ns()
    found = measured(cpus, (1,), (0, 1))
    assert len(found.blocks) == BLOCKS
    assert {len(block) for block in found.blocks} == {ROUNDS}
    assert all(sorted(arm for arm, _ in each) == [0, 1] for block in found.blocks for each in block)
    assert {ns for block in found.blocks for each in block for _, ns in each} == {50_000_000}
    assert SECONDS <= (cpus.clock.now_ns() - begun_ns) / 1e9 < 1.05 * SECONDS


def test_each_cpu_is_read_in_turn_on_itself() -> None:
    found = measured(PaperCpus(FakeClock(), {0: 90_000, 1: PIECE_NS}), (1,), (0, 1))
    assert found.paces == {0: (90_000,) * 101, 1: (PIECE_NS,) * 101}


def test_slices_go_round_the_cpus_of_the_boxes_block_by_block() -> None:
    cpus = PaperCpus(FakeClock(), {2: PIECE_NS, 3: 2 * PIECE_NS})
    found = measured(cpus, (2, 3), ())
    times = [{ns for each in block for _, ns in each} for block in found.blocks]
    assert [min(each) for each in times] == [25_000_000, 50_000_000] * (BLOCKS // 2)
    assert all(len(each) == 1 for each in times)


def test_a_cpu_that_we_may_not_work_on_is_named_and_the_others_measured() -> None:
    cpus = PaperCpus(FakeClock(), {0: PIECE_NS}, closed=frozenset({1}))
    found = measured(cpus, (1,), (0, 1))
    assert found.closed == (1,)
    assert set(found.paces) == {0}
    assert len(found.blocks) == BLOCKS


def test_a_host_that_became_slow_ends_it_with_what_there_is() -> None:
    clock = FakeClock()
    cpus = PaperCpus(clock, {1: PIECE_NS})

    def told(share: float) -> None:
        if share > 0.25:
            cpus.took_ns[1] = 20 * PIECE_NS

    begun_ns = clock.now_ns()
    found = Turns((1,), (1,), clock.now_ns, cpus.work, cpus.move).measure(lambda: NOTHING, told)
    assert 2 < len(found.blocks) < BLOCKS
    assert (clock.now_ns() - begun_ns) / 1e9 < turns.PATIENCE * SECONDS + 3


def test_of_many_cpus_the_boxes_and_some_of_the_others_are_read() -> None:
    assert looked_at((1,), (0,)) == (0, 1)
    assert looked_at((0,), (0,)) == (0,)
    many = looked_at((60, 61, 62, 63), tuple(range(60)))
    assert len(many) == 10
    assert set(many) >= {60, 61, 62, 63}
