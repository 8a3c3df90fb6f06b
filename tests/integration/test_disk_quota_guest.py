"""Project quotas on a kernel that has them: tests of disk limits in a guest, on ext4 and XFS."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimes import process
from tests.support.guest import missing
from tests.support.guest_tests import passed_in_guest
from tests.support.tiny_rootfs import missing as no_tiny_rootfs

LIMIT_S = 870.0
MODULES = ("loop", "quota_v2", "xfs")
SHARE = "native or killed"
"""Of native, which has to lose a capability, and of what a run that was killed leaves."""
MAKERS = {
    "ext4": "mke2fs -q -F -t ext4 -O project,quota -E quotatype=prjquota",
    "xfs": "mkfs.xfs -q",
}
PREPARE = """\
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
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(missing(MODULES)), reason=missing(MODULES)),
    pytest.mark.skipif(bool(no_tiny_rootfs()), reason=no_tiny_rootfs()),
]


@pytest.mark.parametrize(
    ("kind", "which"),
    [
        ("ext4", SHARE),
        pytest.param("ext4", f"not ({SHARE})", marks=pytest.mark.exhaustive),
        pytest.param("xfs", "", marks=pytest.mark.exhaustive),
    ],
    ids=["ext4-share", "ext4-rest", "xfs"],
)
def test_quotas_keep_limits_of_disk(kind: str, which: str, tmp_path: Path) -> None:
    """A guest for each file system, since half a minute of each is its start and its imports."""
    maker = MAKERS[kind]
    if which != SHARE and process.find("dockerd") is None:
        pytest.skip("dockerd is not installed")
    if process.find(maker.split()[0]) is None:
        pytest.skip(f"{maker.split()[0]} is not installed")
    tests = ["-k", which, "tests/integration/test_disk_limits.py"]
    before = PREPARE.format(maker=maker)
    passed_in_guest(tests, tmp_path, LIMIT_S, before=before, modules=MODULES)
