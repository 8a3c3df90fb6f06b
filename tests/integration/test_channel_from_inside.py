"""A job that goes for the agent's channel: to speak in its name, or to take its place.

The agent is of the job's own user, so the kernel lets a job look into it unless it is said to be
closed.  Where a job may do everything all the same (the bare host, a "privileged" box) it reaches
the channel, and then what it says there is a typed fault of its own box.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from runtimes.agent.channel import AgentFault
from runtimes.conventions import AGENT_PATH
from runtimes.launcher.instance import LaunchedInstance
from tests.support.escapes import PROGRAM, Arena, native_box
from tests.support.forged import FORGED, LATER, frame

pytestmark = pytest.mark.root
BOXES = ("default", "no-userns")
READ, WRITE = 0, 1
CHANNEL = 1
TEXT = 0x400000
"""Where a static program begins."""


def asked_of_agent(instance: LaunchedInstance, *argv: str | int) -> str:
    """What an attack on the agent says; ``PID`` stands for the agent, whose child a job is."""
    words = " ".join(str(word).replace("PID", "$PPID") for word in argv)
    done = instance.agent.run(["/bin/busybox", "sh", "-c", f"{PROGRAM} {words}"], timeout_s=20)
    return done.stdout.decode().strip()


DENIED = {"1", "13"}  # EPERM, EACCES


@pytest.mark.parametrize("profile", BOXES)
@pytest.mark.parametrize(
    "argv",
    [
        ("trace", "PID"), ("read-memory", "PID", TEXT), ("steal-descriptor", "PID", CHANNEL),
        ("inject", "PID", CHANNEL, "00"), ("open", "/proc/PID/mem", WRITE),
        ("open", "/proc/PID/fd/2", WRITE),
        ("open", "/proc/PID/environ", READ), ("open", "/proc/PID/root", READ),
    ],
    ids=lambda argv: argv[0],
)  # fmt: skip
def test_a_job_does_not_reach_into_its_agent(
    arena: Arena, profile: str, argv: tuple[str | int, ...]
) -> None:
    with arena.box(profile) as instance:
        assert asked_of_agent(instance, *argv).split()[0] in DENIED
        assert instance.agent.run(["/bin/busybox", "true"], timeout_s=10).status == 0


@contextlib.contextmanager
def reachable(arena: Arena, backend: str, slot: int = 0) -> Iterator[LaunchedInstance]:
    """A box in which a job may do everything."""
    if backend == "ns":
        with arena.box("wide-open", slot=slot) as instance:
            yield instance
        return
    with native_box(arena, slot) as instance:
        yield instance


def talk(instance: LaunchedInstance, script: str) -> None:
    """What a trial does: run something, then something else."""
    instance.agent.run(["/bin/busybox", "sh", "-c", script], timeout_s=10)
    instance.agent.run(["/bin/busybox", "true"], timeout_s=10)


@pytest.mark.parametrize("backend", ["ns", "native"])
def test_what_is_forged_on_the_channel_ends_the_box_and_no_other(
    arena: Arena, backend: str
) -> None:
    with arena.box(slot=1) as neighbour:
        for name, (said, why) in FORGED.items():
            with reachable(arena, backend) as instance:
                argv = ["inject", "$PPID", str(CHANNEL), said.hex()]
                script = f"{LATER} {PROGRAM} {' '.join(argv)}; exec /bin/busybox sleep 1"
                with pytest.raises(AgentFault, match=why) as caught:
                    talk(instance, script)
                with pytest.raises(AgentFault) as later:  # nothing more is believed
                    instance.agent.facts()
                assert str(later.value) == str(caught.value), name
        assert neighbour.agent.run(["/bin/busybox", "true"], timeout_s=10).status == 0


def test_half_a_frame_is_waited_for_no_longer_than_anything_else(arena: Arena) -> None:
    with reachable(arena, "ns") as instance:
        half = frame(b"o", 1, b"x", length=60_000).hex()
        script = f"{LATER} {PROGRAM} inject $PPID {CHANNEL} {half}; exec /bin/busybox sleep 30"
        job = instance.agent.spawn(["/bin/busybox", "sh", "-c", script], timeout_s=60)
        with pytest.raises(AgentFault, match="gave up waiting"):
            job.wait(1.5)


@pytest.mark.parametrize("profile", BOXES)
def test_a_second_agent_or_none_is_a_fault_of_this_box(arena: Arena, profile: str) -> None:
    """It speaks on its own standard output, which is no channel; and the first can be killed."""
    with arena.box(profile) as instance:
        done = instance.agent.run([AGENT_PATH], timeout_s=10)
        assert done.stdout.startswith(b"h\0\0\0\0")
        script = ["/bin/busybox", "sh", "-c", "kill -9 $PPID; exec /bin/busybox sleep 5"]
        with pytest.raises(AgentFault, match="closed the channel"):
            instance.agent.run(script, timeout_s=20)
    with arena.box(profile) as instance:
        assert instance.agent.run(["/bin/busybox", "true"], timeout_s=10).status == 0
