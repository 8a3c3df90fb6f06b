"""Nothing private in what people share."""

from __future__ import annotations

import dataclasses
import json
import platform
from pathlib import Path

import pytest

from harness import privacy
from harness.directories import PROJECT, Places
from harness.privacy import Nothing, Redaction, kernel_parameters, redaction_of
from results.records.records import GateFinding
from tests.support.command_line import invoke
from tests.support.synthetic import make_run, make_trials

COMMAND_LINE = (
    "BOOT_IMAGE=/vmlinuz root=UUID=5c3a ro mitigations=off isolcpus=2,3 nohz_full=2-3 "
    "hugepagesz=1G hugepages=4 intel_pstate=disable ip=10.1.2.3 rd.luks.key=secret nosmt "
    "kvm-intel.nested=1 transparent_hugepage=never cryptdevice=/dev/sda:owned_by_alice"
)
ALICE = Redaction(
    directories=(("/home/alice/bench", "<project>"), ("/home/alice", "~")),
    names=(("build7.example.com", "<host>"), ("build7", "<host>"), ("alice", "<user>")),
)


def test_parameters_that_bear_on_measuring_stay_and_the_rest_is_counted() -> None:
    kept, others = kernel_parameters(COMMAND_LINE)
    assert kept == (
        "mitigations=off isolcpus=2,3 nohz_full=2-3 hugepagesz=1G hugepages=4 "
        "intel_pstate=disable nosmt kvm-intel.nested=1 transparent_hugepage=never"
    )
    assert others == 6
    assert kernel_parameters("") == ("", 0)


@pytest.mark.parametrize("word", ["idlebox=1", "memory_of_alice", "tscfoo", "securityx=y"])
def test_a_parameter_that_only_begins_like_a_known_one_is_counted(word: str) -> None:
    assert kernel_parameters(word) == ("", 1)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("no space in /home/alice/bench/results", "no space in <project>/results"),
        ("/home/alice/.cache is full", "~/.cache is full"),
        ("/home/alice2/x", "/home/alice2/x"),
        ("alice@build7.example.com", "<user>@<host>"),
        ("build7: refused", "<host>: refused"),
        ("rebuild7 build71 malice", "rebuild7 build71 malice"),
        ("qemu+ssh://bob@lab.example.org/system", "qemu+ssh://<host>/system"),
        ("tcp://10.0.0.4:2375", "tcp://<host>"),
        ("unix:///run/docker.sock", "unix:///run/docker.sock"),
        ("http://127.0.0.1:80/", "http://127.0.0.1:80/"),
    ],
)
def test_names_and_paths_become_what_they_stand_for(text: str, redacted: str) -> None:
    assert ALICE.text(text) == redacted


def test_what_is_written_of_a_run_and_its_trials_tells_no_names() -> None:
    made = make_run(seed=1)
    arm = dataclasses.replace(made.arms[0], versions={"libvirt_uri": "qemu+ssh://alice@b/x"})
    run = dataclasses.replace(
        made,
        command=("invoke", "bench", "--out", "/home/alice/r"),
        host={**made.host, "command_line": COMMAND_LINE},
        arms=(arm,),
    )
    trial = next(make_trials(made))[0]
    finding = GateFinding("steal", "caution", "on build7", "ask alice")
    trial = dataclasses.replace(
        trial, error="on build7", tail="cd /home/alice", findings=(finding,)
    )
    told = json.dumps([dataclasses.asdict(ALICE.run(run)), dataclasses.asdict(ALICE.trial(trial))])
    for private in ("alice", "build7", "secret", "10.1.2.3"):
        assert private not in told
    assert ALICE.run(run).host["command_line_others"] == 6
    assert Nothing().run(run) is run
    assert Nothing().trial(trial) is trial


def test_this_host_and_user_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "node", lambda: "lab-3.example.com")
    monkeypatch.setattr(privacy, "_users", lambda: ["carol", "root"])
    monkeypatch.setattr(privacy, "_homes", lambda: {"/home/carol", "/root", "/"})
    places = Places(Path("/var/lib/tarebench"), tmp_path / "cache", tmp_path / "runs")
    found = redaction_of(places, keep=("docker", "cpu.sysbench"))
    text = f"carol on lab-3 (lab-3.example.com) in {PROJECT}/harness, {tmp_path}/runs, /root"
    assert found.text(text) == "<user> on <host> (<host>) in <project>/harness, <results>, /root"
    assert found.text("/var/lib/tarebench/3fa9c1") == "/var/lib/tarebench/3fa9c1"


def test_a_host_that_is_called_like_a_backend_keeps_its_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(platform, "node", lambda: "docker")
    places = Places(tmp_path, tmp_path, tmp_path)
    assert redaction_of(places, keep=("docker",)).text("docker: refused") == "docker: refused"


@pytest.mark.slow
@pytest.mark.parametrize("flag", [False, True])
def test_a_run_is_written_without_private_facts_unless_they_are_asked_for(
    tmp_path: Path, *, flag: bool
) -> None:
    out = tmp_path / "results"
    ended = invoke(
        *("bench", "--backend", "fake", "--workload", "cpu.openssl", "--blocks", "1"),
        *("--out", str(out), *(["--private-facts"] if flag else [])),
    )
    assert ended.status in {0, 1}, ended.stderr
    document = json.loads((out / ended.run / "run.json").read_text())
    assert (str(out) in document["command"]) is flag
    assert ("command_line_others" in document["host"]) is not flag
    page = (out / ended.run / "report.html").read_text()
    assert (str(tmp_path) in page) is flag
