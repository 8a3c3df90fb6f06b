"""A program that is added to a running box: for an instant it is the host's, in a hostile place."""

from __future__ import annotations

import os
import threading

import pytest

from runtimes.launcher.instance import LaunchedInstance
from tests.support.escapes import PROGRAM, Arena, Outcome, attack, outcome

pytestmark = pytest.mark.root
BOXES = ("default", "no-userns")


def added(arena: Arena, instance: LaunchedInstance, *argv: str | int) -> Outcome:
    """Outcome of an attack that is added to a running box."""
    read, write = os.pipe()
    with os.fdopen(read) as output:
        try:
            program = arena.engine.execute(
                instance, [PROGRAM, *map(str, argv)], stdout=write, stderr=write
            )
        finally:
            os.close(write)
        text = output.read()
        assert program.wait(10) == 0
    return outcome(text)


@pytest.mark.parametrize("profile", BOXES)
@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("mount-tmpfs",), "EPERM"), (("unshare", 0x10000000), "EPERM"), (("bpf",), "EPERM"),
        (("bounding", 21), "EPERM"), (("raise-capability", 21), "EPERM"), (("forgive",), "EINVAL"),
        (("leaked-directory",), "ENOTDIR"), (("trace", 1), "EPERM"),
        (("open", "/proc/1/root", os.O_RDONLY), "EACCES"), (("compatible-call", 21), "EPERM"),
    ],
)  # fmt: skip
def test_it_is_confined_as_the_box_is(
    arena: Arena, profile: str, argv: tuple[str | int, ...], reason: str
) -> None:
    if argv[0] == "compatible-call" and arena.on_host("compatible-call", 20).reason:
        pytest.skip("this kernel has no 32-bit calls")
    with arena.box(profile) as instance:
        assert added(arena, instance, *argv).reason == reason


def test_what_stops_it_is_the_profile(arena: Arena) -> None:
    with arena.box("wide-open") as instance:
        assert added(arena, instance, "mount-tmpfs").reason == ""
        assert added(arena, instance, "trace", 1).reason == ""


@pytest.mark.parametrize("profile", BOXES)
def test_it_brings_no_descriptor_of_the_host(arena: Arena, profile: str) -> None:
    descriptor = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(descriptor, True)  # noqa: FBT003  # its only form
    try:
        with arena.box(profile) as instance:
            listed = added(arena, instance, "descriptors").note.split("|")
    finally:
        os.close(descriptor)
    numbers = sorted(each.partition("=")[0] for each in listed if each)
    assert numbers == ["0", "1", "2"]


@pytest.mark.parametrize("profile", BOXES)
def test_nobody_in_the_box_looks_into_it_before_it_is_confined(arena: Arena, profile: str) -> None:
    with arena.box(profile) as instance:
        first = 1 + int(
            instance.agent.run(["/bin/busybox", "sh", "-c", "echo $$"], timeout_s=10).stdout
        )
        told: list[Outcome] = []
        watcher = threading.Thread(
            target=lambda: told.append(attack(instance.agent, "newcomers", first, 3))
        )
        watcher.start()
        while watcher.is_alive():
            assert added(arena, instance, "groups") == Outcome("", "")
        watcher.join()
    assert told[0].reason == "EACCES", told[0].note


def test_the_watcher_sees_what_there_is_to_see(arena: Arena) -> None:
    with arena.box("wide-open") as instance:
        assert attack(instance.agent, "newcomers", 1, 2).note.startswith("/proc/1/exe is /memfd:")
