"""“Where the cost comes from” in a real browser: drawn, readable, accessible, at every width."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import waterfalls

from reports.__main__ import write

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

axe_api = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)

pytestmark = [pytest.mark.parallel, pytest.mark.slow]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run of the waterfall suite."""
    return write(waterfalls.write(tmp_path_factory.mktemp("runs"), blocks=5).path)


@pytest.fixture
def page(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The report, opened."""
    options = getattr(request, "param", {})
    context = browser.new_context(
        viewport={"width": options.get("width", 1280), "height": 900},
        color_scheme=options.get("scheme", "light"),
        java_script_enabled=options.get("script", True),
    )
    opened = context.new_page()
    opened.goto(report.as_uri())
    yield opened
    context.close()


VIEWS = [
    pytest.param({"width": width, "scheme": scheme}, id=f"{width}-{scheme}")
    for width in (1280, 390)
    for scheme in ("light", "dark")
]


@pytest.mark.parametrize("page", VIEWS, indirect=True)
def test_the_section_is_accessible_and_fits_the_screen(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    found = axe_api.Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("page", VIEWS[::2], indirect=True)
def test_no_label_of_a_chart_is_cut_off(page: Page) -> None:
    beyond = page.locator("#waterfall svg:visible").evaluate_all(
        """charts => charts.flatMap(chart => {
          const card = chart.closest('figure').getBoundingClientRect();
          return [...chart.querySelectorAll('text')].filter(label => {
            const box = label.getBoundingClientRect();
            return box.left < card.left || box.right > card.right;
          }).map(label => label.textContent);
        })"""
    )
    assert beyond == []


@pytest.mark.parametrize("page", VIEWS[::2], indirect=True)
def test_no_two_labels_of_a_chart_lie_on_each_other(page: Page) -> None:
    page.evaluate(
        "document.querySelectorAll('#waterfall details').forEach((part) => { part.open = true; })"
    )
    colliding = page.locator("#waterfall svg:visible").evaluate_all(
        """charts => charts.flatMap(chart => {
          const labels = [...chart.querySelectorAll('text')].map(
            label => [label.textContent, label.getBoundingClientRect()]);
          return labels.flatMap(([one, a], place) => labels.slice(place + 1).filter(([, b]) =>
            Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
            Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4,
          ).map(([other]) => `${one} on ${other}`));
        })"""
    )
    assert colliding == []


@pytest.mark.parametrize("page", [{"script": False}], indirect=True)
def test_it_can_be_read_without_script(page: Page) -> None:
    section = page.locator("#waterfall")
    assert "dearest steps" in section.inner_text()
    assert section.locator("svg.chart:visible").count() >= 2
    section.locator("summary", has_text="Every step").click()
    assert section.locator("table tbody tr:visible").count() == 21


def test_bars_go_from_where_the_one_above_ended(page: Page) -> None:
    bars = (
        page.locator("#waterfall .wide svg")
        .first.locator(".mark path")
        .evaluate_all(
            "paths => paths.map(p => p.getBoundingClientRect()).filter(b => b.height > 10)"
        )
    )
    bars.sort(key=lambda bar: bar["top"])
    assert len(bars) == len(waterfalls.STEPS) + 6  # in no step, all together twice, three engines
    told = [bar for bar in bars[:15] if bar["width"] > 10]  # the sixteenth saves
    assert len(told) > 7
    for above, below in pairwise(told):
        assert abs(above["right"] - below["left"]) < 25  # those left out are narrow


def test_a_bar_tells_its_figures_under_the_pointer(page: Page) -> None:
    mark = page.locator("#waterfall .wide svg").first.locator("[data-tip^='PID namespace']").first
    mark.scroll_into_view_if_needed()
    mark.hover(force=True)
    assert "namespace" in page.locator("#tip").inner_text()
    assert "median of 20 trials" in page.locator("#tip").inner_text()


def test_steps_do_not_swamp_the_rest_of_the_report(page: Page) -> None:
    assert page.locator("#controls .legend li").count() == 6
    assert page.locator(".prices tbody tr").count() == 5
    assert "ns:wf" not in page.locator("[data-sortable]").first.inner_text()


def test_the_filter_leaves_start_up_alone_or_takes_it_away(page: Page) -> None:
    chart = page.locator("#waterfall figure").first
    page.select_option("#resource", "startup")
    assert chart.is_visible()
    page.select_option("#resource", "cpu")
    assert not chart.is_visible()
