"""Failures are read from the output of the OCI validation suite's programs."""

from __future__ import annotations

import pytest

from tests.support.oci_validation.outcome import failures

HEAD = "TAP version 13\n"


def test_a_program_whose_checks_pass_has_none() -> None:
    assert failures(0, HEAD + "ok 1 - this\nok 2 # SKIP that\n1..2\n", "") == ()


def test_a_check_that_fails_is_named() -> None:
    output = HEAD + "ok 1 - this\nnot ok 2 - that\n  ---\n  {}\n  ...\nok 3\n1..3\n"

    assert failures(0, output, "") == ("that",)


def test_a_check_that_is_known_to_be_unfinished_does_not_count() -> None:
    assert failures(0, HEAD + "not ok 1 - that # TODO\n", "") == ()


def test_a_diagnosis_of_no_check_is_a_failure() -> None:
    output = HEAD + '  ---\n  {"error":"out of order\\nRefer to…"}\n  ...\n1..0\n'

    assert failures(0, output, "") == ("out of order",)


def test_a_diagnosis_of_a_check_is_not() -> None:
    output = HEAD + 'ok 1 - refused\n  ---\n  {"error":"exit status 1"}\n  ...\n'

    assert failures(0, output, "") == ()


@pytest.mark.parametrize("text", ["no JSON", "[1]", ""])
def test_a_diagnosis_that_is_none_is_passed_over(text: str) -> None:
    assert failures(0, f"{HEAD}  ---\n  {text}\n  ...\n", "") == ()


def test_an_end_with_an_error_is_a_failure() -> None:
    assert failures(1, HEAD, "first\n\nlast\n") == ("ended with 1: last",)
    assert failures(2, "", "panic: nil\n\ngoroutine 1\n") == ("ended with 2: panic: nil",)
    assert failures(1, "", "") == ("ended with 1: nothing was said",)
