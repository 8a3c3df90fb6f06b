"""A ledger file is refused at its line and key, or holds together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.plan.claims import known_names
from results.ledger.claims.errors import LedgerError
from results.ledger.claims.load import BUILT_IN, load
from results.ledger.claims.vocabulary import Known, installed, members
from runtimes.registry import load as load_runtimes
from workloads.registry import load as load_workloads

KNOWN = Known(
    profiles={
        "native": frozenset({"default", "aa"}),
        "ns": frozenset({"default", "host-net", "depth-8", "depth-64", "depth-limit"}),
        "docker": frozenset({"default", "host-net"}),
        "kvm": frozenset({"default"}),
    },
    metrics={
        name: frozenset(each.name for each in workload.metrics)
        for name, workload in load_workloads().workloads.items()
    },
)

GOOD = """\
# my own
[[claim]]
id = "mine"
claim = "Docker starts within three times the time of a process."
source = "the team"
candidates = ["docker"]
rule = { kind = "ratio-at-most", factor = 3 }
refuted_by = "more"

[[claim.part]]
name = "start"
workload = "startup.http"
metric = "first_byte_ns"
"""


def write(tmp_path: Path, text: str) -> Path:
    """A ledger file."""
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def fault(tmp_path: Path, text: str) -> LedgerError:
    """What is wrong with a file."""
    with pytest.raises(LedgerError) as caught:
        load(write(tmp_path, text), KNOWN)
    return caught.value


def test_the_built_in_ledger_holds_every_claim_of_the_design_and_names_that_exist() -> None:
    known = known_names(load_runtimes().runtimes, load_workloads().workloads)
    ids = [claim.id for claim in load(None, known).claims]
    assert len(ids) == len(set(ids)) == 20
    assert {"cpu-native", "net-zero", "vm-startup", "cg-fair", "syscall-surface"} <= set(ids)


def test_what_is_installed_is_known_without_being_imported() -> None:
    assert load().claims == load(None, installed()).claims


def test_own_claims_are_added_and_change_the_digest(tmp_path: Path) -> None:
    ledger = load(write(tmp_path, GOOD), KNOWN)
    assert ledger.claims[-1].id == "mine"
    assert ledger.claims[-1].line == 2
    assert ledger.digest != load(None, KNOWN).digest
    assert len(ledger.claims) == 21


def test_a_built_in_claim_is_replaced_only_where_the_file_says_so(tmp_path: Path) -> None:
    same = GOOD.replace('id = "mine"', 'id = "net-small"')
    refused = fault(tmp_path, same)
    assert "mine.toml:2: id: 'net-small' is a built-in claim" in str(refused)
    assert "replaces = true" in refused.hint
    replaced = same.replace('source = "the team"', 'source = "the team"\nreplaces = true')
    ledger = load(write(tmp_path, replaced), KNOWN)
    assert len(ledger.claims) == 20
    found = ledger.claim("net-small")
    assert found is not None
    assert found.claim.startswith("Docker starts")
    nothing = GOOD.replace('source = "the team"', 'source = "the team"\nreplaces = true')
    assert "there is no built-in claim 'mine'" in str(fault(tmp_path, nothing))


@pytest.mark.parametrize(
    ("before", "after", "where", "words"),
    [
        ('"docker"', '"dokcer"', 6, "candidates: no arm is called 'dokcer'"),
        ('"docker"', '"docker:host-nat"', 6, "candidates: no arm is called 'docker:host-nat'"),
        ('"docker"', '"docker:"', 6, "candidates: no arm"),
        ('["docker"]', "[]", 6, "candidates: 'mine' has no candidates"),
        ('["docker"]', '"docker"', 6, "candidates: Expected `array`, got `str`"),
        ("startup.http", "startup.htp", 12, "workload: no workload is called 'startup.htp'"),
        ("first_byte_ns", "first_bite_ns", 13, "metric: startup.http has no metric"),
        ('metric = "first_byte_ns"', "", 10, "metric: startup.http has no metric ''"),
        ("ratio-at-most", "ratio-about", 7, "kind: Invalid enum value 'ratio-about'"),
        ("factor = 3", "margin = 3", 7, "rule: ratio-at-most needs a factor"),
        ("factor = 3", "factor = 3, margin = 0.1", 7, "margin: ratio-at-most has no margin"),
        ("factor = 3", "factor = 0", 7, "factor: 0 is no factor"),
        ("factor = 3", "factor = -3", 7, "factor: -3 is no factor"),
        ("factor = 3", "factor = inf", 7, "factor: inf is no factor"),
        ("factor = 3", "factor = nan", 7, "factor: nan is no factor"),
        ("factor = 3", "factor = 1", 7, "factor: 1 is no factor"),
        ("factor = 3", 'factor = "3"', 7, "factor: Expected `float"),
        ('"ratio-at-most", factor = 3', '"equivalence", margin = 0', 7, "margin: 0 is outside"),
        ('"ratio-at-most", factor = 3', '"equivalence", margin = 1', 7, "margin: 1 is outside"),
        ('"ratio-at-most", factor = 3', '"superiority", margin = -0.1', 7, "margin: -0.1 is out"),
        ('"ratio-at-most", factor = 3', '"loss-at-most", margin = nan', 7, "margin: nan is out"),
        ('"ratio-at-most", factor = 3', '"loss-at-most", margin = 1e400', 7, "margin: inf is out"),
        ('id = "mine"', "", 2, "id: it is missing"),
        ('id = "mine"', 'id = "Mine!"', 3, "id: 'Mine!' is no id"),
        ('id = "mine"', "id = 7", 3, "id: Expected `str`, got `int`"),
        ('source = "the team"', 'source = "  "', 5, "source: it is empty"),
        ('source = "the team"', 'sauce = "the team"', 5, "sauce: there is no such key"),
        ('source = "the team"', 'source = "a\\u202Eb"', 5, "source: the character U+202E"),
        ('source = "the team"', f'source = "{"x" * 700}"', 5, "source: longer than 600"),
        ("ratio-at-most", "", 7, "kind: Invalid enum value ''"),
        ('rule = { kind = "ratio-at-most", factor = 3 }', "", 10, "rule: 'mine' has no rule"),
        ('refuted_by = "more"', 'refuted_by = "more"\nawaits = "x"', 3, "id: 'mine' has both"),
        ('name = "start"', 'name = "start"\nawaits = "x"', 3, "id: every part of 'mine' awaits"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_key(
    tmp_path: Path, before: str, after: str, where: int, words: str
) -> None:
    assert before in GOOD
    said = str(fault(tmp_path, GOOD.replace(before, after)))
    assert f"mine.toml:{where}: {words}" in said


def test_ids_are_used_once(tmp_path: Path) -> None:
    said = str(fault(tmp_path, GOOD + "\n" + GOOD))
    assert "mine.toml:17: id: 'mine' is the id of the claim in line 2" in said


def test_a_part_without_claim_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    assert "claim: it is missing" in str(fault(tmp_path, ""))
    assert "holds no [[claim]]" in str(fault(tmp_path, "claim = []"))
    assert "neither" in str(fault(tmp_path, GOOD.split("[[claim.part]]", maxsplit=1)[0]))


def test_headers_inside_a_string_do_not_shift_the_lines_of_others(tmp_path: Path) -> None:
    text = GOOD.replace('"the team"', '"""\n[[claim]]\nnot one"""').replace("docker", "dokcer")
    assert "mine.toml:1: candidates" in str(fault(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "words"),
    [("a = [", "mine.toml"), ("x = 1\ny = = 2", "mine.toml:2:5: no TOML"), ("[" * 5000, "no TOML")],
)
def test_broken_toml_is_told_with_line_and_column(tmp_path: Path, text: str, words: str) -> None:
    assert words in str(fault(tmp_path, text))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path / "missing.toml", "No such file"),
        (tmp_path, "directory"),
        (Path("a\0b"), "null byte"),
    ):
        with pytest.raises(LedgerError, match=words):
            load(path, KNOWN)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"x = 1\n\xff\xfe")
    with pytest.raises(LedgerError, match=r"binary\.toml:2: not UTF-8"):
        load(binary, KNOWN)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(LedgerError, match="longer than 1 MiB"):
        load(large, KNOWN)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 5000), st.text(max_size=8), st.integers(0, 30))
def test_damage_is_refused_or_harmless_and_never_a_traceback(
    tmp_path: Path, place: int, put: str, cut: int
) -> None:
    source = BUILT_IN.read_text(encoding="utf-8")
    damaged = source[:place] + put + source[place + cut :]
    try:
        load(write(tmp_path, damaged.replace('source = "', 'replaces = true\nsource = "')), KNOWN)
    except LedgerError as error:
        assert "mine.toml:" in str(error)  # noqa: PT017 — either outcome is right
    except UnicodeEncodeError:
        pass  # lone surrogates cannot be in a file


def test_groups_mean_arms_of_one_profile() -> None:
    arms = ("native", "ns", "docker", "docker:host-net", "kvm", "ns:host-net")
    assert members("containers", arms) == ("ns", "docker")
    assert members("containers:host-net", arms) == ("docker:host-net", "ns:host-net")
    assert members("vms", arms) == ("kvm",)
    assert members("docker", arms) == ("docker",)
    assert members("containers", (*arms, "containers")) == ("containers",)
