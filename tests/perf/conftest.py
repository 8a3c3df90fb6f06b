"""What every entry of ``invoke perf`` is measured with.

``entry`` runs what we measure and what it is compared with in turn, round by round, so that what
the shared host does to one it does to the other.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.project.perf import Entry, Unmeasured

Action = Callable[[], object]


SECONDS = 10.0
"""An entry takes about so long, unless its mark says otherwise."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only", default=None, help="name of the one entry to measure")
    parser.addoption("--events", type=int, default=None, help="descriptor that results go to")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "takes(seconds): about how long the entry takes")
    descriptor = config.getoption("--events")
    if descriptor is not None:
        config.pluginmanager.register(Events(descriptor))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    only = config.getoption("--only")
    if only is None:
        return
    names = {_name(item): item for item in items}
    if only not in names:
        raise pytest.UsageError(f"no entry is called {only!r}; valid: {', '.join(sorted(names))}")
    items[:] = [names[only]]


def _name(item: pytest.Item) -> str:
    return item.name.removeprefix("test_").replace("_", "-")


class Events:
    """Tells ``invoke perf`` of every entry when it ends: a line of JSON each."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # noqa: FBT003  # its only form
        self._stream = os.fdopen(descriptor, "w", encoding="utf-8", buffering=1)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._write({"planned": {_name(item): _seconds(item) for item in session.items}})

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._write({"starting": _name(item)})

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        name = _name(item)
        if report.skipped:
            where = report.longrepr
            why = str(where[2] if isinstance(where, tuple) else where).removeprefix("Skipped: ")
            self._write({"unmeasured": asdict(Unmeasured(name, why, failed=False))})
        elif report.failed:
            prefix = "" if report.when == "call" else f"{report.when}: "
            why = prefix + report.longreprtext.rpartition("\nE   ")[2].partition("\n")[0]
            unmeasured = Unmeasured(name, why, failed=True, output=report.longreprtext[-4000:])
            self._write({"unmeasured": asdict(unmeasured)})
        elif report.when == "call":
            self._write({"entry": dict(item.user_properties)["entry"]})
        return report

    def _write(self, event: Mapping[str, object]) -> None:
        self._stream.write(f"{json.dumps(event)}\n")


def _seconds(item: pytest.Item) -> float:
    mark = item.get_closest_marker("takes")
    return float(mark.args[0]) if mark else SECONDS


class Recorder:
    """Measures one entry and puts its figures where ``invoke perf`` reads them."""

    def __init__(self, benchmark: BenchmarkFixture, item: pytest.Item) -> None:
        self._benchmark = benchmark
        self._item = item

    def side_by_side(
        self,
        ours: Action,
        others: Mapping[str, Action],
        *,
        rounds: int,
        against: str,
        at_most: float,
        target: str,
        afterwards: Mapping[str, Action] | None = None,
    ) -> None:
        """Median time of ``ours`` ÷ that of ``others[against]``, which is to be ``at_most``.

        Each is done twice in a row and the second time counts, with caches that are its own and
        not the one's before it.  ``afterwards`` follows each ``ours``, and is timed too.
        """
        after = afterwards or {}
        times: dict[str, list[float]] = {name: [] for name in (*others, *after)}

        def timed(name: str, action: Action) -> None:
            begun = time.perf_counter_ns()
            action()
            times[name].append(time.perf_counter_ns() - begun)

        def before() -> None:
            for name, action in after.items():
                timed(name, action)
            for name, other in others.items():
                other()
                timed(name, other)
            ours()
            for action in after.values():
                action()

        self._benchmark.pedantic(ours, setup=before, rounds=rounds, warmup_rounds=3, iterations=1)
        figure = statistics.median(self._benchmark.stats.stats.data) * 1e9
        beside = {name: statistics.median(values) for name, values in times.items()}
        allowed = beside[against] * at_most
        self._tell(figure, "ns", target, figure / allowed, beside)

    def figure(
        self,
        value: float,
        unit: str,
        *,
        at_most: float,
        target: str,
        beside: Mapping[str, float] | None = None,
    ) -> None:
        """One figure that something else has measured, which is to be ``at_most``."""
        self._benchmark.pedantic(lambda: None, rounds=1)
        self._tell(value, unit, target, value / at_most, beside or {})

    def _tell(
        self, figure: float, unit: str, target: str, ratio: float, beside: Mapping[str, float]
    ) -> None:
        entry = Entry(
            _name(self._item),
            figure,
            unit,
            target=target,
            ratio=ratio,
            met=ratio <= 1.0,
            beside=dict(beside),
        )
        self._benchmark.extra_info["entry"] = asdict(entry)
        self._item.user_properties.append(("entry", asdict(entry)))


@pytest.fixture
def entry(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Recorder:
    """Recorder for the test's own entry."""
    return Recorder(benchmark, request.node)
