"""What a hostile box says over the agent's channel, to the real ``Agent``.

Frames out of order, too long, cut, repeated, with figures beyond every bound: only the typed faults
may come of it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

from runtimes.agent.channel import PROTOCOL_VERSION, Agent
from runtimes.agent.frames import HEADER, AgentFault
from tests.support.fuzz import Played, Report, campaign
from tests.support.fuzz.mutate import mutated

CONTENT = b"content of a file" * 40
ENDED = b"status=0\ntimed_out=0\nwall_ns=12\nuser_ns=3\nsys_ns=4\nmax_rss_bytes=4096\n"
HELLO = ("h", 0, b"%d" % PROTOCOL_VERSION)
OPERATION_S = 0.02
DIGEST_FRAME = HEADER.size + 64

Said = list[tuple[str, int, bytes]]


class Script:
    """A stream that greets, says its bytes in pieces once it is asked something, and then closes.

    The last ``kept`` bytes come with the second request only.
    """

    def __init__(self, rng: random.Random, data: bytes, kept: int = 0) -> None:
        self._rng, self._data = rng, _encode([HELLO])
        at = max(0, len(data) - kept)
        self._answers = [data[at:], data[:at]]

    def recv(self, size: int, timeout_s: float) -> bytes:
        """The next piece."""
        del timeout_s
        length = min(size, self._rng.choice([1, 9, 100, 65536]))
        piece, self._data = self._data[:length], self._data[length:]
        return piece

    def send(self, data: bytes) -> None:
        """A request has answers come."""
        del data
        if self._answers:
            self._data += self._answers.pop()

    def close(self) -> None:
        """Nothing is held."""


def _job(number: int) -> Said:
    return [
        ("p", number, b"17"), ("o", number, b"out\n" * 30), ("e", number, b"err"),
        ("x", number, ENDED),
    ]  # fmt: skip


def _file(number: int) -> Said:
    digest = hashlib.sha256(CONTENT).hexdigest().encode()
    return [
        ("g", number, b"mode=%d\nsize=%d\n" % (0o644, len(CONTENT))),
        ("b", number, CONTENT[:300]), ("b", number, CONTENT[300:]), ("d", number, digest),
    ]  # fmt: skip


OPERATIONS: dict[str, tuple[Said, Callable[[Agent], object]]] = {
    "run": (_job(1), lambda agent: agent.run(["true"], timeout_s=OPERATION_S)),
    "facts": (
        [("f", 1, b"rootfs_digest=sha256:00\ncpus=0-1\nmemory_bytes=536870912\n")],
        lambda agent: agent.facts(),
    ),
    "digest": ([("d", 1, b"0" * 64)], lambda agent: agent.digest("/bin/true")),
    "get": (_file(1), lambda agent: agent.get("/a", timeout_s=OPERATION_S)),
    "put": (
        [("k", 1, b"0"), ("d", 1, hashlib.sha256(CONTENT).hexdigest().encode())],
        lambda agent: agent.put("/a", CONTENT, timeout_s=OPERATION_S),
    ),
}


def _encode(said: Said) -> bytes:
    return b"".join(HEADER.pack(kind.encode(), job, len(what)) + what for kind, job, what in said)


def _reordered(rng: random.Random, said: Said) -> Said:
    """At times a frame twice, two exchanged, one of another operation, or another job's."""
    said = list(said)
    for _ in range(rng.randint(0, 2)):
        at = rng.randrange(len(said))
        match rng.randrange(4):
            case 0:
                said.insert(at, said[rng.randrange(len(said))])
            case 1:
                said[at], said[0] = said[0], said[at]
            case 2:
                said.insert(at, rng.choice(rng.choice(list(OPERATIONS.values()))[0]))
            case _:
                kind, _, what = said[at]
                said[at] = (kind, rng.choice([0, 1, 2, 2**32 - 1]), what)
    return said


def case(rng: random.Random) -> tuple[str, bytes]:
    """An operation, and what the box says to it."""
    name = rng.choice(list(OPERATIONS))
    frames = _reordered(rng, OPERATIONS[name][0])
    return name, b"".join(_mutated(rng, frame) for frame in frames)


def _mutated(rng: random.Random, frame: tuple[str, int, bytes]) -> bytes:
    """Mostly as it is, at times with another payload, seldom with a header that lies."""
    kind, job, what = frame
    match rng.randrange(10):
        case 0:
            return mutated(rng, _encode([frame]))
        case 1 | 2 | 3:
            return _encode([(kind, job, mutated(rng, what))])
        case _:
            return _encode([frame])


def play(name: str, data: bytes, rng: random.Random) -> tuple[bool, str]:
    """Whether the operation was begun, and what came of it that may not; empty for nothing."""
    agent = Agent(Script(rng, data, DIGEST_FRAME if name == "put" else 0))
    begun = False
    try:
        agent.hello(1.0)
        begun = True
        OPERATIONS[name][1](agent)
    except (AgentFault, TimeoutError):
        pass
    except Exception as error:  # noqa: BLE001  # which is what is looked for
        return begun, f"{type(error).__name__}: {error}"
    return begun, ""


def replay(path: Path) -> Played:
    """A file of the corpus: ``name NUL data``."""
    name, _, data = path.read_bytes().partition(b"\0")
    return play(name.decode(), data, random.Random(0))


def fuzz(rng: random.Random, seconds: float, corpus: Path) -> Report:
    """See tests.support.fuzz."""

    def attack() -> tuple[int, str, Played]:
        name, data = case(rng)
        return 1, f"{name} {data.hex()[:2000]}", play(name, data, rng)

    return campaign(seconds, corpus, replay, attack)
