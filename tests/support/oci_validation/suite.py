"""Get the suite: Debian's source package, compiled with Debian's Go into the cache, once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.tiny_rootfs import BUSYBOX

PACKAGE, VERSION = "golang-github-opencontainers-runtime-tools", "0.9.0.109.ge931285-1"
RELEASE = "trixie"
"""Of Debian, whose sources have that version."""
LIBRARIES = tuple(
    f"golang-{name}-dev"
    for name in (
        *("github-blang-semver", "github-google-uuid", "github-hashicorp-go-multierror"),
        *("github-mrunalp-fileutils", "github-opencontainers-selinux"),
        *("github-opencontainers-specs", "github-sirupsen-logrus", "github-urfave-cli"),
        *("github-xeipuuv-gojsonschema", "gocapability", "golang-x-sys"),
    )
)
_TAP = Path(__file__).with_name("tap.go")
_GO_PATH = Path("/usr/share/gocode")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_APPLETS = ("cat", "echo", "false", "ls", "sh", "sleep", "touch", "true")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_LONGEST_S = 600.0


class NotToBeHad(Exception):
    """The suite cannot be had here, and why."""


def suite(cache: Path) -> Path:
    """The directory with ``bin``, ``runtimetest`` and the root file system that the programs want.

    Raises:
        NotToBeHad: a package is missing, or the source cannot be fetched.
    """
    ours = hashlib.sha256(_TAP.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:12]
    whole = cache / f"oci-validation-{VERSION}-{ours}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "oci-validation.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.is_dir():
            _check_means()
            with tempfile.TemporaryDirectory(dir=cache, prefix="oci-validation-") as temporary:
                made = Path(temporary) / "suite"
                _build(Path(temporary), made)
                made.rename(whole)
    return whole


def _check_means() -> None:
    if shutil.which("go") is None or not (_GO_PATH / "src/github.com/urfave/cli").is_dir():
        wanted = " ".join(("golang-go", *LIBRARIES))
        raise NotToBeHad(f"needs Go: apt-get install --no-install-recommends {wanted}")
    if shutil.which("apt-get") is None or not _KEYRING.exists():
        raise NotToBeHad("the source is fetched with apt-get, from Debian")
    if not BUSYBOX.exists():
        raise NotToBeHad("busybox-static is not installed")


def _build(work: Path, made: Path) -> None:
    source = work / "go/src/github.com/opencontainers/runtime-tools"
    tap = work / "go/src/github.com/mndrix/tap-go"
    source.mkdir(parents=True)
    tap.mkdir(parents=True)
    shutil.copy(_TAP, tap)
    _run(["tar", "-xf", str(_fetched(work)), "--strip-components=1"], source)
    (made / "bin").mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(work),
        "GOPATH": f"{work / 'go'}:{_GO_PATH}",
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }
    programs = ["./validation/...", "./cmd/runtimetest"]
    _run(["go", "build", "-ldflags=-s -w", "-o", f"{made}/bin/", *programs], source, environment)
    (made / "bin/runtimetest").rename(made / "runtimetest")
    _root_file_system(work / "root", made)


def _fetched(work: Path) -> Path:
    """The source's archive; apt checks its signature, with lists of its own."""
    sources = work / "sources.list"
    sources.write_text(f"deb-src [signed-by={_KEYRING}] {_mirror()} {RELEASE} main\n")
    for name in ("lists/partial", "archives/partial"):
        (work / name).mkdir(parents=True)
    own = {
        "Dir::Etc::sourcelist": str(sources),
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": str(work / "lists"),
        "Dir::Cache": str(work),
        "APT::Sandbox::User": "root",
    }
    options = [word for name, value in own.items() for word in ("-o", f"{name}={value}")]
    _run(["apt-get", *options, "update"], work)
    _run(["apt-get", *options, "source", "--tar-only", "--download-only",
          f"{PACKAGE}={VERSION}"], work)  # fmt: skip
    return next(work.glob("*.orig.tar.*"))


def _mirror() -> str:
    """Debian's own, or the one that this host is set up with."""
    command = ["apt-get", "indextargets", "--format", "$(SITE)"]
    done = subprocess.run(
        [*command, "Origin: Debian", "Component: main"],
        capture_output=True,
        text=True,
        check=False,
    )
    plain = [line for line in done.stdout.splitlines() if not line.endswith("-security")]
    return plain[0] if plain else "http://deb.debian.org/debian"


def _root_file_system(root: Path, made: Path) -> None:
    for name in ("bin", "dev", "etc", "mnt", "proc", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for name in _APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    machine = platform.machine()
    name = f"rootfs-{_ARCHITECTURES.get(machine, machine)}.tar.gz"
    with tarfile.open(made / name, "w:gz") as tar:
        tar.add(root, ".")


def _run(
    command: Sequence[str], directory: Path, environment: dict[str, str] | None = None
) -> None:
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )
    if done.returncode != 0:
        raise NotToBeHad(f"{' '.join(command[:3])}…: {done.stderr.strip()[-300:]}")
