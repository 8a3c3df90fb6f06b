"""Published figures stand beside the run's own, as ratios, and never without a source."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from support import synthetic
from support.imports import DATA

from reports.charts import beside_charts
from reports.html import render
from reports.view import ReportView, build
from reports.view.beside import ELSEWHERE, OVER_THE_NETWORK, BesideView, BesideWork, beside
from reports.view.counterparts import COUNTERPARTS, Counterpart
from reports.view.published import PATH
from results import frame
from results.importers import Options, Source, import_files
from results.store.store import RunDirectory
from workloads.registry import load


def view_of(run: RunDirectory) -> ReportView:
    return build(run.run(), frame.load(run), run.trials())


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> ReportView:
    return view_of(synthetic.write(tmp_path_factory.mktemp("runs"), blocks=6))


@pytest.fixture(scope="module")
def shown(view: ReportView) -> BesideView:
    assert view.beside is not None
    return view.beside


def work(shown: BesideView, name: str) -> BesideWork:
    return next(each for each in shown.works if each.workload == name)


def published(shown: BesideView, name: str) -> dict[str, float]:
    return {row.effect.arm.name: round(row.published.ratio, 3) for row in work(shown, name).rows}


def rows() -> list[dict[str, str]]:
    with PATH.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_published_row_has_a_source_a_year_and_says_how_it_is_known() -> None:
    for row in rows():
        assert None not in row.values()
        assert row["source"].strip(), row
        assert 2000 < int(row["year"]) < 2027, row
        assert row["verified"] in {"yes", "no"}, row
        assert row["note"].strip(), row
        if row["verified"] == "yes":
            assert row["note"].startswith("["), row


@pytest.mark.parametrize("counterpart", COUNTERPARTS, ids=lambda each: each.workload)
def test_a_counterpart_names_a_workload_of_ours_and_rows_that_are_there_once(
    counterpart: Counterpart,
) -> None:
    workload = load().workloads[counterpart.workload]
    assert {metric.name for metric in workload.metrics} & set(counterpart.metrics)
    for row in counterpart.rows:
        found = [cells for cells in rows() if row.names(cells)]
        assert len(found) == 1, row
        assert found[0]["verified"] == "yes"


def test_a_rate_becomes_a_share_of_the_native_rate(shown: BesideView) -> None:
    assert published(shown, "memory.stream") == {"docker": 1.0, "kvm": 0.989}


def test_a_time_is_turned_so_that_above_1_is_better(shown: BesideView) -> None:
    # 37.58 µs native, 67.94 in KVM; "NAT doubles latency" is the only figure of Docker's.
    assert published(shown, "network.latency") == {"docker": 0.5, "kvm": 0.553}


def test_a_change_in_per_cent_becomes_a_ratio(view: ReportView, tmp_path: Path) -> None:
    text = PATH.read_text(encoding="utf-8")
    old = "STREAM Triad one socket (local alloc),bandwidth,GB/s,25.1503,25.1433,,24.8676,,,"
    assert old in text
    changed = tmp_path / "published.csv"
    new = "STREAM Triad one socket (local alloc),bandwidth,percent,0,,,-22,-18,,"
    changed.write_text(text.replace(old, new), encoding="utf-8")
    stream = next(each for each in COUNTERPARTS if each.workload == "memory.stream")
    row = replace(stream.rows[0], form="change")
    found = beside(view.metrics, changed, [replace(stream, rows=(row,))])
    assert found is not None
    assert published(found, "memory.stream") == {"kvm": 0.78}


def test_arms_of_ours_that_nobody_published_have_no_row(shown: BesideView) -> None:
    seen = {row.effect.arm.name for each in shown.works for row in each.rows}
    assert seen == {"docker", "kvm"}
    assert not seen & {"ns", "native", "native:aa"}


def test_dockers_networks_differ_only_where_packets_are_sent() -> None:
    assert OVER_THE_NETWORK["docker"] == "container_net_nat"
    assert ELSEWHERE["docker"] == ELSEWHERE["docker:host-net"] == "container"


def test_what_was_not_verified_is_not_quoted(view: ReportView, tmp_path: Path) -> None:
    unverified = tmp_path / "published.csv"
    unverified.write_text(PATH.read_text(encoding="utf-8").replace(",yes", ",no"), "utf-8")
    assert beside(view.metrics, unverified) is None


@pytest.mark.parametrize("cell", ["nan", "-3", "0", "inf", "1e300", "much", ""])
def test_a_cell_that_is_no_sane_figure_is_left_out(
    view: ReportView, tmp_path: Path, cell: str
) -> None:
    text = PATH.read_text(encoding="utf-8")
    old = "25.1503,25.1433,,24.8676"
    assert old in text
    broken = tmp_path / "published.csv"
    broken.write_text(text.replace(old, f"25.1503,{cell},,24.8676"), encoding="utf-8")
    found = beside(view.metrics, broken)
    assert found is not None
    assert published(found, "memory.stream") == {"kvm": 0.989}


def test_without_the_file_there_is_no_comparison(view: ReportView, tmp_path: Path) -> None:
    assert beside(view.metrics, tmp_path / "none.csv") is None


def test_felters_own_trials_come_out_as_they_were_published(tmp_path: Path) -> None:
    source = Source(DATA / "linpack-like-felter.csv", "")
    made = import_files([source], Options(), tmp_path, ["invoke", "import"])
    found = view_of(RunDirectory.open(made.directory, tmp_path)).beside
    assert found is not None
    for row in work(found, "cpu.linpack").rows:
        assert row.effect.ratio == pytest.approx(row.published.ratio, rel=0.01)


def test_each_ratio_is_drawn_with_the_published_one_and_its_source(shown: BesideView) -> None:
    charts = beside_charts(shown)
    assert [chart.name for chart in charts] == ["beside-memory", "beside-network"]
    for chart in charts:
        drawn = sum(each.resource == chart.resource for each in shown.works)
        for figure in (chart.wide, chart.narrow):
            assert figure.count('data-arm="published"') == 2 * drawn
            assert "kvm, emulated" in figure
            assert "2014: " in figure
            assert "Felter et al." in figure
    assert beside_charts(None) == ()


def test_the_page_calls_it_context_and_names_machine_and_differences(view: ReportView) -> None:
    page = render(view)
    section = page[page.index('id="h-beside"') :]
    section = section[: section.index("</section>")]
    assert "Context, never proof" in section
    assert "IBM x3650 M4" in section
    assert "theirs a whole socket, ours one thread" in section
    assert "says nothing of the VM that was published" in section


def test_a_run_with_nothing_in_common_has_no_such_section(view: ReportView) -> None:
    alone = replace(view, beside=None)
    assert 'id="h-beside"' not in render(alone)
