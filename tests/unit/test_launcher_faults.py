"""A failed step is told as operation, object, cause and next step."""

from __future__ import annotations

import errno

import pytest

from runtimes.launcher import Plan, Side, Step
from runtimes.launcher import operations as ops
from runtimes.launcher.faults import explain


def fault_of(operation: ops.Operation, code: int) -> tuple[str, str]:
    fault = explain(Plan((Step(Side.CHILD, "x", operation),)), 0, code)
    return str(fault), fault.hint


@pytest.mark.parametrize(
    ("operation", "code", "words", "hint"),
    [
        (
            ops.MakeOverlay(0, "/s/own", 2, "/s/upper", "/s/work", "/s/root"),
            errno.ENOSPC,
            "mount overlay on /s/root (2 layers of /s/own, writable in /s/upper): ENOSPC",
            "mount-max",
        ),
        (ops.Execute(("/x",), (), init=True), errno.ENOENT, "execute /x: ENOENT", "interpreter"),
        (ops.Clone(0x20000000), errno.ENOSPC, "clone the child with namespaces pid", "max_"),
        (ops.BindIdmapped("/a", "/b", 3), errno.EINVAL, "/a on /b: EINVAL", "no-userns"),
        (ops.Veth("tb0", "o", "eth0", 1500, "02:00:00:00:00:01"), errno.ENODEV, "tb0", "testbed"),
        (ops.WriteFile("/c/memory.max", "17"), errno.EINVAL, "'17' to /c/memory.max", "--memory"),
        (ops.MakeDirectory("/c/x"), errno.EEXIST, "make directory /c/x: EEXIST", "clean"),
        (ops.Wait(), errno.EPIPE, "wait for the other side: EPIPE", "OOM"),
        (ops.JoinCgroup("/c/tasks"), errno.EINVAL, "join cgroup /c/tasks: EINVAL", "real-time"),
        (ops.Mask("/proc/kcore"), errno.EPERM, "mask /proc/kcore: EPERM", "root"),
    ],
)
def test_a_fault_names_operation_object_cause_and_next_step(
    operation: ops.Operation, code: int, words: str, hint: str
) -> None:
    said, advice = fault_of(operation, code)
    assert words in said
    assert hint in advice


def test_an_unknown_cause_is_still_named() -> None:
    said, advice = fault_of(ops.Loopback(), 9999)
    assert "bring up interface lo: 9999" in said
    assert advice == ""


def test_a_launcher_that_cannot_read_its_plan_is_of_another_version() -> None:
    fault = explain(Plan(()), 0xFFFFFFFF, errno.EBADMSG)
    assert "cannot read its plan" in str(fault)
    assert fault.operation is None
