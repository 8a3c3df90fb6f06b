"""The agent's frames as data: a pure codec.  What arrives is hostile; every bound is here."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runtimes.faults import RuntimeFault
from runtimes.printable import printable_line

HEADER = struct.Struct(">cII")
PAYLOAD_MAX = 65_536
FACTS_MAX = 256
"""Lines in one facts frame."""
NUMBER_MAX = 2**63 - 1
FROM_AGENT = frozenset(b"hpoexfdgbk!")
TIMEOUT_MAX_S = 7 * 24 * 3600.0
ENDING = ("status", "timed_out", "wall_ns", "user_ns", "sys_ns", "max_rss_bytes")
"""Keys of an ``x`` frame, all of them required, in this order."""

_NUMBER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)


class AgentFault(RuntimeFault):
    """The agent broke its protocol, fell silent, went away or refused a request."""


class AgentTimeout(AgentFault):
    """Nothing came in time; what comes later is believed all the same."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message in either direction."""

    type: str
    job: int
    payload: bytes = b""

    def encode(self) -> bytes:
        """Bytes for the channel.

        Raises:
            AgentFault: the payload is too long for one frame.
        """
        if len(self.payload) > PAYLOAD_MAX:
            raise AgentFault(
                f"a request of {len(self.payload)} bytes is too long; {PAYLOAD_MAX} are the most",
                hint="shorten the command line or its environment",
            )
        return HEADER.pack(self.type.encode("ascii"), self.job, len(self.payload)) + self.payload


class Decoder:
    """Bytes in any pieces → frames from the agent; never holds more than one piece and a frame."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Frames completed by ``data``.

        Raises:
            AgentFault: unknown type, or a length beyond the bound.
        """
        self._held += data
        frames: list[Frame] = []
        at = 0
        while len(self._held) - at >= HEADER.size:
            kind, job, length = HEADER.unpack_from(self._held, at)
            if kind[0] not in FROM_AGENT:
                raise AgentFault(f"the agent sent a frame of unknown type {kind!r}")
            if length > PAYLOAD_MAX:
                raise AgentFault(f"the agent announced {length} bytes; {PAYLOAD_MAX} are the most")
            end = at + HEADER.size + length
            if len(self._held) < end:
                break
            payload = bytes(self._held[at + HEADER.size : end])
            frames.append(Frame(kind.decode("ascii"), job, payload))
            at = end
        del self._held[:at]
        return frames


def text(payload: bytes, what: str) -> str:
    """``payload`` as UTF-8, or AgentFault naming ``what``."""
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        raise AgentFault(f"the agent's {what} is not UTF-8") from None


def number(value: str, what: str, *, low: int = 0, high: int = NUMBER_MAX) -> int:
    """A decimal integer within bounds, or AgentFault naming ``what``."""
    if not _NUMBER.fullmatch(value):
        raise AgentFault(f"the agent's {what} is no number: {value[:40]!r}")
    result = int(value)
    if not low <= result <= high:
        raise AgentFault(f"the agent's {what} is out of range: {result}")
    return result


def pairs(payload: bytes, what: str) -> dict[str, str]:
    """``KEY=VALUE`` lines; at most ``FACTS_MAX``, no key twice."""
    lines = text(payload, what).split("\n")
    if lines.pop() != "":
        raise AgentFault(f"the agent's {what} ends within a line")
    if len(lines) > FACTS_MAX:
        raise AgentFault(f"the agent's {what} has {len(lines)} lines; {FACTS_MAX} are the most")
    found: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.partition("=")
        if not equals or not _KEY.fullmatch(key) or not value.isprintable():
            raise AgentFault(f"the agent's {what} has a malformed line: {line[:60]!r}")
        if key in found:
            raise AgentFault(f"the agent's {what} has {key} twice")
        found[key] = value
    return found


def ending(payload: bytes) -> dict[str, int]:
    """The numbers of an ``x`` frame, by ``ENDING``'s keys."""
    found = pairs(payload, "report of an ended job")
    if tuple(found) != ENDING:
        raise AgentFault(f"the agent reported an ended job with {', '.join(found) or 'nothing'}")
    bounds = {"status": (-64, 255), "timed_out": (0, 1)}
    numbers: dict[str, int] = {}
    for key, value in found.items():
        low, high = bounds.get(key, (0, NUMBER_MAX))
        numbers[key] = number(value, key, low=low, high=high)
    return numbers


def digest(payload: bytes) -> str:
    """A sha256 in hexadecimal."""
    value = text(payload, "digest")
    if not _DIGEST.fullmatch(value):
        raise AgentFault(f"the agent's digest is no sha256: {value[:70]!r}")
    return value


def sentence(payload: bytes) -> str:
    """An error's sentence, made fit to print."""
    shown = payload[:500].decode("utf-8", "replace")
    return printable_line(shown).strip() or "no reason given"


def run_payload(argv: Sequence[str], env: Mapping[str, str], timeout_s: float) -> bytes:
    """Payload of an ``R`` frame.

    Raises:
        AgentFault: empty argv, a NUL inside a string, a nameless variable, an absurd time limit.
    """
    if not argv or not argv[0]:
        raise AgentFault("there is no program to run")
    if not 0 < timeout_s <= TIMEOUT_MAX_S:
        raise AgentFault(f"a time limit of {timeout_s:g} s is not between 0 and {TIMEOUT_MAX_S:g}")
    for name in env:
        if not name or "=" in name:
            raise AgentFault(f"{name!r} is no name for an environment variable")
    strings = [
        str(max(1, round(timeout_s * 1000))),
        str(len(env)),
        *(f"{name}={value}" for name, value in env.items()),
        *argv,
    ]
    return strings_payload(strings)


def strings_payload(strings: Sequence[str]) -> bytes:
    """Strings, each ended by NUL.

    Raises:
        AgentFault: one of them has a NUL inside.
    """
    if any("\0" in string for string in strings):
        raise AgentFault("a NUL cannot be part of an argument, of the environment or of a path")
    return b"".join(string.encode("utf-8", "surrogateescape") + b"\0" for string in strings)
