"""Tables at 80 columns: words stay whole, or lose their middle."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from harness.cli import tables
from harness.project.perf import Entry, Measurement
from harness.terminal.table_fit import LEAST, Demand, share, shorten
from harness.terminal.terminal import Terminal

ENTRY = Entry(
    "ns-start-beside-runc",
    4.13e6,
    "ns",
    "at most 1/8 of runc on the bundle of the same box",
    0.35,
    met=True,
    beside={"runc's own example": 7.9e6, "runc": 2.8e7},
)


def printed(table: Table, width: int) -> str:
    stream = io.StringIO()
    Terminal(file=stream, width=width).print(table)
    return stream.getvalue()


def test_names_stay_whole_at_eighty_columns() -> None:
    text = printed(tables.perf(Measurement((ENTRY,), ())), 80)
    assert "ns-start-beside-runc" in text
    assert max(map(len, text.splitlines())) <= 80
    for word in ENTRY.target.split():
        assert word in text


def test_words_that_cannot_fit_lose_their_middle() -> None:
    table = Table("path", "why")
    table.add_row("/var/lib/tarebench/" + "x" * 100 + "/end", "because of it")
    text = printed(table, 40)
    assert max(map(len, text.splitlines())) <= 40
    assert "/var" in text
    assert "…" in text
    assert "/end" in text


def test_a_table_that_fits_is_left_alone() -> None:
    table = Table("a", "b")
    table.add_row("one", "two words")
    assert printed(table, 80) == printed(table, 200)


def test_styles_survive_shortening() -> None:
    text = Text.assemble(("abcdefghij", "bold"), " tail")
    short = shorten(text, 7)
    assert short.plain == "abc…hij tail"
    assert {span.style for span in short.spans} == {"bold"}


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 200)).map(
            lambda pair: Demand(min(pair), max(pair))
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(60, 200),
)
def test_widths_fit_the_room_and_waste_none_of_it_on_columns_that_have_enough(
    demands: list[Demand], room: int
) -> None:
    widths = share(demands, room)
    assert sum(widths) <= max(room, LEAST * len(demands))
    for demand, width in zip(demands, widths, strict=True):
        assert 1 <= width <= max(1, demand.widest_line)
        if sum(max(1, each.longest_word) for each in demands) <= room:
            assert width >= demand.longest_word


@given(st.text(alphabet="ab \n", max_size=80), st.integers(LEAST, 30))
def test_no_word_is_longer_than_the_width(text: str, width: int) -> None:
    short = shorten(Text(text), width).plain
    assert all(len(word) <= width for word in short.split())
    assert len(short.split()) == len(text.split())
