"""What a process is charged with."""

from __future__ import annotations

import os

from harness.trial.footprint import charged_bytes, pss_bytes

ROLLUP = b"""\
5577a4000000-7ffd1e5d9000 ---p 00000000 00:00 0                          [rollup]
Rss:               71680 kB
Pss:               70000 kB
Pss_Dirty:         60000 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:  524288 kB
Swap:                  0 kB
SwapPss:               7 kB
"""


def test_huge_pages_of_a_pool_are_charged_beside_the_pss() -> None:
    assert charged_bytes(ROLLUP) == (70_000 + 524_288) * 1024
    assert charged_bytes(b"") == 0


def test_a_process_that_has_ended_weighs_nothing() -> None:
    assert pss_bytes([os.getpid()]) > 1 << 20
    assert pss_bytes([2**22 + 1]) == 0
