"""What the report and the terminal show of a verdict."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console
from support import synthetic
from support.frames import AGAIN, NATIVE, claim, frame, ledger, part, rows, times

from reports.charts import forest_charts
from reports.html import render
from reports.terminal import claims as claims_command
from reports.terminal import explain as explain_command
from reports.view import build
from reports.view.arms import arm_views
from reports.view.ledger import LedgerView, ledger_view, stop_words
from results.frame import load
from results.ledger.claims.errors import LedgerError
from results.ledger.claims.schema import Claim
from results.ledger.claims.vocabulary import installed
from results.ledger.judge.judge import judge
from results.ledger.outcome import Outcome, judge_run
from results.records.looks import ClaimStop
from results.store.store import RunDirectory

BASE = (rows("native", NATIVE), rows("native:aa", AGAIN))
HOSTILE = "<script>alert(1)</script>"


def shown(*claims: Claim, stops: tuple[ClaimStop, ...] = ()) -> LedgerView:
    """The view of claims about one box that is 20 % slower."""
    groups = [
        rows(arm, values, unit="ns", direction="lower")
        for arm, values in (("native", NATIVE), ("native:aa", AGAIN), ("ns", times(1.25)))
    ]
    made = ledger(*claims)
    return ledger_view(made, judge(made, frame(*groups)), {}, stops)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of six blocks."""
    return synthetic.write(tmp_path_factory.mktemp("runs"), blocks=6)


def printed(*lines: object) -> str:
    """What a terminal of 100 columns shows."""
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(*lines, sep="\n")
    return console.export_text()


def test_a_speed_is_drawn_so_that_right_is_better() -> None:
    (row,) = shown(claim(part("loss-at-most", 0.1))).cards[0].forests[0].rows
    assert row.ratio == pytest.approx(0.8, rel=0.01)
    assert row.ends is not None
    assert row.ends[0] < row.ratio < row.ends[1]
    assert row.claimed == (pytest.approx(1 / 1.1), math.inf)


def test_a_factor_is_drawn_as_it_is() -> None:
    (row,) = shown(claim(part("ratio-at-least", 10.0))).cards[0].forests[0].rows
    assert row.ratio == pytest.approx(1.25, rel=0.01)
    assert row.claimed == (10.0, math.inf)


def test_rules_of_both_kinds_in_one_claim_have_a_plot_each() -> None:
    view = shown(claim(part("loss-at-most", 0.1), part("ratio-at-most", 3.0)))
    assert [forest.scale for forest in view.cards[0].forests] == ["speed", "times"]
    charts = forest_charts(view.cards[0].forests)["c"]
    assert len(charts) == 2
    for chart in charts:
        for svg in (chart.wide, chart.narrow):
            assert "nan" not in svg.lower()
            assert ET.fromstring(svg).tag == "svg"  # noqa: S314 — our own chart


def test_values_far_off_the_scale_stay_on_the_page() -> None:
    samples = frame(*BASE, rows("ns", times(1e-9)))
    made = ledger(claim(part("loss-at-most", 0.1)), claim(part("ratio-at-least", 1e5), name="d"))
    view = ledger_view(made, judge(made, samples), {})
    charts = forest_charts(forest for card in view.cards for forest in card.forests)
    assert set(charts) == {"c", "d"}


def test_a_mixed_claim_shows_each_part_with_icon_and_word() -> None:
    samples = frame(
        *(
            rows(arm, values, workload=name)
            for name, box in (("cpu.one", times(1.0)), ("cpu.two", times(0.8)))
            for arm, values in (("native", NATIVE), ("native:aa", AGAIN), ("ns", box))
        )
    )
    parts = [part(name=name, workload=f"cpu.{name}") for name in ("one", "two", "three")]
    made = ledger(claim(*parts))
    view = ledger_view(made, judge(made, samples), {})
    card = view.cards[0]
    assert (card.verdict, card.key) == ("mixed", "mixed")
    assert [(each.name, each.verdict, each.key) for each in card.parts] == [
        ("one", "supported", "supported"),
        ("two", "refuted", "refuted"),
        ("three", "not measured", "unjudged"),
    ]
    assert view.summary.startswith("Of 1 claim that can be measured today, 1 holds in part.")
    assert view.counts == (("mixed", "mixed", 1),)


@pytest.mark.slow
def test_the_page_and_the_terminal_show_the_parts_of_a_mixed_claim(run: RunDirectory) -> None:
    record, samples = run.run(), load(run)
    small = part("ratio-at-most", 3.0, workload="startup.http", metric="first_http_200_ns")
    cpu = part("loss-at-most", 0.5, name="cpu", workload="cpu.sysbench", metric="events_per_second")
    made = ledger(claim(cpu, replace(small, candidates=("docker",), name="start")))
    judgement = judge(made, samples, record)
    assert judgement.verdicts[0].verdict == "mixed"
    page = render(
        build(record, samples, run.trials()), ledger_view(made, judgement, arm_views(record))
    )
    assert '<span class="level">mixed</span>' in page
    assert page.count('<li class="verdict-refuted">') == 1
    assert "◐" in page
    outcome = Outcome(record, made, judgement)
    said = printed(*claims_command.claims_view(made, outcome))
    for words in ("◐ mixed", "✓ cpu: supported", "✗ start: refuted"):
        assert words in said
    document = claims_command.claims_document(made, outcome)["claims"][0]
    assert document["headline"] == "mixed: it holds for cpu; not for start"
    assert [each["verdict"] for each in document["by_part"]] == ["supported", "refuted"]
    lines = explain_command.explain_view(
        made.claims[0], judgement.verdicts[0], outcome, run.trials()
    )
    assert "start: refuted: in start, docker stands at" in printed(*lines)


def test_claims_without_data_come_last_and_are_counted() -> None:
    view = shown(claim(awaits="later", name="w"), claim(part("loss-at-most", 0.1)))
    assert [card.id for card in view.cards] == ["c"]
    assert [card.id for card in view.waiting] == ["w"]
    assert view.summary == (
        "Of 1 claim that can be measured today, 1 does not hold. "
        "1 more waits for workloads to come."
    )
    assert view.counts == (("refuted", "refuted", 1), ("unjudged", "not evaluable", 1))


def test_evidence_holds_every_block_and_every_trial() -> None:
    evidence = shown(claim(part("loss-at-most", 0.1))).cards[0].evidence
    assert evidence is not None
    assert evidence.summary == "Evidence: 1 comparison of 24 trials"
    (table,) = evidence.trials
    assert len(table.rows) == 12
    assert table.rows[3][-1] == "cpu.work-b003-ns"


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (ClaimStop("c", "decided", 8), "Settled after 8 blocks"),
        (ClaimStop("c", "budget", 1, 9), "ended after 1 block; about 9 more would settle it"),
        (ClaimStop("c", "maximum", 40), "most blocks were reached, 40."),
        (ClaimStop("c", "unanswerable", 8), "what it lacks is not trials"),
    ],
)
def test_why_a_claim_got_no_more_trials_is_said(stop: ClaimStop, words: str) -> None:
    assert words in stop_words(stop)
    assert shown(claim(part("loss-at-most", 0.1)), stops=(stop,)).cards[0].stopped


def test_the_page_opens_with_the_ledger_and_escapes_what_users_write(run: RunDirectory) -> None:
    record, samples = run.run(), load(run)
    own = claim(part("loss-at-most", 0.1, workload="cpu.sysbench", metric="events_per_second"))
    hostile = Claim(
        **{name: getattr(own, name) for name in Claim.__slots__}
        | {"claim": HOSTILE, "source": HOSTILE, "if_supported": HOSTILE, "refuted_by": HOSTILE}
    )
    made = ledger(hostile)
    view = ledger_view(made, judge(made, samples, record), arm_views(record))
    page = render(build(record, samples, run.trials()), view)
    assert HOSTILE not in page
    assert page.index("Do the usual claims hold") < page.index("In short")
    assert page.index("Smallest effect") < page.index("Do the usual claims hold")


def test_the_terminal_shows_verdicts_and_reasons(run: RunDirectory) -> None:
    root = run.path.parent
    said = printed(*claims_command.look(root, None, None, installed()).lines)
    assert "✗ refuted" in said
    assert "– not evaluable" in said
    assert "waits for" in said
    assert "not judged" in printed(*claims_command.look(root / "no", None, None, installed()).lines)
    said = printed(*explain_command.look(run, "net-small", None, installed()).lines)
    for words in (
        "90 % interval",
        "A/A floor",
        "paired by block",
        "supported where every part is",
    ):
        assert words in said
    with pytest.raises(LedgerError, match="no claim is called 'nonsense'"):
        explain_command.look(run, "nonsense", None, installed())


def test_markup_in_a_claim_is_text_in_the_terminal(run: RunDirectory) -> None:
    outcome = judge_run(run)
    marked = claim(awaits="[red]paint[/red] [/nothing]", name="m")
    lines = claims_command.claims_view(ledger(marked), None)
    assert "[red]paint[/red] [/nothing]" in printed(*lines)
    assert outcome.ledger.claims
