"""Static programs: the same bits from the same sources, and a compiler's complaint in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimes import process
from runtimes.images.compile import compile_static
from runtimes.images.rootfs.recipe import AGENT_SOURCE

pytestmark = pytest.mark.parallel


def test_two_builds_are_the_same_to_the_bit_wherever_the_sources_are(
    agent_program: Path, tmp_path: Path
) -> None:
    for source in [AGENT_SOURCE, *AGENT_SOURCE.parent.glob("*.h")]:
        (tmp_path / source.name).write_bytes(source.read_bytes())
    compile_static(tmp_path / AGENT_SOURCE.name, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == agent_program.read_bytes()


def test_a_compiler_error_is_shown(tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text("int main(void) { return nonsense; }")
    with pytest.raises(process.CommandFailed) as caught:
        compile_static(tmp_path / "bad.c", tmp_path / "bad")
    assert "nonsense" in caught.value.tail
