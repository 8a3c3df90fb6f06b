"""Nothing that an image, a guest, a daemon, a file or a command line says steers who reads it."""

from __future__ import annotations

import ast
import io
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from harness.cli import tables
from harness.clock import HostClock
from harness.directories import PROJECT
from harness.doctor import tune_table as tuning_table
from harness.doctor.doctor import Row
from harness.errors import HarnessFault
from harness.host.tuning.change import Change
from harness.plan.schedule import Arm, Slot
from harness.progress.progress import TerminalObserver
from harness.project.perf import Entry, Measurement, Unmeasured
from harness.terminal.terminal import Terminal, encode_json, pass_on, say, tell, warn
from reports.__main__ import write
from runtimes.printable import printable, printable_json, printable_line
from runtimes.standalone.image.documents import digest_of
from tests.support import synthetic
from tests.support.command_line import Ended, invoke, module

IN_FILES = "\x1b]0;owned\x07\x9b31m\x00\r\u202e\u2066\u200b\ufeff\u2028\u00ad\U000e0041"
"""A title set, C1's introducer, NUL, an override, an isolate, zero widths, a separator, a tag."""
HOSTILE = IN_FILES + "\udc9b"
"""A half surrogate, too, which is a byte of a path that is no UTF-8."""


def steering(text: str) -> str:
    """What in ``text`` would steer."""
    return "".join(char for char in text if printable(char) != char)


@pytest.mark.slow
def test_every_character_is_seen_a_space_or_escaped() -> None:
    for point in range(sys.maxunicode + 1):
        shown = printable(chr(point))
        assert shown == chr(point) or (shown.isascii() and shown.startswith("\\")), hex(point)
        assert printable(shown) == shown
    assert steering(HOSTILE) == re.sub(r"[ -~]", "", HOSTILE)


@pytest.mark.parametrize("text", ["", "plain", "two\nlines\tand a tab", "12\u202f345 µs 漢字 😀"])
def test_text_for_people_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_a_line_has_no_second_one() -> None:
    assert printable_line("a\nb\tc") == "a\\nb\\tc"


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=40))
def test_json_keeps_its_values(text: str) -> None:
    document = {text: [text, 1]}
    encoded = printable_json(json.dumps(document, ensure_ascii=False))
    assert steering(encoded) == ""
    assert json.loads(encoded) == document
    encoded.encode("utf-8")


def test_what_is_said_warned_of_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    warn(HOSTILE)
    tell(HarnessFault(f"a {HOSTILE}", hint=f"b {HOSTILE}", tail=f"c {HOSTILE}\nd {HOSTILE}"))
    tell(OSError(2, HOSTILE, f"/tmp/{HOSTILE}"))
    captured = capsys.readouterr()
    assert steering(captured.out + captured.err) == ""
    assert captured.err.count("\\x1b]0;owned") >= 5


def rendered(*objects: object, width: int) -> str:
    stream = io.StringIO()
    Terminal(file=stream, width=width).print(*objects)
    return stream.getvalue()


def table_of(*cells: object) -> Table:
    table = Table(HOSTILE, "b", title=HOSTILE)
    table.add_row(*map(str, cells))
    table.add_row(Text(HOSTILE, style="bold"), Text(f"x {HOSTILE}"))
    return table


ROW = Row(HOSTILE, "missing", HOSTILE, HOSTILE)
ENTRY = Entry(HOSTILE, 1.0, HOSTILE, HOSTILE, 0.5, met=True, beside={HOSTILE: 1.0})
CHANGE = Change(HOSTILE, "refused", HOSTILE, HOSTILE, HOSTILE, (HOSTILE,))
SHOWN: Mapping[str, object] = {
    "text": HOSTILE,
    "rich text": Text(HOSTILE),
    "table": table_of(HOSTILE, HOSTILE),
    "doctor": tables.doctor([ROW]),
    "perf": tables.perf(
        Measurement((ENTRY,), (Unmeasured(HOSTILE, HOSTILE, failed=True, output=HOSTILE),))
    ),
    "tuning": tuning_table.table([CHANGE], HOSTILE),
}


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("width", [40, 80, 500])
def test_what_is_shown_on_the_terminal(name: str, width: int) -> None:
    assert steering(rendered(SHOWN[name], width=width)) == ""


@pytest.mark.parametrize("terminal", [False, True])
def test_progress(*, terminal: bool) -> None:
    """On a terminal the bar's own control sequences are all that steers."""
    stream = io.StringIO()
    console = Terminal(file=stream, width=120, force_terminal=terminal, color_system=None)
    observer = TerminalObserver(console, HostClock())
    slot = Slot(1, 0, Arm("fake", HOSTILE), HOSTILE)
    with observer.showing():
        observer.doing(HOSTILE)
        observer.starting(slot, [slot])
        observer.finished(slot, 1.0, HOSTILE)
        observer.note(HOSTILE)
    text = re.sub(r"\x1b\[(?:\?25[lh]|2K|1A)|\r", "", stream.getvalue())
    assert steering(text) == ""
    assert "owned" in text


class Screen(io.TextIOWrapper):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


def test_what_a_box_wrote_on_a_terminal() -> None:
    raw = io.BytesIO()
    screen = Screen(raw, "utf-8")
    pass_on(IN_FILES.encode() + b"\xff\x9b", screen)
    assert steering(raw.getvalue().decode()) == ""


def test_json_for_programs() -> None:
    encoded = encode_json({HOSTILE: HOSTILE})
    assert steering(encoded) == ""
    assert json.loads(encoded) == {HOSTILE: HOSTILE}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with hostile text wherever it can be, and its report."""
    root = tmp_path_factory.mktemp("runs")
    write(synthetic.write(root, blocks=5, hostile=IN_FILES).path)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("form", [[], ["--as-json"]])
@pytest.mark.parametrize(
    "words", [["claims"], ["explain", "cpu-native"], ["compare", "latest:ns", "latest:docker"]]
)
def test_a_run_by_somebody_hostile(runs: Path, words: list[str], form: list[str]) -> None:
    ended = invoke(*words, *form, "--out", str(runs))
    assert "Traceback" not in ended.stderr
    assert ended.stdout
    assert steering(ended.stdout + ended.stderr) == ""


def test_the_page_of_a_run_by_somebody_hostile(runs: Path) -> None:
    (page,) = runs.glob("*/report.html")
    assert steering(page.read_text()) == ""
    assert "]0;owned" in page.read_text()


@pytest.mark.slow
def test_words_of_the_command_line(tmp_path: Path) -> None:
    typed = IN_FILES.replace("\x00", "")
    for words in (
        ["report", "--run", typed, "--out", str(tmp_path)],
        ["bench", "--backend", typed],
        ["bench", "--workload", typed],
        ["import", f"{tmp_path}/{typed}"],
        ["explain", typed],
    ):
        ended = invoke(*words)
        assert ended.status not in {0, None}
        assert "Traceback" not in ended.stderr
        assert steering(ended.stdout + ended.stderr) == "", words


def test_an_image_by_somebody_hostile(tmp_path: Path) -> None:
    image = hostile_image(tmp_path)
    (tmp_path / "out").mkdir()
    name = "runtimes.standalone.image"
    for words in (
        ["inspect", str(image)],
        ["inspect", str(image), "--name", "another"],
        ["unpack", str(image), str(tmp_path / "out")],
        ["pull", str(image), "x:1"],
        ["images"],
        ["rm", "x:1"],
    ):
        assert_quiet(module(name, *words, home=tmp_path))
    assert "owned" in module(name, "inspect", str(image), home=tmp_path).stdout


def hostile_image(where: Path) -> Path:
    """Its name, architecture, os and configuration are all hostile; its layer is sound."""
    tree = where / "tree"
    tree.mkdir()
    (tree / "file").write_text("x")
    made = module("runtimes.standalone.image", "pack", str(tree), str(where / "image"), home=where)
    assert made.status == 0, made.stderr
    blobs = where / "image/blobs/sha256"
    index = json.loads((where / "image/index.json").read_text())
    (described,) = index["manifests"]
    manifest = json.loads((blobs / described["digest"].partition(":")[2]).read_text())
    config = json.loads((blobs / manifest["config"]["digest"].partition(":")[2]).read_text())
    config["config"] = {
        "Cmd": [IN_FILES], "Entrypoint": [IN_FILES], "Env": [f"A={IN_FILES}"], "User": IN_FILES,
        "WorkingDir": f"/{IN_FILES}",
    }  # fmt: skip
    manifest["config"] |= put(blobs, config)
    described |= put(blobs, manifest)
    described["annotations"] = {"org.opencontainers.image.ref.name": IN_FILES}
    (where / "image/index.json").write_text(json.dumps(index))
    return where / "image"


def put(blobs: Path, document: object) -> dict[str, object]:
    """Its digest and size, once it is among the blobs."""
    raw = json.dumps(document).encode()
    digest = digest_of(raw)
    (blobs / digest.partition(":")[2]).write_bytes(raw)
    return {"digest": digest, "size": len(raw)}


def assert_quiet(ended: Ended) -> None:
    """It neither broke nor steers."""
    assert "Traceback" not in ended.stderr
    assert steering(ended.stdout + ended.stderr) == ""


EDGES = {
    "harness/cli/edge.py",
    "reports/__main__.py",
    "results/ledger/__main__.py",
    "results/expect.py",
    "results/ledger/settle.py",
    "results/ledger/standing.py",
    "runtimes/standalone/image/__main__.py",
    "runtimes/standalone/box/__main__.py",
    "runtimes/standalone/oci/command/main.py",
}
"""Who writes to a stream of the process.  Those of results are children: who starts them tells."""


def test_nobody_else_writes_to_the_terminal() -> None:
    writing = set()
    for path in PROJECT.glob("*/**/*.py"):
        name = path.relative_to(PROJECT).as_posix()
        if name.split("/")[0] not in {"harness", "runtimes", "workloads", "results", "reports"}:
            continue
        if name.startswith("workloads/programs/"):
            continue  # they run in the box
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "print",
                "sys.stdout.write",
                "sys.stderr.write",
                "sys.stdout.buffer.write",
                "Console",
            }:
                writing.add(name)
    assert writing == EDGES
