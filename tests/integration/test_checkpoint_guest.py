"""Checkpoint and restore of a container, in a guest whose kernel CRIU supports."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runtimes import process
from runtimes.images.compile import compile_static
from tests.support.guest import missing, run_in_guest

PROJECT = Path(__file__).parents[2]
COUNTER = PROJECT / "tests/support/checkpoint/counter.c"
LIMIT_S = 170.0
MODULES = (
    *("af_packet_diag", "inet_diag", "netlink_diag", "raw_diag", "tcp_diag", "udp_diag"),
    *("unix_diag", "nf_tables", "tun", "veth"),
)
"""What CRIU asks a kernel for before it dumps anything."""


def _why_not() -> str:
    lacking = [name for name in ("criu", "runc", "gcc") if process.find(name) is None]
    return f"{lacking[0]} is not installed" if lacking else missing(MODULES)


pytestmark = [
    pytest.mark.parallel,
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(bool(_why_not()), reason=_why_not()),
]


def test_a_container_goes_on_where_it_was_with_all_its_memory(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    compile_static(COUNTER, counter, ["-Werror"])
    python = str(PROJECT / ".venv/bin/python")
    argv = [python, "-m", "tests.support.checkpoint.inside", str(counter), "/scratch/checkpoint"]
    outcome = run_in_guest(argv, PROJECT, tmp_path, LIMIT_S, MODULES)
    assert outcome.status == 0, outcome.console[-6000:]
    found = re.search(r"^seen: (\{.*\})\s*$", outcome.console, re.MULTILINE)
    assert found is not None, outcome.console[-2000:]
    seen = json.loads(found[1])
    assert seen["frozen"], "it went on counting after it was dumped"
    assert not seen["alive_between"]
    assert seen["after"] >= seen["before"] + 20, "it did not go on, or began anew"
    assert seen["hash"] == seen["right"], "its memory is another"
    assert seen["image_bytes"] > 8 << 20, "the dump holds less than its memory"
    assert min(seen["checkpoint_ms"], seen["restore_ms"]) > 0
