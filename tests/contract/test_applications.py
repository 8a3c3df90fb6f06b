"""Every kind of box runs every application at a small size, its client, if any, at the peer.

nginx, which is ``network.http``, is in the run over every backend: tests/browser/test_bench_all.py.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.prepare import testbed  # by its module: pytest would take Testbed for a test class
from harness.trial.context import Context
from runtimes.base import Engine, Runtime, Site
from tests.support.applications import context_of, given, run
from workloads.application import COMPRESSION, POSTGRESQL, REDIS, SQLITE
from workloads.base import Workload

SMALL: Mapping[str, str] = {"5": "1"}
"""The scale of pgbench's tables."""


@pytest.fixture
def context(runtime: Runtime, real_engine: Engine, site: Site, bed: testbed.Testbed) -> Context:
    return context_of(site, {runtime.name: real_engine}, bed)


@pytest.mark.parametrize(
    "workload", [REDIS, POSTGRESQL, SQLITE, COMPRESSION], ids=lambda each: each.name
)
def test_an_application_runs_and_is_understood(
    context: Context, runtime: Runtime, workload: Workload
) -> None:
    readings = run(context, runtime.name, given(workload, words=SMALL))
    assert {name for name, _, _ in readings} == {metric.name for metric in workload.metrics}
    assert sorted({iteration for _, iteration, _ in readings}) == [1]
    assert all(value > 0 for _, _, value in readings)
