"""The section “Where the cost comes from”: what it says, draws, and leaves alone."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support import synthetic, waterfalls

from reports.charts import Chart, mechanisms_chart, waterfall_chart
from reports.html import render
from reports.view import ReportView, build
from reports.view.waterfall import WaterfallView
from reports.view.waterfall_rows import Fall
from results.frame import load
from results.records.records import GateFinding
from results.store.store import RunDirectory

NARROW_SPACES = "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"


def view_of(run: RunDirectory) -> ReportView:
    """The view of a stored run."""
    return build(run.run(), load(run), run.trials())


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> ReportView:
    """The report of a run with a waterfall."""
    return view_of(waterfalls.write(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def fall(view: ReportView) -> WaterfallView:
    """Its section."""
    assert view.waterfall is not None
    return view.waterfall


@pytest.fixture(scope="module")
def charts(fall: WaterfallView) -> list[Chart]:
    """Its charts."""
    made = [waterfall_chart(one, str(place)) for place, one in enumerate(fall.starts)]
    found = [chart for chart in (*made, mechanisms_chart(fall.ratios)) if chart]
    assert len(found) == 3
    return found


def words(text: str) -> str:
    return re.sub(f"[{NARROW_SPACES}]", " ", text)


def place(text: ET.Element) -> tuple[float, float]:
    """Where a text stands, from the figure's left and top."""
    moved = re.search(r"translate\(([\d.]+) ([\d.]+)\)", text.get("transform", ""))
    if moved:
        return float(moved[1]), float(moved[2])
    return float(text.get("x", "nan")), float(text.get("y", "nan"))


def row_heights(figure: str, labels: list[str]) -> list[float]:
    """Where each label stands, from the top of the figure."""
    heights = {}
    for text in ET.fromstring(figure).iter("text"):  # noqa: S314 — our own output is what is tested
        heights.setdefault(text.text or "", place(text)[1])
    return [heights[label] for label in labels]


def test_the_lead_names_the_dearest_steps_and_what_engines_add(fall: WaterfallView) -> None:
    lead = words(fall.lead)
    assert re.search(r"dearest steps are veth pair \(\+\d+ µs\), network namespace", lead)
    assert "runc 2" in lead
    assert re.search(r"are 2 % of what Docker takes", lead)


def test_what_this_machine_can_show_is_said(fall: WaterfallView) -> None:
    assert re.search(r"by up to [\d.]+ µs: smaller steps", words(fall.floor))


def test_the_table_has_every_step_with_its_change_and_interval(fall: WaterfallView) -> None:
    assert [row.label for row in fall.table[-3:]] == ["runc", "containerd", "Docker"]
    assert len(fall.table) == 21
    assert all(len(row.cells) == len(fall.head) for row in fall.table)
    seccomp = next(row for row in fall.table if row.label == "seccomp")
    calls = seccomp.cells[fall.head.index("System call, step")]
    assert words(calls.figure).startswith("−28 %")
    assert calls.tone == "cost"
    assert " to " in calls.remark
    network = next(row for row in fall.table if row.label == "overlay root")
    assert network.cells[fall.head.index("Network, step")].remark == "not part of it"


def test_bars_are_as_long_as_what_is_written_beside_them_and_add_up(fall: WaterfallView) -> None:
    main = fall.starts[0]
    own = [row for row in main.rows if not row.tier]
    for before, row in pairwise(own):
        assert row.change is not None
        assert row.begin == before.end
        assert row.end == pytest.approx(row.begin + row.change.value)
    assert own[0].end == own[0].median
    assert own[-1].end + main.rest == pytest.approx(own[-1].median)
    runc = next(row for row in main.rows if row.tier)
    assert runc.begin == own[-1].median


def test_the_chart_says_what_is_in_no_step(charts: list[Chart]) -> None:
    assert "in no step" in charts[0].wide
    assert "in no step" in charts[0].narrow


def test_labels_on_an_axis_do_not_touch(charts: list[Chart]) -> None:
    for figure in (charts[2].wide, charts[2].narrow):
        by_row: dict[float, list[float]] = {}
        for text in ET.fromstring(figure).iter("text"):  # noqa: S314 — as above
            if re.fullmatch(r"\d+%", text.text or ""):
                x, y = place(text)
                by_row.setdefault(y, []).append(x)
        assert by_row
        for row in by_row.values():
            gaps = [right - left for left, right in pairwise(sorted(row))]
            assert min(gaps) > 30


def test_bars_stand_in_the_order_of_the_steps(charts: list[Chart]) -> None:
    labels = [mechanism for _, mechanism, _ in waterfalls.STEPS] + ["runc", "containerd", "Docker"]
    for figure in (charts[0].wide, charts[0].narrow):
        heights = row_heights(figure, labels)
        assert heights == sorted(heights)
        assert len(set(heights)) == len(labels)


def test_charts_tell_every_step_to_those_who_cannot_see_them(charts: list[Chart]) -> None:
    assert "network namespace: +6" in words(charts[0].description)
    assert "capabilities" in charts[0].description
    assert "not told from nothing" in charts[0].description
    for chart in charts:
        root = ET.fromstring(chart.wide)  # noqa: S314 — as above
        named = {element.get("id"): element.text for element in root if element.get("id")}
        assert all(named[key] for key in str(root.get("aria-labelledby")).split())
        assert root.get("role") == "img"


def test_each_step_has_a_mark_with_its_figures(charts: list[Chart]) -> None:
    root = ET.fromstring(charts[0].wide)  # noqa: S314 — as above
    tips = [title.text or "" for title in root.iter("title")]
    for _, mechanism, _ in waterfalls.STEPS:
        assert any(tip.startswith(f"{mechanism}: ") for tip in tips), mechanism


def test_colours_are_left_to_the_page_and_ids_are_unique(charts: list[Chart]) -> None:
    page = "".join(chart.wide + chart.narrow for chart in charts)
    assert not re.search(r"#fe0[0-2][0-9a-f]{2}", page)
    assert "var(--gain)" in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_step_below_the_floor_is_drawn_hollow(fall: WaterfallView) -> None:
    (row,) = [row for row in fall.starts[0].rows if row.label == "capabilities"]
    assert row.finding == "unclear"
    alone = replace(fall.starts[0], rows=fall.starts[0].rows[:2])
    told, unclear = (_two(alone, finding) for finding in ("costs", "unclear"))
    assert "stroke-dasharray" in unclear.wide
    assert "stroke-dasharray" not in told.wide


def _two(fall: Fall, finding: str) -> Chart:
    second = replace(fall.rows[1], finding=finding)
    chart = waterfall_chart(replace(fall, rows=(fall.rows[0], second)), finding)
    assert chart is not None
    return chart


def test_steps_appear_in_their_section_and_in_no_other(view: ReportView) -> None:
    assert [arm.name for arm in view.arms] == [
        "native",
        "native:aa",
        "ns",
        "docker",
        "oci",
        "containerd",
    ]
    assert not any(
        value.arm.name.startswith("ns:wf-") for metric in view.metrics for value in metric.values
    )
    assert {row.arm.name for row in view.prices} == {"native", "ns", "docker", "oci", "containerd"}
    assert "ns:wf" not in " ".join(view.answer)


@pytest.mark.slow
def test_a_step_that_failed_is_among_the_failures(tmp_path: Path) -> None:
    run = waterfalls.make_run(blocks=2)
    stopped = GateFinding("limits", "invalid", "limits are not enforced")
    with RunDirectory.create(tmp_path, run) as directory:
        for trial, samples in waterfalls.make_trials(run):
            if trial.profile == "wf-09-user" and trial.block == 1:
                bad = replace(trial, status="invalid", findings=(stopped,))
                directory.append(bad, [replace(each, valid=False) for each in samples])
            else:
                directory.append(trial, samples)
    view = view_of(directory)
    assert {failure.arm.name for failure in view.failures} == {"ns:wf-09-user"}
    assert "ns:wf-09-user" in render(view)


@pytest.mark.slow
def test_a_run_without_steps_has_no_such_section(tmp_path: Path) -> None:
    view = view_of(synthetic.write(tmp_path, blocks=2))
    assert view.waterfall is None
    assert "Where the cost comes from" not in render(view)


@pytest.mark.slow
def test_few_blocks_are_drawn_and_nothing_is_claimed(tmp_path: Path) -> None:
    run = waterfalls.make_run(blocks=1)
    run = replace(run, rounds={})
    with RunDirectory.create(tmp_path, run) as directory:
        for trial, samples in waterfalls.make_trials(run):
            directory.append(trial, samples)
    view = view_of(directory)
    assert view.waterfall is not None
    assert "too few blocks" in view.waterfall.lead
    assert "not known yet" in view.waterfall.floor
    page = render(view)
    assert "Where the cost comes from" in page
    assert not re.search(r">[^<]*\b(nan|None|inf)\b", page.partition("<script>")[0])


def test_a_step_without_a_common_block_is_no_beginning(tmp_path: Path) -> None:
    run = waterfalls.make_run(blocks=2)
    with RunDirectory.create(tmp_path, run) as directory:
        for trial, samples in waterfalls.make_trials(run):
            late = trial.backend in waterfalls.TIERS
            if (trial.block > 4) == late:
                directory.append(trial, samples)
    shown = view_of(directory).waterfall
    assert shown is not None
    (runc,) = [row for row in shown.table if row.label == "runc"]
    assert runc.cells[1].remark == "too few blocks to say"


@pytest.mark.slow
def test_hostile_words_of_a_step_stay_words(tmp_path: Path) -> None:
    run = waterfalls.write(tmp_path, blocks=5, hostile=synthetic.HOSTILE)
    page = render(view_of(run))
    assert page.count("<script") == 1
    assert "<img" not in page
