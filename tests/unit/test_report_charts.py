"""Charts are the same bytes for the same data, well formed, and safe to set into a page."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support import synthetic

from reports.__main__ import main
from reports.charts import Chart, ecdf_chart, footprint_charts, phases_chart, speed_charts
from reports.html import render
from reports.view import ReportView, build
from results import frame
from results.store.store import RunDirectory


def view_of(run: RunDirectory) -> ReportView:
    """The view of a stored run."""
    return build(run.run(), frame.load(run), run.trials())


def charts_of(view: ReportView) -> list[Chart]:
    """Every chart of a report."""
    start = next(m for m in view.metrics if m.resource == "startup" and m.primary)
    single = [chart for chart in (ecdf_chart(start), phases_chart(view.phases)) if chart]
    footprint = footprint_charts(view.metrics, view.daemons)
    return [*speed_charts(view.metrics), *single, *footprint]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> ReportView:
    """The view of a run with hostile text wherever it can be."""
    root = tmp_path_factory.mktemp("runs")
    return view_of(synthetic.write(root, blocks=6, hostile=synthetic.HOSTILE + "\u4e2d\U0001f4a9"))


@pytest.fixture(scope="module")
def charts(hostile: ReportView) -> list[Chart]:
    """Its charts."""
    return charts_of(hostile)


def test_there_is_a_chart_for_each_resource_and_footprint(charts: list[Chart]) -> None:
    names = [chart.name for chart in charts]
    assert names[:5] == ["speed-cpu", "speed-memory", "speed-network", "ecdf", "phases"]
    assert "footprint-daemons" in names


def test_charts_are_well_formed_and_name_no_other_host(charts: list[Chart]) -> None:
    for chart in charts:
        for figure in (chart.wide, chart.narrow):
            root = ET.fromstring(figure)  # noqa: S314 — our own output is what is tested
            assert root.tag == "svg"
            assert "http" not in figure.replace("HTTP", "").replace("http_", "").lower()
            tags = {element.tag for element in root.iter()}
            assert not tags & {"script", "style", "metadata", "image", "foreignObject", "a"}


def test_ids_are_unique_over_the_whole_page_and_references_resolve(charts: list[Chart]) -> None:
    page = "".join(chart.wide + chart.narrow for chart in charts)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', page)) <= set(ids)


def test_charts_carry_title_description_and_role(charts: list[Chart]) -> None:
    for chart in charts:
        root = ET.fromstring(chart.wide)  # noqa: S314 — as above
        assert root.get("role") == "img"
        named = {element.get("id"): element.text for element in root if element.get("id")}
        assert all(named[key] for key in str(root.get("aria-labelledby")).split())


def test_colours_are_left_to_the_page(charts: list[Chart]) -> None:
    for chart in charts:
        assert not re.search(r"#fe0[0-2][0-9a-f]{2}", chart.wide)
        assert re.search(r"var\(--(arm|phase)-", chart.wide)


def test_emulated_arms_are_hollow_and_off_the_scale_they_are_arrows(charts: list[Chart]) -> None:
    assert "(off the scale)" in charts[0].wide
    assert "emulated" in charts[0].description


@pytest.mark.slow
def test_the_same_data_give_the_same_bytes(hostile: ReportView) -> None:
    assert render(hostile) == render(hostile)


class Tags(HTMLParser):
    """Collects the tags, and the attributes that could load or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            local = name == "href" and str(value).startswith("#")
            if (name in {"src", "href", "srcset", "action", "xlink:href"} and not local) or (
                name.startswith("on")
            ):
                self.loads.append((name, str(value)))


def test_hostile_text_stays_text_in_the_page(hostile: ReportView) -> None:
    page = render(hostile)
    tags = Tags()
    tags.feed(page)
    assert tags.tags.count("script") == 1
    assert "img" not in tags.tags
    assert tags.loads == []
    assert "&lt;/script&gt;" in page


@pytest.mark.slow
def test_the_page_names_no_host_and_holds_no_nan(tmp_path: Path) -> None:
    for blocks in (1, 6):
        run = synthetic.write(tmp_path / str(blocks), blocks=blocks)
        page = render(view_of(run))
        assert "http://" not in page
        assert "https://" not in page
        assert not re.search(
            r"\b(nan|None|inf)\b",
            re.sub(r"<style>.*?</style>|<script>.*?</script>", "", page, flags=re.DOTALL),
        )
        assert len(page) < 3_000_000


def test_a_run_without_trials_still_has_a_page(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, synthetic.make_run())
    assert "No trial counts" in render(view_of(run))


def test_a_run_without_native_still_has_a_page(tmp_path: Path) -> None:
    run = synthetic.make_run(blocks=2)
    alone = replace(run, arms=tuple(arm for arm in run.arms if arm.backend != "native"))
    with RunDirectory.create(tmp_path, alone) as directory:
        for trial, samples in synthetic.make_trials(alone):
            if trial.backend != "native":
                directory.append(trial, samples)
    page = render(view_of(directory))
    assert "Nothing to compare with" in page
    assert "no baseline" in page


@pytest.mark.slow
def test_the_command_writes_page_and_parquet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = synthetic.write(tmp_path, blocks=2)
    assert main([str(run.path)]) == 0
    assert capsys.readouterr().out.strip() == str(run.path / "report.html")
    assert (run.path / "samples.parquet").is_file()
    assert (run.path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_command_says_what_is_wrong_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(tmp_path), "nonsense"]) == 1
    said = capsys.readouterr().err
    assert "error: no run 'nonsense'" in said
    assert "hint: " in said
