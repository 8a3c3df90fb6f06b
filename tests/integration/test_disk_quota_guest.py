"""Project quotas on a kernel that has them: tests of disk limits in a guest, on ext4 and XFS."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from runtimes import process
from tests.support.guest import missing, run_in_guest
from tests.support.tiny_rootfs import missing as no_tiny_rootfs

PROJECT = Path(__file__).parents[2]
LIMIT_S = 540.0
MODULES = ("loop", "quota_v2", "xfs")
MAKERS = {
    "ext4": "mke2fs -q -F -t ext4 -O project,quota -E quotatype=prjquota",
    "xfs": "mkfs.xfs -q",
}
PREPARE = """\
set -e
truncate -s 2G /scratch/quotas
{maker} /scratch/quotas
mkdir /scratch/q
mount -o loop,prjquota /scratch/quotas /scratch/q
export TAREBENCH_STATE=/scratch/q/state TAREBENCH_CACHE=/scratch/q/cache TAREBENCH_TEST_DISK=quota
"""

pytestmark = [
    pytest.mark.parallel,
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(missing(MODULES)), reason=missing(MODULES)),
    pytest.mark.skipif(bool(no_tiny_rootfs()), reason=no_tiny_rootfs()),
]


@pytest.mark.parametrize(
    ("kind", "which"),
    [
        ("ext4", "native or killed"),
        pytest.param("xfs", "userns", marks=pytest.mark.exhaustive),
        pytest.param("ext4", "by_hand", marks=pytest.mark.exhaustive),
        pytest.param("ext4", "docker", marks=pytest.mark.exhaustive),
    ],
)
def test_quotas_keep_limits_of_disk(kind: str, which: str, tmp_path: Path) -> None:
    """A few in each guest: emulated, it takes minutes to compile what they need.

    Native and Docker on ext4, where the one has to lose a capability, and the other has no option.
    """
    maker = MAKERS[kind]
    if which == "docker" and process.find("dockerd") is None:
        pytest.skip("dockerd is not installed")
    if process.find(maker.split()[0]) is None:
        pytest.skip(f"{maker.split()[0]} is not installed")
    options = ["-q", "-p", "no:cacheprovider", "--basetemp=/scratch/pytest", "--timeout=300"]
    test = "tests/integration/test_disk_limits.py"
    argv = [sys.executable, "-m", "pytest", *options, "-k", which, test]
    script = PREPARE.format(maker=maker) + shlex.join(argv)
    outcome = run_in_guest(["sh", "-c", script], PROJECT, tmp_path, LIMIT_S, MODULES)
    assert outcome.status == 0, outcome.console[-6000:]
    assert re.search(r"\d+ passed", outcome.console)
