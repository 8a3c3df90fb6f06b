"""Counters, pace, sensors and pinning around a trial."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from harness.clock import HostClock
from harness.host.pressure import HostWatch, counters, discover
from harness.host.pressure.pace import PATIENCE, settled, timed
from harness.host.pressure.sampling import INTERVAL_S, KEPT, Sampler
from harness.run.pinning import pinned
from harness.trial.throttling import held_back_ns, throttled_ns


def files(**contents: str) -> counters.Reader:
    known = {name.replace("__", "/"): text for name, text in contents.items()}
    return lambda path: known.get(path, "")


def test_counters_are_read_from_where_the_kernel_has_them() -> None:
    read = files(
        __proc__stat="cpu  10 0 20 60 0 1 2 7 5 0\ncpu0 1 2 3",
        __proc__loadavg="1.25 0.5 0.25 1/2 3",
        __proc__vmstat="pswpin 3\npswpout 4\npswpoutx 9\n",
        __own__memory_pressure="",
    )
    pressures = {
        "/proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=77\nfull x",
        "/own/memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=66",
        "/sys/kernel/mm/ksm/pages_sharing": "12\n",
        "/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
    }
    found = counters.take(5, "/own", lambda path: pressures.get(path) or read(path))
    assert (found.steal_ticks, found.total_ticks) == (7, 100)
    assert (found.load_1m, found.swapped_pages, found.ksm_pages_sharing) == (1.25, 7, 12)
    assert (found.psi_us["memory"], found.psi_us["cpu"], found.own_memory_us) == (77, None, 66)
    assert found.clock_source == "tsc"


def test_a_host_without_any_of_it_is_no_error() -> None:
    found = counters.take(5, "", lambda _: "")
    assert (found.total_ticks, found.swapped_pages, found.clock_source) == (0, 0, "")


@pytest.mark.parametrize("text", ["", "full total=1", "some total=x", "some avg10=1"])
def test_stall_times_that_make_no_sense_are_none(text: str) -> None:
    assert counters.psi_total(text) is None


def test_the_fastest_try_counts() -> None:
    instants = iter([0, 50, 100, 130, 200, 290, 300, 340, 400, 440, 500, 590, 600, 670])
    assert timed(lambda: None, lambda: next(instants)) == 30


def test_a_clock_that_comes_up_is_waited_for() -> None:
    times = iter([200, 150, 101, 100])
    assert settled(lambda: next(times)) == 100
    assert next(times, None) is None


def test_a_clock_that_is_slow_is_believed_at_once_whatever_came_before() -> None:
    times = iter([200, 201, 100])
    assert settled(lambda: next(times)) == 201
    assert next(times) == 100


def test_a_clock_that_never_settles_is_not_waited_for_for_ever() -> None:
    times = iter(range(1000, 0, -100))
    assert settled(lambda: next(times)) == 1000 - 100 * PATIENCE


def test_readings_are_taken_while_a_trial_is_at_work_and_thinned_when_it_is_long() -> None:
    turns, enough = itertools.count(), threading.Event()

    def measure() -> int:
        if (turn := next(turns)) > 2 * KEPT:
            enough.set()
        return turn

    sampler = Sampler(lambda: 7, measure, interval_s=1e-6)
    sampler.start()
    assert enough.wait(60)
    readings = sampler.stop()
    assert 0 < len(readings) <= KEPT
    assert [took for _, took in readings] == sorted({took for _, took in readings})
    done = next(turns)
    assert next(turns) == done + 1  # it has ended


def sysfs(root: Path, **contents: str) -> Path:
    for name, text in contents.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


CPU = "devices__system__cpu__cpu{}__{}"


def test_sensors_are_found_and_read(tmp_path: Path) -> None:
    found = discover(
        [0, 1],
        sysfs(
            tmp_path,
            **{CPU.format(n, "cpufreq__scaling_cur_freq"): f"{n + 2}000000" for n in (0, 1, 2)},
            **{CPU.format(n, "thermal_throttle__core_throttle_count"): "3" for n in (0, 1)},
            **{CPU.format(n, "thermal_throttle__package_throttle_count"): "5" for n in (0, 1)},
            class__thermal__thermal_zone0__type="x86_pkg_temp",
            class__thermal__thermal_zone0__temp="95000",
            class__thermal__thermal_zone0__trip_point_0_type="active",
            class__thermal__thermal_zone0__trip_point_0_temp="40000",
            class__thermal__thermal_zone0__trip_point_1_type="passive",
            class__thermal__thermal_zone0__trip_point_1_temp="95000",
            class__hwmon__hwmon0__name="coretemp",
            class__hwmon__hwmon0__temp1_label="Package id 0",
            class__hwmon__hwmon0__temp1_input="79999",
            class__hwmon__hwmon0__temp1_max="80000",
            class__hwmon__hwmon1__name="nvme",
            class__hwmon__hwmon1__temp1_input="99000",
            class__hwmon__hwmon1__temp1_max="80000",
        ),
    )
    assert found.frequency_khz() == 3_000_000
    assert found.throttles() == 3 + 3 + 5
    assert found.hot() == ("x86_pkg_temp 95 °C",)


def test_a_virtual_machine_has_no_sensors(tmp_path: Path) -> None:
    found = discover([0], tmp_path)
    assert (found.frequency_khz(), found.throttles(), found.hot()) == (None, None, ())


@pytest.mark.parametrize(
    ("stat", "expected"),
    [
        ("nr_periods 3\nnr_throttled 1\nthrottled_time 5000\n", 5000),
        ("usage_usec 9\nnr_throttled 1\nthrottled_usec 7\n", 7000),
        ("usage_usec 9\n", None),
        ("throttled_time lots\n", None),
    ],
)
def test_both_cgroup_versions_tell_how_long_a_quota_bound(stat: str, expected: int) -> None:
    assert throttled_ns(stat) == expected


def test_every_box_below_the_run_is_asked(tmp_path: Path) -> None:
    assert held_back_ns((tmp_path,)) is None
    assert held_back_ns((tmp_path / "gone",)) is None
    for name, spent in (("tb-1", 5), ("docker/abc", 7)):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "cpu.stat").write_text(f"throttled_time {spent}\n")
    assert held_back_ns((tmp_path,)) == 12


def test_the_harness_is_on_its_own_cpus_while_it_measures_and_back_afterwards() -> None:
    before = os.sched_getaffinity(0)
    one = {min(before)}
    with pinned(one) as cpus:
        assert cpus == os.sched_getaffinity(0) == one
    assert os.sched_getaffinity(0) == before


def test_a_host_that_refuses_to_pin_is_told_as_it_is() -> None:
    def refuse(_thread: int, _cpus: Collection[int]) -> None:
        raise PermissionError(1, "no")

    with pinned({0}, lambda: [0], refuse) as cpus:
        assert cpus == os.sched_getaffinity(0)


def test_this_host_can_be_watched() -> None:
    sensors = discover(os.sched_getaffinity(0))
    watch = HostWatch(HostClock(), sensors, ours=frozenset, own_cgroup="")
    around = watch()()
    assert around.seconds > 0
    assert around.other_cpus is not None
    assert 0 <= around.other_cpus <= (os.cpu_count() or 1)
    assert len(around.pace) == 2
    assert around.pace[0][0] == 0 < around.pace[1][0]
    assert all(took_ns > 0 for _, took_ns in around.pace)


def test_this_host_can_be_watched_while_something_works() -> None:
    watch = HostWatch(HostClock(), discover([]), ours=frozenset, own_cgroup="")
    ended = watch(during=True)
    time.sleep(4 * INTERVAL_S)
    pace = ended().pace
    assert len(pace) > 2
    assert [at for at, _ in pace] == sorted(at for at, _ in pace)
