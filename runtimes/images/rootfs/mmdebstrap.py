"""Running mmdebstrap: the distribution's packages into one tar archive, stage by stage."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.images.canonical import EPOCH_S
from runtimes.images.rootfs.contents import UNPACKED_NEVER
from runtimes.images.rootfs.recipe import Recipe

TIMEOUT_S = 1800.0
_EXIT_S = 20.0
"""From the last line to the exit."""
_TAIL_LINES = 25

_STAGES: Mapping[str, str] = {
    "running apt-get update": "reading the archive's package lists",
    "downloading packages": "downloading packages",
    "extracting archives": "unpacking the essential packages",
    "installing essential packages": "installing the essential packages",
    "installing remaining packages": "installing the workloads' packages",
    "cleaning package lists": "cleaning up",
    "creating tarball": "packing",
}
"""How a line of mmdebstrap's begins → what to tell the user."""

_HINTS: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile("No space left on device"), "free some space, or set TAREBENCH_CACHE elsewhere"),
    (re.compile("Unable to locate package|has no installation candidate"),
     "the package is not in the archive of this release: see the tail for its name"),
    (re.compile("NO_PUBKEY|is not signed|EXPKEYSIG|signatures were invalid"),
     "install or update the archive's keyring (debian-archive-keyring, ubuntu-keyring)"),
    (re.compile("not valid yet|Release file .* expired"), "set this host's clock"),
    (re.compile("resolv|connect|Failed to fetch|timed out|Temporary failure|Network is unreach"),
     "the package archive cannot be reached: check network and proxy (`apt-get update`)"),
    (re.compile("Operation not permitted|Permission denied"),
     "root with CAP_SYS_ADMIN and CAP_MKNOD is needed, and a file system without nodev"),
)  # fmt: skip

_APT_SETTING = re.compile(
    r"Acquire::(?:http|https|ftp|Retries|ForceIPv4|ForceIPv6|Check-Valid-Until|Check-Date"
    r"|Max-FutureTime|Proxy-Auto-Detect|Queue-Mode|Languages)\b.*;\Z",
    re.IGNORECASE,
)
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


def build_tar(
    recipe: Recipe,
    sources: Sequence[str],
    directory: Path,
    progress: Callable[[str], None],
) -> Path:
    """Make ``directory/base.tar`` from ``recipe``'s packages; ``directory`` holds all scratch.

    Raises:
        RuntimeFault: mmdebstrap is missing or failed; with its last lines and a hint.
    """
    program = process.find("mmdebstrap")
    if program is None:
        raise RuntimeFault(
            "mmdebstrap is not installed: it builds the root filesystem",
            hint="run ./bootstrap, or: apt-get install mmdebstrap",
        )
    archive = directory / "base.tar"
    argv = [*_enclosure(), str(program), *_arguments(recipe, directory), str(archive), *sources]
    _follow(argv, directory, progress)
    return archive


def _arguments(recipe: Recipe, directory: Path) -> list[str]:
    settings = directory / "apt.conf"
    settings.write_text("\n".join(_apt_settings()) + "\n", "utf-8")
    packages = ",".join(sorted(set(recipe.packages)))
    return [
        "--mode=root",
        "--variant=minbase",
        "--format=tar",
        f"--aptopt={settings}",
        '--aptopt=APT::Install-Recommends "false"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in UNPACKED_NEVER),
        "--dpkgopt=force-unsafe-io",
        *([f"--include={packages}"] if packages else []),
        recipe.suite,
    ]


def _apt_settings() -> Iterator[str]:
    """The host's own ways to its mirror: proxy, certificates, log-ins, clock tolerance."""
    if process.find("apt-config") is None:
        return
    dump = process.run(["apt-config", "dump"], timeout_s=30).stdout.decode("utf-8", "replace")
    yield from (line for line in dump.splitlines() if _APT_SETTING.match(line))
    for option, path in (("netrc", "auth.conf"), ("netrcparts", "auth.conf.d")):
        if Path("/etc/apt", path).exists():
            yield f'Dir::Etc::{option} "/etc/apt/{path}";'


def _enclosure() -> list[str]:
    """Prefix that puts the build in PID and mount namespaces of its own, bound to our life.

    Killing its first process, or us, ends every descendant at once and undoes every mount.
    mmdebstrap left to itself ignores a signal until its current step ends, and survives us.
    """
    setpriv, unshare = process.find("setpriv"), process.find("unshare")
    if setpriv is None or unshare is None:
        return []
    return [
        *(str(setpriv), "--pdeathsig", "KILL", str(unshare)),
        *("--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
    ]


def _environment(directory: Path) -> dict[str, str]:
    proxies = {
        name: os.environ[name]
        for lower in _PROXY_VARIABLES
        for name in (lower, lower.upper())
        if name in os.environ
    }
    return {
        "SOURCE_DATE_EPOCH": str(EPOCH_S),
        "TMPDIR": str(directory),
        "DEBIAN_FRONTEND": "noninteractive",
        **proxies,
    }


def _follow(argv: Sequence[str], directory: Path, progress: Callable[[str], None]) -> None:
    child = process.spawn(
        argv, env=_environment(directory), stderr=subprocess.PIPE, new_session=True
    )
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    try:
        for line in _lines(child, time.monotonic() + TIMEOUT_S):
            tail.append(line)
            stage = _stage(line)
            if stage:
                progress(stage)
        status = child.wait(timeout=_EXIT_S)
    except (TimeoutError, subprocess.TimeoutExpired):
        raise RuntimeFault(
            f"mmdebstrap was still running after {TIMEOUT_S:g} s", tail="\n".join(tail)
        ) from None
    finally:
        _end(child)
    if status != 0:
        text = "\n".join(tail)
        raise process.CommandFailed(argv, f"exit status {status}", tail=text, hint=hint_for(text))


def _lines(child: subprocess.Popen[bytes], deadline_s: float) -> Iterator[str]:
    """Lines of the child's standard error until it closes.

    Raises:
        TimeoutError: the deadline passed.
    """
    stream: IO[bytes] | None = child.stderr
    assert stream is not None  # noqa: S101 - for the type checker: spawn was given a pipe
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline_s - time.monotonic())):
                raise TimeoutError
            piece = os.read(stream.fileno(), 65_536)
            if not piece:
                break
            *complete, pending = (pending + piece).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in complete)
            pending = pending[-65_536:]
    if pending:
        yield pending.decode("utf-8", "replace")


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
        if not _enclosure():
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if child.stderr is not None:
        child.stderr.close()


def _stage(line: str) -> str:
    text = line.removeprefix("I: ")
    return next((stage for start, stage in _STAGES.items() if text.startswith(start)), "")


def hint_for(output: str) -> str:
    """Likely cause and next step, from mmdebstrap's or apt's last lines; may be empty."""
    return next((hint for pattern, hint in _HINTS if pattern.search(output)), "")
