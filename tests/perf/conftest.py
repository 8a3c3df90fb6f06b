"""What every entry of ``invoke perf`` is measured with.

``entry`` runs what we measure and what it is compared with in turn, round by round, so that what
the shared host does to one it does to the other.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.perf import Entry

Action = Callable[[], object]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only", default=None, help="name of the one entry to measure")


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


class Recorder:
    """Measures one entry and puts its figures where ``invoke perf`` reads them."""

    def __init__(self, benchmark: BenchmarkFixture, name: str) -> None:
        self._benchmark = benchmark
        self._name = name

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
            self._name,
            figure,
            unit,
            target=target,
            ratio=ratio,
            met=ratio <= 1.0,
            beside=dict(beside),
        )
        self._benchmark.extra_info["entry"] = asdict(entry)


@pytest.fixture
def entry(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Recorder:
    """Recorder for the test's own entry."""
    return Recorder(benchmark, _name(request.node))
