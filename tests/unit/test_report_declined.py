"""Values that no axis holds cost their own chart, not the page: a sentence stands in its place."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.terminal.terminal import encode_json
from reports import __main__ as report
from reports.charts import Chart, ecdf_chart, footprint_charts
from reports.charts.svg import Declined, in_two_widths, require_drawable
from reports.html import render
from reports.view import ReportView, build
from results.frame import load
from results.stats.values import middle
from results.store.store import RunDirectory
from tests.support import synthetic, waterfalls

LARGE = 1.7e308
VALUES: dict[str, Callable[[float], float]] = {
    "zeros": lambda _: 0.0,
    "negative": lambda value: -value,
    "near the largest": lambda _: LARGE,
    "largest of both signs": lambda value: LARGE if int(value) % 2 else -LARGE,
    "smallest": lambda _: 5e-324,
    "constant": lambda _: 1.0,
}


def written(
    root: Path, change: Callable[[float], float], resources: tuple[str, ...], blocks: int = 6
) -> RunDirectory:
    """A finished run in which work on these resources gave changed values."""
    run = synthetic.make_run(blocks=blocks)
    with RunDirectory.create(root, run) as directory:
        directory.extend(
            [
                (
                    trial,
                    [replace(each, value=change(each.value)) for each in samples]
                    if trial.workload.startswith(resources)
                    else samples,
                )
                for trial, samples in synthetic.make_trials(run)
            ]
        )
        directory.finish(replace(run, finished_utc="2026-11-24T04:00:31Z"))
    return directory


def view_of(directory: RunDirectory) -> ReportView:
    return build(directory.run(), load(directory), directory.trials())


@pytest.mark.slow
@pytest.mark.parametrize("values", ["zeros", "negative", "near the largest", "smallest"])
def test_start_ups_that_no_axis_holds_are_a_sentence(tmp_path: Path, values: str) -> None:
    view = view_of(written(tmp_path, VALUES[values], ("startup",)))
    start = next(each for each in view.metrics if each.resource == "startup" and each.primary)
    chart = ecdf_chart(start)
    assert chart is not None
    assert chart.declined.startswith(f"{chart.title}: a value of ")
    page = render(view)
    assert f'<p class="declined">{chart.declined}</p>' in page
    assert 'id="speed-cpu-wide-' in page
    assert 'id="footprint-0-wide-' in page


def test_footprints_near_the_largest_float_are_a_sentence(tmp_path: Path) -> None:
    view = view_of(written(tmp_path, VALUES["near the largest"], ("footprint",)))
    charts = footprint_charts(view.metrics, view.daemons)
    declined = [chart for chart in charts if chart.declined]
    assert len(declined) == len(charts) - 1  # the daemons are drawn
    page = render(view)
    assert page.count('class="declined"') == len(declined)
    assert 'id="footprint-daemons-wide-' in page


@pytest.mark.parametrize("values", ["zeros", "negative"])
def test_footprints_of_nothing_or_less_are_drawn_as_nothing(tmp_path: Path, values: str) -> None:
    view = view_of(written(tmp_path, VALUES[values], ("footprint",)))
    charts = footprint_charts(view.metrics, view.daemons)
    assert charts
    assert not any(chart.declined for chart in charts)


@pytest.mark.slow
@pytest.mark.parametrize("values", VALUES)
def test_a_run_of_nothing_but_odd_values_has_its_page(tmp_path: Path, values: str) -> None:
    directory = written(tmp_path, VALUES[values], ("",), blocks=2)
    page = report.write(directory.path).read_text()
    assert "What may be believed" in page
    assert "Traceback" not in page


@pytest.mark.slow
@pytest.mark.parametrize("values", VALUES)
def test_a_waterfall_of_odd_values_has_its_page(tmp_path: Path, values: str) -> None:
    run = waterfalls.make_run(blocks=6)
    with RunDirectory.create(tmp_path, run) as directory:
        for trial, samples in waterfalls.make_trials(run):
            odd = [replace(each, value=VALUES[values](each.value)) for each in samples]
            directory.append(trial, odd)
        directory.finish(replace(run, finished_utc="2026-11-24T04:00:31Z"))
    page = report.write(directory.path).read_text()
    assert "What may be believed" in page


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e101, -LARGE])
def test_what_is_not_finite_or_too_large_is_declined(value: float) -> None:
    with pytest.raises(Declined, match="beyond what can be drawn"):
        require_drawable([1.0, value])


@pytest.mark.parametrize("value", [0.0, -0.0, -1.0, 5e-324])
def test_a_logarithmic_axis_declines_more(value: float) -> None:
    require_drawable([value])
    with pytest.raises(Declined, match="no place on a logarithmic axis"):
        require_drawable([1.0, value], logarithmic=True)


def test_a_chart_that_is_declined_in_one_width_is_in_both() -> None:
    def narrow_fails(figure: str) -> str:
        if figure.endswith("narrow"):
            raise Declined("no room.")
        return "<svg/>"

    chart = in_two_widths("x", ("Title <b>", "words"), narrow_fails, "cpu")
    assert chart == Chart("x", "Title <b>", "words", "", "", "cpu", "Title <b>: no room.")


@pytest.mark.parametrize("values", [[1.0], [3.0, 1.0, 2.0], [4.0, 1.0], [LARGE, LARGE, 1.0, LARGE]])
def test_a_median_never_overflows(values: list[float]) -> None:
    if max(values) < LARGE:
        assert middle(np.array(values)) == statistics.median(values)
    assert min(values) <= middle(np.array(values)) <= max(values)


def test_json_has_no_word_for_infinity() -> None:
    assert encode_json({"b": float("inf"), "a": [1.5]}) == (
        '{\n  "b": null,\n  "a": [\n    1.5\n  ]\n}\n'
    )
