"""The OCI command line of ns, as an engine drives it: each operation, and what it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.directories import places
from runtimes import directories, process
from runtimes.ns import NamespaceRuntime
from runtimes.standalone.oci.command.containers import Store
from runtimes.standalone.oci.command.lifecycle import sweep
from tests.support.tiny_rootfs import missing, tiny_rootfs

pytestmark = pytest.mark.root
PROJECT = Path(__file__).parents[2]
SHELL = ["/bin/busybox", "sh", "-c"]
HOLD = [*SHELL, "echo ready; read line; echo $line"]
"""Says so once it runs, and ends when it is told something."""


@dataclass(frozen=True)
class Told:
    """What one command did."""

    status: int
    output: str
    errors: str


@dataclass(frozen=True)
class Desk:
    """A directory with bundles and containers, and the command line over it."""

    where: Path
    rootfs: Path

    @property
    def root(self) -> Path:
        return self.where / "containers"

    def bundle(self, argv: list[str], name: str = "bundle", **linux: object) -> Path:
        """A bundle as ``runc spec`` writes it, for a program of ours."""
        directory = self.where / name
        directory.mkdir(exist_ok=True)
        (directory / "config.json").unlink(missing_ok=True)
        process.run(["runc", "spec"], timeout_s=10, cwd=directory)
        content = json.loads((directory / "config.json").read_text())
        content["root"] = {"path": str(self.rootfs), "readonly": True}
        content["process"] |= {"terminal": False, "args": argv}
        content["linux"] |= linux
        (directory / "config.json").write_text(json.dumps(content))
        return directory

    def change(self, bundle: Path, **top: object) -> None:
        """Set fields of a bundle's document; ``process`` is added to."""
        path = bundle / "config.json"
        content = json.loads(path.read_text())
        content["process"] |= top.pop("process", {})
        path.write_text(json.dumps(content | top))

    def argv(self, *words: str | Path) -> list[str]:
        return [
            sys.executable,
            "-m",
            "runtimes.standalone.oci",
            "--root",
            str(self.root),
            *map(str, words),
        ]

    def tell(self, *words: str | Path, pipes: tuple[int, int] | None = None) -> Told:
        """Run a command; a container made by it has ``pipes``, or nothing, as streams."""
        with (self.where / "out").open("w+b") as out, (self.where / "err").open("w+b") as err:
            child = process.spawn(
                self.argv(*words),
                env={"PYTHONPATH": str(PROJECT)},
                stdin=pipes[0] if pipes else subprocess.DEVNULL,
                stdout=pipes[1] if pipes else out,
                stderr=err,
            )
            status = child.wait(30)
            out.seek(0), err.seek(0)
            return Told(status, out.read().decode(), err.read().decode())

    def status(self, name: str) -> str:
        told = self.tell("state", name)
        assert told.status == 0, told.errors
        return str(json.loads(told.output)["status"])

    @contextlib.contextmanager
    def held(self, name: str, bundle: Path) -> Iterator[socket.socket]:
        """A created container, and the other end of its streams."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                ends = (theirs.fileno(), theirs.fileno())
                told = self.tell("create", "--bundle", bundle, name, pipes=ends)
                assert told.status == 0, told.errors
            try:
                yield ours
            finally:
                self.tell("delete", "--force", name)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    why = NamespaceRuntime().availability({})
    if not why.ok:
        pytest.skip(f"ns cannot run here: {why.reason}")
    if missing() or process.find("runc") is None:
        pytest.skip(missing() or "runc is not installed: apt-get install runc")
    base = directories.made(places().state, "TAREBENCH_STATE", walked=True)
    where = directories.closed(base / f"test-{secrets.token_hex(3)}", walked=True)
    try:
        yield Desk(where, tiny_rootfs(where / "rootfs").directory)
    finally:
        shutil.rmtree(where)


def ended(pid: int) -> None:
    """Wait for a process that is not our child."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        assert select.select([descriptor], [], [], 10)[0]
        os.close(descriptor)


def test_a_container_lives_from_create_to_delete(desk: Desk) -> None:
    bundle = desk.bundle(HOLD)
    pid_file = desk.where / "pid"
    desk.change(bundle, annotations={"org.example.who": "test"})
    with desk.held("one", bundle) as streams:
        made = json.loads(desk.tell("state", "one").output)
        assert (made["status"], made["id"], made["bundle"]) == ("created", "one", str(bundle))
        assert made["annotations"] == {"org.example.who": "test"}
        assert made["ociVersion"].startswith("1.")
        assert not select.select([streams], [], [], 0.1)[0]  # it waits
        os.kill(made["pid"], 0)
        assert desk.tell("start", "one").status == 0
        assert streams.recv(100) == b"ready\n"
        assert desk.status("one") == "running"
        again = desk.tell("start", "one")
        assert again.status != 0
        assert "started already" in again.errors
        refused = desk.tell("delete", "one")
        assert refused.status != 0
        assert "not stopped: running" in refused.errors
        assert [one["id"] for one in json.loads(desk.tell("list", "-f", "json").output)] == ["one"]
        assert json.loads(desk.tell("ps", "--format", "json", "one").output)[0] == made["pid"]
        stats = json.loads(desk.tell("events", "--stats", "one").output)
        assert stats["data"]["memory"]["usage"]["usage"] > 0
        streams.sendall(b"bye\n")
        assert streams.recv(100) == b"bye\n"
        ended(made["pid"])
        assert desk.status("one") == "stopped"
        for late in (("kill", "one", "TERM"), ("exec", "one", "/bin/busybox", "true")):
            told = desk.tell(*late)
            assert told.status != 0
            assert "container not running" in told.errors
        assert desk.tell("delete", "one").status == 0
        assert "does not exist" in desk.tell("state", "one").errors
    assert not pid_file.exists()
    assert not list(Path("/sys/fs/cgroup").glob("*/tarebench/containers/one"))


@pytest.mark.parametrize("command", [("state",), ("start",), ("kill",), ("delete",), ("pause",),
                                     ("resume",), ("ps",), ("exec",)], ids=" ".join)  # fmt: skip
def test_an_unknown_container_is_an_error_of_every_command(
    desk: Desk, command: tuple[str, ...]
) -> None:
    told = desk.tell(*command, "nobody", *(["/bin/true"] if command == ("exec",) else []))
    assert told.status != 0
    assert "container does not exist: nobody" in told.errors
    assert not told.output


@pytest.mark.parametrize("name", ["..", "a/b", "", "a\nb"])
def test_an_id_that_is_no_name_is_refused(desk: Desk, name: str) -> None:
    told = desk.tell("create", "--bundle", desk.bundle(HOLD), name)
    assert told.status != 0
    assert "invalid container id" in told.errors


def test_an_id_belongs_to_one_container(desk: Desk) -> None:
    bundle = desk.bundle(HOLD)
    with desk.held("twin", bundle):
        told = desk.tell("create", "--bundle", bundle, "twin")
        assert told.status != 0
        assert "container with id exists: twin" in told.errors
        assert desk.status("twin") == "created"


def test_signals_arrive_by_name_and_by_number(desk: Desk) -> None:
    script = "trap 'echo usr1' USR1; trap 'echo usr2' USR2; echo ready; while :; do read x; done"
    with desk.held("signals", desk.bundle([*SHELL, script])) as streams:
        desk.tell("start", "signals")
        assert streams.recv(100) == b"ready\n"
        for word, said in (("USR1", b"usr1"), ("SIGUSR2", b"usr2"), ("10", b"usr1")):
            assert desk.tell("kill", "signals", word).status == 0
            assert streams.recv(100).strip() == said
        assert "unknown signal" in desk.tell("kill", "signals", "SIGNAL").errors
        assert desk.tell("kill", "--all", "signals", "KILL").status == 0
        assert desk.status("signals") == "stopped"


def test_a_created_container_can_be_killed_and_its_bundle_no_longer_matters(desk: Desk) -> None:
    bundle = desk.bundle(HOLD)
    with desk.held("early", bundle) as streams:
        desk.change(bundle, process={"args": ["/bin/busybox", "false"]})
        pid = json.loads(desk.tell("state", "early").output)["pid"]
        desk.tell("start", "early")
        assert streams.recv(100) == b"ready\n"  # not what is in the bundle now
        assert desk.tell("kill", "early", "KILL").status == 0
        ended(pid)
        assert desk.status("early") == "stopped"


def test_pause_stops_and_resume_goes_on(desk: Desk) -> None:
    with desk.held("frozen", desk.bundle(HOLD)) as streams:
        desk.tell("start", "frozen")
        assert streams.recv(100) == b"ready\n"
        assert desk.tell("pause", "frozen").status == 0
        assert desk.status("frozen") == "paused"
        assert desk.tell("pause", "frozen").status != 0
        streams.sendall(b"go\n")
        assert not select.select([streams], [], [], 0.2)[0]
        assert desk.tell("resume", "frozen").status == 0
        assert streams.recv(100) == b"go\n"
        assert "not paused" in desk.tell("resume", "frozen").errors


def test_a_further_program_sees_what_the_first_one_sees(desk: Desk) -> None:
    with desk.held("visited", desk.bundle(HOLD)) as streams:
        desk.tell("start", "visited")
        assert streams.recv(100) == b"ready\n"
        script = "hostname; cat /proc/1/comm; id -u; exit 3"
        told = desk.tell("exec", "--user", "7", "visited", *SHELL, script)
        assert (told.status, told.output.split()) == (3, ["runc", "busybox", "7"]), told.errors
        spec = {"args": ["busybox", "sh", "-c", "echo $A; pwd"], "env": ["A=b", "PATH=/bin"],
                "cwd": "/proc", "user": {"uid": 0, "gid": 0}}  # fmt: skip
        (desk.where / "process.json").write_text(json.dumps(spec))
        told = desk.tell("exec", "--process", desk.where / "process.json", "visited")
        assert told.output.split() == ["b", "/proc"], told.errors
        told = desk.tell("exec", "visited", "/nosuch")
        assert told.status != 0
        assert "executable file not found" in told.errors


def test_a_terminal_is_the_containers_own_and_its_master_goes_to_the_console_socket(
    desk: Desk,
) -> None:
    bundle = desk.bundle([*SHELL, "tty; ls -l /dev/console | cut -c1; test -t 0 && stty size"])
    refused = desk.tell("create", "--bundle", bundle, "--console-socket", "/x", "tty")
    assert "belong together" in refused.errors
    desk.change(bundle, process={"terminal": True, "consoleSize": {"height": 7, "width": 77}})
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(desk.where / "tty"))
        listener.listen()
        told = desk.tell(
            "create", "--bundle", bundle, "--console-socket", desk.where / "tty", "tty"
        )
        assert told.status == 0, told.errors
        connection, _ = listener.accept()
        with connection:
            _, (master,), _, _ = socket.recv_fds(connection, 100, 1)
    desk.tell("start", "tty")
    seen = b""
    with contextlib.suppress(OSError):  # EIO: nobody has the other side open any more
        while piece := os.read(master, 4096):
            seen += piece
    os.close(master)
    assert seen.decode().split() == ["/dev/pts/0", "c", "7", "77"]
    desk.tell("delete", "--force", "tty")


POINTS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def test_hooks_run_in_order_with_the_state_on_their_input(desk: Desk) -> None:
    log = desk.where / "hooks"
    log.mkdir()
    bundle = desk.bundle(HOLD)
    script = 'cat > "$1/$2"; echo $2 >> "$1/order"'
    desk.change(
        bundle,
        hooks={
            point: [
                {"path": "/bin/busybox" if point == "startContainer" else "/bin/sh",
                 "args": ["sh", "-c", f"PATH=/bin:/usr/bin; {script}", "hook",
                          "/log" if point == "startContainer" else str(log), point]}
            ]
            for point in POINTS
        },
        mounts=[*json.loads((bundle / "config.json").read_text())["mounts"],
                {"destination": "/log", "type": "bind", "source": str(log), "options": ["bind"]},
                {"destination": "/bin/cat", "type": "bind", "source": "/bin/busybox",
                 "options": ["bind", "ro"]}],
        root={"path": str(desk.rootfs), "readonly": False},
    )  # fmt: skip
    with desk.held("hooked", bundle) as streams:
        pid = json.loads(desk.tell("state", "hooked").output)["pid"]
        assert (log / "order").read_text().split() == list(POINTS[:3])
        desk.tell("start", "hooked")
        assert streams.recv(100) == b"ready\n"
        desk.tell("kill", "hooked", "KILL")
        ended(pid)
        desk.tell("delete", "hooked")
    assert (log / "order").read_text().split() == list(POINTS)
    states = {point: json.loads((log / point).read_text()) for point in POINTS}
    assert {point: state["status"] for point, state in states.items()} == {
        "prestart": "creating", "createRuntime": "creating", "createContainer": "creating",
        "startContainer": "created", "poststart": "running", "poststop": "stopped",
    }  # fmt: skip
    assert states["createRuntime"]["pid"] == states["poststart"]["pid"] == pid
    assert states["startContainer"]["pid"] == 1
    assert {state["id"] for state in states.values()} == {"hooked"}
    shutil.rmtree(log)


@pytest.mark.parametrize("point", ["prestart", "createContainer"])
def test_a_failing_hook_ends_the_making_and_nothing_is_left(desk: Desk, point: str) -> None:
    bundle = desk.bundle(HOLD)
    desk.change(bundle, hooks={point: [{"path": "/bin/false"}]})
    told = desk.tell("create", "--bundle", bundle, "unhooked")
    assert told.status != 0
    assert "hook /bin/false" in told.errors
    assert "does not exist" in desk.tell("state", "unhooked").errors
    assert not list(Path("/sys/fs/cgroup").glob("*/tarebench/containers/unhooked"))


def test_a_hook_that_takes_too_long_is_killed(desk: Desk) -> None:
    bundle = desk.bundle(HOLD)
    hook = {"path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 1}
    desk.change(bundle, hooks={"createContainer": [hook]})
    assert "run hook /bin/sleep: ETIME" in desk.tell("create", "-b", bundle, "slow").errors


def test_a_program_that_is_not_there_is_told_at_start(desk: Desk) -> None:
    with desk.held("empty", desk.bundle(["/nosuch"])):
        pid = json.loads(desk.tell("state", "empty").output)["pid"]
        told = desk.tell("start", "empty")
        assert told.status != 0
        assert "executable file not found" in told.errors
        ended(pid)
        assert desk.status("empty") == "stopped"


def test_errors_are_in_the_log_as_engines_read_it(desk: Desk) -> None:
    log = desk.where / "log.json"
    told = desk.tell("--log", log, "--log-format", "json", "start", "nobody")
    assert told.status != 0
    (entry,) = map(json.loads, log.read_text().splitlines())
    assert (entry["level"], entry["msg"]) == ("error", "container does not exist: nobody")


def test_version_and_features_name_the_specification(desk: Desk) -> None:
    assert desk.tell("--version").output.split()[-2:] == ["spec:", "1.0.2"]
    told = json.loads(desk.tell("features").output)
    assert set(POINTS) == set(told["hooks"])
    assert told["linux"]["cgroup"]["v2"] is True


def test_what_leads_out_of_the_root_leads_nowhere(desk: Desk) -> None:
    """A link in the image at a mount's place: followed inside the root, and never outside."""
    rootfs = desk.where / "linked"
    shutil.copytree(desk.rootfs, rootfs, symlinks=True)
    outside = desk.where / "outside"
    outside.mkdir()
    up = "/" + "../" * 20
    (rootfs / "up").symlink_to(f"{up}{outside}")
    (rootfs / str(outside)[1:]).mkdir(parents=True)
    (rootfs / "lost").symlink_to(f"{up}nowhere")
    (rootfs / "magic").symlink_to("/proc/self/cwd")
    bundle = desk.bundle(["/bin/busybox", "true"])
    for place, reason in (("/up/made", ""), ("/magic/made", "ELOOP"), ("/lost/made", "EEXIST")):
        mount = {"destination": place, "type": "bind", "source": "/etc", "options": ["bind", "ro"]}
        standard = json.loads((bundle / "config.json").read_text())["mounts"]
        desk.change(bundle, mounts=[*standard[:7], mount], root={"path": str(rootfs)})
        told = desk.tell("run", "--bundle", bundle, "linked")
        assert told.status == bool(reason), told.errors
        assert reason in told.errors
    assert not list(outside.iterdir())
    assert (rootfs / str(outside)[1:] / "made").is_dir()


@pytest.mark.parametrize("user", [False, True])
@pytest.mark.parametrize("name", ["proc", "sys"])
def test_kernel_directories_that_are_links_in_an_image_gain_nothing(
    desk: Desk, name: str, user: bool
) -> None:
    """CVE-2023-27561: what is mounted, masked and set follows one link, and inside the root."""
    rootfs, outside = desk.where / f"links-{name}-{user}", desk.where / f"outside-{name}-{user}"
    shutil.copytree(desk.rootfs, rootfs, symlinks=True)
    outside.mkdir()
    (rootfs / str(outside)[1:]).mkdir(parents=True)
    (rootfs / name).rmdir()
    (rootfs / name).symlink_to("/" + "../" * 20 + str(outside)[1:])
    guarded = {"proc": "sys/kernel/core_pattern", "sys": "kernel/profiling"}[name]
    look, write = f"mount | grep -c ' on {outside} '", f"echo x > {outside}/{guarded}"
    bundle = desk.bundle([*SHELL, f"{look}; {write}; echo done"], f"links-{name}-{user}")
    desk.change(bundle, root={"path": str(rootfs)})
    content = json.loads((bundle / "config.json").read_text())
    if user:
        ids = [{"containerID": 0, "hostID": 300_000, "size": 1000}]
        content["linux"] |= {"uidMappings": ids, "gidMappings": ids}
        content["linux"]["namespaces"].append({"type": "user"})
    (bundle / "config.json").write_text(json.dumps(content))

    told = desk.tell("run", "--bundle", bundle, "links")

    assert (told.status, told.output) == (0, "1\ndone\n"), told.errors
    assert "Read-only file system" in told.errors
    assert not list(outside.iterdir())


def test_a_killed_create_leaves_what_clean_removes(desk: Desk) -> None:
    bundle = desk.bundle(HOLD)
    desk.change(bundle, hooks={"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "30"]}]})
    child = process.spawn(desk.argv("create", "-b", bundle, "half"),
                          env={"PYTHONPATH": str(PROJECT)})  # fmt: skip
    while not (groups := list(Path("/sys/fs/cgroup").glob("*/tarebench/containers/half/tasks"))):
        select.select([], [], [], 0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert "container half" in sweep(Store(desk.root))
    assert not any(group.exists() for group in groups)
    assert not (desk.root / "half").exists()
