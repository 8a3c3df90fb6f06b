"""“Published beside yours” in a real browser: drawn, readable, accessible, at every width."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import felter

from reports.__main__ import write
from reports.view.counterparts import COUNTERPARTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

axe_api = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)

pytestmark = [pytest.mark.parallel, pytest.mark.slow]

VIEWS = [
    pytest.param({"width": 1280, "scheme": "light"}, id="desk-light"),
    pytest.param({"width": 390, "scheme": "dark"}, id="phone-dark"),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with all that the paper has."""
    return write(felter.write(tmp_path_factory.mktemp("runs")))


@pytest.fixture
def page(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The report, opened; it asks for nothing but itself."""
    options = getattr(request, "param", {})
    context = browser.new_context(
        viewport={"width": options.get("width", 1280), "height": 900},
        color_scheme=options.get("scheme", "light"),
    )
    opened = context.new_page()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: asked.append(message.text))
    opened.goto(report.as_uri())
    yield opened
    context.close()
    assert asked == [report.as_uri()]


@pytest.mark.parametrize("page", VIEWS, indirect=True)
def test_the_section_is_accessible_and_fits_the_screen(page: Page) -> None:
    page.locator("#beside summary").click()
    found = axe_api.Axe().run(page, context="#beside")
    assert found.response["violations"] == [], found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("page", VIEWS, indirect=True)
def test_labels_lie_inside_their_card_and_not_on_each_other(page: Page) -> None:
    wrong = page.locator("#beside svg:visible").evaluate_all(
        """charts => charts.flatMap(chart => {
          const card = chart.closest('figure').getBoundingClientRect();
          const labels = [...chart.querySelectorAll('text')].map(
            label => [label.textContent, label.getBoundingClientRect()]);
          const cut = labels.filter(([, box]) => box.left < card.left || box.right > card.right);
          const on = labels.flatMap(([one, a], place) => labels.slice(place + 1).filter(([, b]) =>
            Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
            Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4,
          ).map(([other]) => `${one} on ${other}`));
          return [...cut.map(([text]) => text), ...on];
        })"""
    )
    assert wrong == []


def test_every_published_ratio_has_a_stroke_a_year_and_a_source(page: Page) -> None:
    rows = page.locator("#beside tbody tr").count()
    strokes = page.locator("#beside .wide [data-arm=published]")
    assert rows == strokes.count() > len(COUNTERPARTS)
    tips = strokes.evaluate_all("marks => marks.map(mark => mark.dataset.tip)")
    assert all("2014: " in tip and "Felter et al." in tip for tip in tips)
    assert page.locator("#beside svg:visible text", has_text="2014: ").count() == rows


def test_hiding_an_arm_hides_its_rows(page: Page) -> None:
    page.locator("#beside summary").click()
    arm = page.locator("#controls li", has_text="kvm:tuned")
    rows = page.locator("#beside tbody tr:visible")
    before = rows.count()
    arm.locator("button").click()
    assert 0 < rows.count() < before
