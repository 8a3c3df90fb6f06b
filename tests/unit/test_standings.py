"""How the claims stand is shown between blocks, and steers nothing: exactly, on paper."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from harness.errors import HarnessFault
from harness.plan.schedule import Arm, Slot, schedule
from harness.progress import standing_line
from harness.progress.progress import TerminalObserver
from harness.run.loop import run_all
from harness.run.standings import EVERY_S, FIRST, SHARE, Showing, ask
from results.ledger.outcome import judge_run
from results.ledger.standing import main
from results.records.standings import Standing
from results.store.store import RunDirectory
from runtimes import process
from runtimes.fake.runtime import FakeClock
from runtimes.faults import RuntimeFault
from tests.support import recorded
from tests.support.bench_on_paper import bench_on_paper
from tests.support.budgeted import arm, arms

PATIENT_S = 300.0
"""Where other work has all the CPUs, who has the lowest priority waits long."""
OPEN = Standing("cpu-native", "inconclusive", 0.998, 0.988, 1.009)
REFUTED = Standing("net-small", "refuted", 0.78, 0.76, 0.8)
EARLY = Standing("mem-few-percent", "inconclusive", 0.997, None, None)
TIMES = Standing("vm-footprint", "supported", 31.24, 29.96, 33.0)
BARE = Standing("engine-tiers", "mixed", None, None, None)


@dataclasses.dataclass
class Judged:
    """Asked in this process; takes ``seconds``, or fails."""

    clock: FakeClock
    seconds: float = 1.0
    fails: bool = False
    at: list[float] = dataclasses.field(default_factory=list)

    def __call__(self, run: Path) -> tuple[Standing, ...]:
        """See harness.run.standings.Judge."""
        del run
        self.at.append(self.clock.now_ns() / 1e9)
        self.clock.sleep(self.seconds)
        if self.fails:
            raise RuntimeFault("the statistics broke", hint="mend them")
        return (OPEN,)


@dataclasses.dataclass
class Board:
    """What was shown."""

    shown: list[int] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def stands(self, standings: Sequence[Standing], blocks: int) -> None:
        """See harness.run.standings.Board."""
        assert list(standings) == [OPEN]
        self.shown.append(blocks)

    def note(self, text: str) -> None:
        """See harness.run.standings.Board."""
        self.notes.append(text)


def walked(
    judge: Judged, *, blocks: int, trial_s: float, rounds: dict[str, int] | None = None
) -> Board:
    """A schedule of three arms and two workloads whose every trial takes as long."""
    each = [Arm("native"), Arm("native", "aa"), Arm("ns")]
    slots = list(schedule(each, ["cpu.a", "net.b"], blocks=blocks, seed=1, rounds=rounds))
    board = Board()
    showing = Showing(Path("run"), slots, rounds or {}, judge.clock, board, judge)
    before: tuple[str, int] | None = None
    block: list[Slot] = []
    for slot in slots:
        if (slot.workload, slot.block) != before:
            before = slot.workload, slot.block
            block = [one for one in slots if (one.workload, one.block) == before]
            assert showing.admit(block) == "run"
        judge.clock.sleep(trial_s)
        showing.learn(slot, trial_s)
    return board


def test_it_is_shown_from_the_second_block_on_and_not_after_the_last() -> None:
    judge = Judged(FakeClock(), seconds=0.1)
    assert walked(judge, blocks=6, trial_s=10.0).shown == [2, 3, 4, 5]


def test_it_is_shown_between_blocks_of_a_round_never_within_one() -> None:
    """A workload with two rounds has twice as many blocks of its own."""
    judge = Judged(FakeClock(), seconds=0.1)
    board = walked(judge, blocks=4, trial_s=10.0, rounds={"net.b": 2})
    assert board.shown == [2, 3]
    of_a_block = 3 * 3 * 10.0
    assert judge.at == pytest.approx([1 + 2 * of_a_block, 1 + 3 * of_a_block + 0.1])


def test_it_is_shown_every_twenty_seconds_at_most() -> None:
    judge = Judged(FakeClock(), seconds=0.01)
    board = walked(judge, blocks=60, trial_s=1.0)  # six seconds a block
    assert board.shown[0] == FIRST
    gaps = [later - earlier for earlier, later in zip(judge.at, judge.at[1:], strict=False)]
    assert len(gaps) > 5
    assert all(EVERY_S <= gap < EVERY_S + 6.1 for gap in gaps)


@pytest.mark.parametrize("seconds", [0.5, 2.0, 4.0])
def test_all_judging_together_keeps_to_its_share(seconds: float) -> None:
    clock = FakeClock()
    begun_ns = clock.now_ns()
    judge = Judged(clock, seconds=seconds)
    board = walked(judge, blocks=12, trial_s=5.0)
    assert board.shown
    assert len(judge.at) * seconds <= SHARE * (clock.now_ns() - begun_ns) / 1e9


def test_a_short_run_shows_nothing() -> None:
    judge = Judged(FakeClock())
    assert walked(judge, blocks=5, trial_s=1.0).shown == []
    assert judge.at == []


def test_one_slow_answer_is_the_last_where_another_would_cost_too_much() -> None:
    judge = Judged(FakeClock(), seconds=25.0)
    assert walked(judge, blocks=10, trial_s=10.0).shown == [2]


def test_an_answer_that_fails_is_told_once_and_the_run_goes_on() -> None:
    judge = Judged(FakeClock(), fails=True)
    board = walked(judge, blocks=6, trial_s=10.0)
    assert board.shown == []
    assert board.notes == ["how the claims stand is not shown: the statistics broke"]
    assert len(judge.at) == 1


def test_whatever_is_shown_the_same_trials_run_in_the_same_order(tmp_path: Path) -> None:
    orders, shown = [], []
    for name, watched in (("plain", False), ("watched", True)):
        with bench_on_paper(tmp_path / name, arms(arm(500.0))) as paper:
            clock = paper.context.clock
            assert isinstance(clock, FakeClock)
            slots, board = paper.slots(blocks=100), Board()
            run = paper.directory.path
            judge = Judged(clock, seconds=0.5)
            showing = Showing(run, slots, {}, clock, board, judge) if watched else None
            tally = run_all(paper.context, slots, paper.directory, paper, showing)
            orders.append([each.trial_id for each in paper.directory.trials()])
            shown.append(board.shown)
            assert tally.ok == 300
    assert orders[0] == orders[1]
    assert shown[0] == []
    assert shown[1]


@pytest.mark.slow
def test_the_child_says_what_the_ledger_says() -> None:
    path = recorded.RUNS / recorded.BOTH[0]
    found = {each.claim: each for each in ask(path, PATIENT_S)}
    directory = RunDirectory.open(path.name, path.parent)
    judged = judge_run(directory).judgement
    known = {
        each.claim: each.verdict for each in judged.verdicts if each.verdict != "not evaluable"
    }
    assert {name: each.verdict for name, each in found.items()} == known
    tiers = found["engine-tiers"]
    assert tiers.low is not None
    assert tiers.high is not None
    assert tiers.ratio is not None
    assert tiers.low <= tiers.ratio <= tiers.high


@pytest.mark.slow
def test_a_run_that_cannot_be_read_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 1
    assert "no run" in capsys.readouterr().err
    with pytest.raises(RuntimeFault, match="exit status 1"):
        ask(tmp_path, PATIENT_S)


def test_the_child_has_the_lowest_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(argv: list[str], **_: object) -> process.Completed:
        asked.append(argv)
        return process.Completed(tuple(argv), b"[]" if len(asked) == 1 else b'[{"claim": 1}]', b"")

    monkeypatch.setattr(process, "run", run)
    assert ask(Path("run")) == ()
    assert asked[0][:3] == ["nice", "-n", "19"]
    with pytest.raises(HarnessFault, match="cannot be read"):
        ask(Path("run"))


def test_claims_are_worded_by_mark_and_interval() -> None:
    assert standing_line.worded(OPEN) == "cpu-native ? −1.2…+0.9 %"
    assert standing_line.worded(REFUTED) == "net-small ✕ −24.0…−20.0 %"
    assert standing_line.worded(EARLY) == "mem-few-percent ? ≈ −0.3 %"
    assert standing_line.worded(TIMES) == "vm-footprint ✓ 30…33×"
    assert standing_line.worded(BARE) == "engine-tiers ±"


def test_lines_break_between_claims_only_at_eighty_columns() -> None:
    every = [OPEN, REFUTED, EARLY, TIMES, BARE]
    found = standing_line.lines(every, 3, 80)
    assert found == [
        "after 3 blocks:  cpu-native ? −1.2…+0.9 %  net-small ✕ −24.0…−20.0 %",
        "  mem-few-percent ? ≈ −0.3 %  vm-footprint ✓ 30…33×  engine-tiers ±",
    ]
    assert standing_line.lines([], 2, 80) == ["after 2 blocks: no claim can be judged by this run"]


def test_without_a_terminal_there_is_a_line_a_minute_at_most() -> None:
    clock, file = FakeClock(), io.StringIO()
    observer = TerminalObserver(Console(file=file, width=40), clock)
    for block in range(2, 12):
        observer.stands([OPEN, REFUTED], block)
        clock.sleep(25.0)
    said = file.getvalue().splitlines()
    assert [line.split(":")[0] for line in said] == [f"after {n} blocks" for n in (2, 5, 8, 11)]
    assert said[0].endswith("net-small ✕ −24.0…−20.0 %")


def test_on_a_terminal_it_stands_below_the_bar() -> None:
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True)
    observer = TerminalObserver(console, FakeClock())
    with observer.showing():
        observer.stands([OPEN, REFUTED, EARLY], 2)
    shown = file.getvalue()
    assert "after 2 blocks:  cpu-native ? −1.2…+0.9 %" in shown
    assert "  mem-few-percent ? ≈ −0.3 %" in shown
