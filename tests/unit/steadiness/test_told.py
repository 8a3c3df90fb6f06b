"""What doctor says of a host that was measured, on recorded traces of hosts."""

from __future__ import annotations

import pytest
from support import traces_host

from harness.doctor.doctor import Row
from harness.doctor.steadiness import load
from harness.doctor.steadiness.recording import Load, Recording
from harness.doctor.steadiness.rows import rows
from harness.host.pressure.counters import take
from harness.host.pressure.others import Process

QUIET = Load(10.0, 0.0, 0.0, {})


def paces(apart: float, seed: int = 3) -> tuple[int, ...]:
    """A hundred readings replayed from a recorded host."""
    trials = traces_host.calm(seed, apart=apart)
    return tuple(took for each in trials for _, took in each.pace)[:200]


def told(
    *,
    took: tuple[int, ...] = (100_000,) * 100,
    seen: Load = QUIET,
    effect: float | None = 0.004,
    reason: str = "",
    closed: tuple[int, ...] = (),
) -> dict[str, Row]:
    recording = Recording({0: (100_000,) * 100, 1: took}, (), seen, closed)
    return {each.subject: each for each in rows(recording, effect, reason, online=2)}


def test_a_quiet_host_works() -> None:
    found = told(took=paces(0.0))
    assert {each.state for each in found.values()} == {"works"}
    assert found["clock speed"].why.startswith("CPUs 0-1: steady within ")
    assert found["steal"].why == "none"
    assert found["busy neighbours"].why == "none"
    assert found["smallest effect"].why.startswith("0.4 % to expect for CPU work in slices")


def test_a_clock_with_two_speeds_is_told_with_its_cpu() -> None:
    recording = Recording({0: (100_000,) * 100, 1: paces(0.2)}, (), QUIET)
    slow, steady, *_ = rows(recording, 0.004, "", online=2)
    assert slow.state == "caution"
    assert slow.why.startswith("CPU 1: two speeds 20 % apart, ")
    assert slow.figures["apart"] == pytest.approx(0.2, abs=0.01)
    assert 0.05 <= slow.figures["slow_share"] <= 0.95
    assert steady.why == "CPU 0: steady within 0.0 %"


def test_an_uneven_clock_is_told_as_such() -> None:
    ramp = tuple(100_000 + 200 * n for n in range(100))
    recording = Recording({1: ramp}, (), QUIET)
    row = next(rows(recording, 0.004, "", online=2))
    assert (row.state, row.why[:13]) == ("caution", "CPU 1: uneven")


def test_steal_and_neighbours_are_cautions_from_the_gates_thresholds_on() -> None:
    some = told(seen=Load(10.0, 0.019, 0.09, {"cc1": 0.09}))
    assert [some[name].state for name in ("steal", "busy neighbours")] == ["works", "works"]
    assert some["busy neighbours"].why == "cc1 0.09 CPUs"
    much = told(seen=Load(10.0, 0.05, 0.71, {"cc1": 0.7, "sh": 0.01}))
    assert much["steal"].why == "5.0 % of CPU time went to other virtual machines"
    assert much["busy neighbours"].why == "0.71 CPUs' worth: cc1 0.70 CPUs, sh 0.01 CPUs"
    assert [much[name].state for name in ("steal", "busy neighbours")] == ["caution", "caution"]


def test_an_effect_beyond_the_smallest_margin_is_a_caution() -> None:
    assert told(effect=0.021)["smallest effect"].state == "caution"
    unknown = told(effect=None, reason="too few blocks")["smallest effect"]
    assert (unknown.state, unknown.why) == ("caution", "to expect: not known: too few blocks")


def test_a_cpu_that_was_closed_to_us_is_told() -> None:
    row = told(closed=(5, 6))["clock speed"]
    assert (row.state, row.why[:10]) == ("caution", "CPUs 5-6: ")


def test_what_was_stolen_and_used_meanwhile_is_counted_by_name() -> None:
    def counted(at_s: int, total: int, steal: int) -> str:
        return f"cpu  {total - steal} 0 0 0 0 0 0 {steal}\n" if at_s >= 0 else ""

    first = take(0, "", lambda path: counted(0, 1000, 10) if path == "/proc/stat" else "")
    last = take(10**10, "", lambda path: counted(10, 3000, 111) if path == "/proc/stat" else "")
    before = {
        1: Process("init", 0, 5, 0),
        7: Process("cc1", 1, 0, 0),
        8: Process("sh", 1, 0, 0),
        9: Process("doctor", 1, 0, 0),
    }
    after = {
        1: Process("init", 0, 5, 0),
        7: Process("cc1", 1, 501, 0),
        8: Process("sh", 1, 51, 0),
        9: Process("doctor", 1, 900, 0),
    }
    found = load.between(before, after, first, last, me=9)
    assert found.steal == pytest.approx(100 / 2000)
    assert found.other_cpus == pytest.approx(0.55)
    assert found.neighbours == pytest.approx({"cc1": 0.5, "sh": 0.05})
