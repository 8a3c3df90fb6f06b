"""What tests against real programs share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes.images.compile import compile_static
from runtimes.images.rootfs.recipe import AGENT_SOURCE
from runtimes.ns import NamespaceRuntime
from tests.support import escapes
from tests.support.agent_process import AgentProcess, started_agent
from tests.support.tiny_rootfs import missing


@pytest.fixture(scope="session")
def agent_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent, compiled from its source, warnings being errors."""
    output = tmp_path_factory.mktemp("agent") / "agent"
    compile_static(AGENT_SOURCE, output, ["-Werror"])
    return output


@pytest.fixture
def box(agent_program: Path) -> Iterator[AgentProcess]:
    """A greeted agent with a clean end."""
    with started_agent(agent_program) as running:
        yield running


@pytest.fixture(scope="module")
def arena(
    tmp_path_factory: pytest.TempPathFactory,
    root_needed: None,  # noqa: ARG001  # order only
) -> Iterator[escapes.Arena]:
    """Boxes with the attack program inside."""
    why = NamespaceRuntime().availability({})
    if not why.ok:
        pytest.skip(f"ns cannot run here: {why.reason}")
    if missing():
        pytest.skip(missing())
    with escapes.arena(tmp_path_factory.mktemp("arena")) as made:
        yield made


@pytest.fixture
def leaky_descriptor() -> Iterator[int]:
    """A directory of the host, open and inheritable, as a careless harness might have it."""
    descriptor = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(descriptor, True)  # noqa: FBT003  # its only form
    yield descriptor
    os.close(descriptor)
