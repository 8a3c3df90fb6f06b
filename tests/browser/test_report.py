"""The report in a real browser: quiet, accessible, and deaf to hostile text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import synthetic

from reports.__main__ import write

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

axe_api = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)

WIDTHS = {"desk": 1280, "phone": 390}

pytestmark = [pytest.mark.parallel, pytest.mark.slow]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run of six blocks."""
    return write(synthetic.write(tmp_path_factory.mktemp("runs"), blocks=6).path)


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with hostile text wherever it can be."""
    run = synthetic.write(
        tmp_path_factory.mktemp("runs"), blocks=3, hostile=synthetic.HOSTILE + "W" * 300
    )
    return write(run.path)


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that fails the test on any message, error or request but the file itself."""
    options = getattr(request, "param", {})
    context = browser.new_context(
        viewport={"width": options.get("width", 1280), "height": 900},
        color_scheme=options.get("scheme", "light"),
        java_script_enabled=options.get("script", True),
    )
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(f"console: {message.text}"))
    opened.on("pageerror", lambda error: said.append(f"error: {error}"))
    opened.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
    opened.on("request", lambda asked: said.append(f"request: {asked.url}"))
    yield opened
    context.close()
    assert [line for line in said if not line.startswith("request: file://")] == []
    assert len(said) == 1


VIEWPORTS = [
    pytest.param({"width": width, "scheme": scheme}, id=f"{name}-{scheme}")
    for name, width in WIDTHS.items()
    for scheme in ("light", "dark")
]


@pytest.mark.parametrize("page", VIEWPORTS, indirect=True)
def test_the_report_is_accessible_and_fits_the_screen(page: Page, report: Path) -> None:
    page.goto(report.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    found = axe_api.Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("page", [{"script": False}], indirect=True)
def test_everything_can_be_read_without_script(page: Page, report: Path) -> None:
    page.goto(report.as_uri())
    assert page.locator(".answer").inner_text().startswith("We ran the same 9 workloads")
    assert not page.locator("#filters").is_visible()
    assert page.locator("svg.chart:visible").count() > 5
    assert page.locator(".mark > title").count() > 50


def test_the_first_screen_answers_and_says_what_may_be_believed(page: Page, report: Path) -> None:
    page.goto(report.as_uri())
    for selector in ("h1", ".chips", ".ledger-summary", ".claim"):
        assert page.locator(selector).first.bounding_box()["y"] < 900, selector
    chips = page.locator(".chips").first.inner_text()
    assert "kvm ran on an emulated CPU" in chips
    assert "Smallest effect this machine can show" in chips


def test_each_claim_has_a_card_with_its_verdict_in_word_icon_and_colour(
    page: Page, report: Path
) -> None:
    page.goto(report.as_uri())
    assert page.locator(".claim").count() == 9
    assert page.locator(".waiting li").count() == 11
    seen = {}
    for name, word, icon in (
        ("net-small", "refuted", "✕"),
        ("mem-few-percent", "supported", "✓"),
        ("vm-startup", "not evaluable", "–"),
    ):
        card = page.locator(f"#claim-{name}")
        assert card.locator(".level").inner_text() == word
        assert card.locator("header > .icon").inner_text() == icon
        seen[word] = card.evaluate("card => getComputedStyle(card).borderLeftColor")
    assert len(set(seen.values())) == 3
    assert "95 % certainty" in page.locator(
        "#claim-net-small .claim-sentence"
    ).inner_text().replace("\N{NO-BREAK SPACE}", " ")


def test_the_forest_plots_of_one_kind_share_one_scale(page: Page, report: Path) -> None:
    page.goto(report.as_uri())
    ones = page.locator(".claim .wide svg").evaluate_all(
        """plots => plots.map(plot => {
          const one = [...plot.querySelectorAll('text')].find(t => t.textContent === '100%');
          return Math.round(one.getBoundingClientRect().x - plot.getBoundingClientRect().x);
        })"""
    )
    assert len(ones) >= 3
    assert max(ones) - min(ones) <= 1


def test_a_verdicts_link_opens_its_evidence_down_to_the_trials(page: Page, report: Path) -> None:
    page.goto(report.as_uri())
    evidence = page.locator("#evidence-net-small")
    assert not evidence.locator("table").first.is_visible()
    page.locator("#claim-net-small a", has_text="Evidence").click()
    evidence.locator("table").first.wait_for(state="visible", timeout=5000)  # after hashchange
    assert evidence.locator("table").first.is_visible()
    assert "paired by block" in evidence.inner_text()
    trials = evidence.locator("details").nth(1)
    trials.locator("summary").click()
    assert "network." in trials.inner_text()
    evidence.get_by_text("Back to the verdict").click()
    assert page.evaluate("location.hash") == "#claim-net-small"


def test_a_click_on_a_head_sorts_by_number_and_again_turns_it(page: Page, report: Path) -> None:
    page.goto(report.as_uri())
    table = page.locator("[data-sortable]").first
    head = table.locator("thead button", has_text="Ratio")
    ratios = "rows => rows.map(r => r.cells[5].dataset.sort).filter(v => v).map(Number)"
    rising: list[list[float]] = []
    for _ in range(2):
        head.click()
        rising.append(table.locator("tbody tr").evaluate_all(ratios))
    assert rising[0] == sorted(rising[0])
    assert rising[1] == sorted(rising[1], reverse=True)
    assert table.locator("th[aria-sort=descending]").count() == 1


def test_filters_hide_arms_and_resources(page: Page, report: Path) -> None:
    page.goto(report.as_uri())
    rows = page.locator("[data-sortable] tbody tr:visible")
    everything = rows.count()
    page.select_option("#resource", "cpu")
    only_cpu = rows.count()
    assert 0 < only_cpu < everything
    assert page.locator("figure[data-resource=network]:visible").count() == 0
    page.select_option("#resource", "")
    page.locator(".legend button", has_text="docker").click()
    assert page.locator("tr[data-arm=a3]:visible").count() == 0
    # It fades: the transition is the browser's to time, so its end is waited for.
    mark = page.locator(".mark[data-arm=a3]").first
    mark.evaluate("m => Promise.all(m.getAnimations().map(each => each.finished))")
    assert float(mark.evaluate("m => getComputedStyle(m).opacity")) < 0.5
    page.locator(".legend button", has_text="docker").click()
    assert rows.count() == everything
    page.uncheck("#emulated")
    assert page.locator("tr[data-arm=a4]:visible").count() == 0


def test_a_mark_tells_its_figures_under_the_pointer(page: Page, report: Path) -> None:
    page.goto(report.as_uri())
    mark = page.locator("#speed-network .wide .mark, .wide .mark[data-arm=a3]").nth(2)
    mark.scroll_into_view_if_needed()
    mark.hover(force=True)
    assert "docker" in page.locator("#tip").inner_text()


@pytest.mark.parametrize("page", VIEWPORTS[::2], indirect=True)
def test_hostile_text_does_not_run_and_does_not_burst_the_page(
    page: Page, hostile_report: Path
) -> None:
    page.goto(hostile_report.as_uri())
    assert page.title().startswith("What does the box weigh?")
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = axe_api.Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()


def test_the_policy_stops_a_script_that_got_in(browser: Browser, report: Path) -> None:
    page = browser.new_page()
    page.goto(report.as_uri())
    page.evaluate(
        """() => {
          const script = document.createElement('script');
          script.textContent = 'window.owned = true';
          document.body.append(script);
        }"""
    )
    assert page.evaluate("window.owned === undefined")
    page.close()
