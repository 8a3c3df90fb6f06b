"""The OCI project's own validation suite drives the command line of ns."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtimes import directories
from runtimes.linux import cgroups
from runtimes.standalone.oci.command.containers import Store
from runtimes.standalone.oci.command.install import install
from runtimes.standalone.oci.command.lifecycle import delete
from runtimes.standalone.oci.command.options import default_root
from tests.support.oci_validation.known import CORE, KNOWN
from tests.support.oci_validation.running import run
from tests.support.oci_validation.suite import NotToBeHad, suite

pytestmark = pytest.mark.root
WHOLE = "TAREBENCH_SOAK" in os.environ
_CGROUPS = ("cgrouptest",)
"""What the suite's programs name their cgroups."""


@dataclass(frozen=True)
class Validation:
    """The suite, and the runtime that it drives."""

    suite: Path
    runtime: Path
    where: Path


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validation]:
    try:
        found = suite(directories.cache())
    except NotToBeHad as reason:
        pytest.skip(f"the OCI validation suite: {reason}")
    where = tmp_path_factory.mktemp("oci-validation")
    for each in (where, *where.parents):
        if each.stat().st_uid == os.geteuid() and not each.stat().st_mode & 1:
            each.chmod(each.stat().st_mode | 0o011)  # roots of user namespaces walk through
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAREBENCH_STATE", str(where / "state"))
        install(where / "ns")
        try:
            yield Validation(found, where / "ns", where)
        finally:
            store = Store(default_root())
            for name in store.names():  # some programs leave one that is created
                delete(store, name, print, force=True)
            for path in _CGROUPS:
                group = cgroups.detect().group_at(path)
                group.kill(10.0)
                group.remove()


def test_what_is_tried_and_what_is_known_are_programs_of_the_suite(validation: Validation) -> None:
    programs = {program.name for program in (validation.suite / "bin").iterdir()}

    assert {*CORE, *KNOWN} <= programs


@pytest.mark.parametrize("program", CORE)
def test_ns_does_what_the_suite_wants_but_for_what_is_known(
    validation: Validation, program: str
) -> None:
    _judge(validation, program)


@pytest.mark.skipif(not WHOLE, reason="takes two minutes: set TAREBENCH_SOAK")
def test_so_it_does_with_the_rest_of_the_suite(
    validation: Validation, subtests: pytest.Subtests
) -> None:
    for path in sorted((validation.suite / "bin").iterdir()):
        if path.name not in CORE:
            with subtests.test(path.name):
                _judge(validation, path.name)


def _judge(validation: Validation, program: str) -> None:
    outcome = run(validation.suite, program, validation.runtime, validation.where)
    known = KNOWN.get(program)
    if known is not None and not known.always and not outcome.failures:
        return
    expected = known.failures if known is not None and known.here() else frozenset()

    assert set(outcome.failures) == expected, outcome.output[-4000:]
