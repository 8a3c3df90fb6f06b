"""What is concluded from the host and from a probe boot."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.kvm import KvmRuntime, host, leftovers
from runtimes.kvm.boot import proof
from runtimes.kvm.boot.kernel import Kernel
from runtimes.kvm.guest import files, instance, taps
from runtimes.kvm.runtime import check_uri, outlook

INTEL = "flags\t\t: fpu vmx sse2\n"
GUEST = "flags\t\t: fpu svm hypervisor\n"


@pytest.mark.parametrize(
    ("cpuinfo", "modules", "architecture", "expected"),
    [
        (INTEL, {"kvm", "kvm_intel"}, "x86_64", ("vmx", False)),
        (GUEST, {"kvm", "kvm_amd"}, "x86_64", ("svm", True)),
        ("flags\t\t: fpu hypervisor\n", {"kvm", "kvm_pvm"}, "x86_64", ("pvm", True)),
        ("flags\t\t: fpu\n", set(), "x86_64", ("none", False)),
        ("Features\t: fp asimd\n", {"kvm"}, "aarch64", ("arm", False)),
        ("", set(), "aarch64", ("none", False)),
    ],
)
def test_the_kind_of_virtualisation_is_told_apart(
    cpuinfo: str, modules: set[str], architecture: str, expected: tuple[str, bool]
) -> None:
    found = host.virtualisation(cpuinfo, frozenset(modules), architecture)
    assert (found.kind, found.nested) == expected


def test_another_architecture_is_refused_by_name() -> None:
    with pytest.raises(RuntimeFault, match="riscv64"):
        host.architecture("riscv64")


def test_the_reason_names_the_internal_error() -> None:
    output = b"KVM internal error. Suberror: 1\nemulation failure\nRAX=0000 RBX=0000\n"
    reason = proof.reason_in(output, ended=False, limit_s=10)
    assert reason == "a guest stops with a KVM internal error (suberror 1 emulation failure)"


def test_the_reason_is_qemus_own_complaint() -> None:
    output = b"qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69\nqemu: more\n"
    reason = proof.reason_in(output, ended=True, limit_s=10)
    assert reason == "QEMU refuses under KVM: failed to set MSR 0x10a to 0x69"


def test_silence_until_the_time_limit_is_a_reason() -> None:
    reason = proof.reason_in(b"", ended=False, limit_s=10)
    assert "did not reach user space in 10 s" in reason
    assert "wrote nothing" in reason


def test_a_probe_that_reaches_user_space_is_a_proof() -> None:
    assert proof.boot(["echo", proof.REACHED.decode()]).works


def test_a_probe_that_ends_early_is_none() -> None:
    outcome = proof.boot(["echo", "qemu-system-x86_64: no luck"])
    assert not outcome.works
    assert "no luck" in outcome.reason


def test_a_probe_that_hangs_is_killed_at_its_limit() -> None:
    outcome = proof.boot(["sleep", "60"], limit_s=0.2)
    assert not outcome.works
    assert not outcome.decided, "a busy host would be taken for one without KVM until it reboots"
    assert "0.2 s" in outcome.reason


@pytest.mark.slow
def test_a_probe_that_had_its_cpu_time_and_said_nothing_is_decided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else every run on such a host waits for it anew: ten seconds."""
    monkeypatch.setattr(proof, "SILENT_CPU_S", 0.05)
    silent = proof.boot(["sh", "-c", "while :; do :; done"], limit_s=1)
    assert (silent.works, silent.decided) == (False, True)
    talking = proof.boot(["sh", "-c", "echo word; while :; do :; done"], limit_s=1)
    assert (talking.works, talking.decided) == (False, False)


def probed(monkeypatch: pytest.MonkeyPatch, cache: Path, outcome: proof.Proof) -> proof.Proof:
    """Prove with a probe that goes as told."""
    monkeypatch.setattr(proof, "objection_to", lambda _: None)
    monkeypatch.setattr(proof, "boot", lambda _: outcome)
    program = cache / "program"
    if not program.exists():
        program.write_text("x")
    return proof.prove(program, "x86_64", Kernel("6.1", program, program), program, cache)


@pytest.mark.parametrize("decided", [True, False])
def test_how_the_last_probe_went_is_remembered_until_the_host_boots_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, decided: bool
) -> None:
    assert proof.latest(tmp_path) is None
    outcome = proof.Proof(works=False, reason="suberror 1", decided=decided)
    assert probed(monkeypatch, tmp_path, outcome) == outcome
    assert proof.latest(tmp_path) == outcome
    again = proof.Proof(works=True, reason="1.0 s")
    assert probed(monkeypatch, tmp_path, again) == (outcome if decided else again)
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("another boot")
    monkeypatch.setattr(proof, "BOOT_ID", boot_id)
    assert proof.latest(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", '{"works": 1, "else": 2}', "\x00"])
def test_a_damaged_memory_is_none(tmp_path: Path, content: str) -> None:
    boot_id = proof.BOOT_ID.read_text().strip()
    (tmp_path / f"proof-of-boot-{boot_id}.json").write_text(content)
    assert proof.latest(tmp_path) is None


def test_doctor_cautions_where_no_guest_has_been_proved_to_boot() -> None:
    """/dev/kvm is there on many a host that boots no stock kernel."""
    unknown = outlook("QEMU", None)
    emulated = outlook("QEMU", proof.Proof(works=False, reason="suberror 1"))
    proved = outlook("QEMU", proof.Proof(works=True, reason="up in 1.0 s"))
    assert (unknown.ok, "not yet proved" in unknown.caution) == (True, True)
    assert (emulated.ok, emulated.caution) == (True, "guests will be emulated: suberror 1")
    assert emulated.fix
    assert (proved.ok, proved.caution) == (True, "")


def test_a_probe_that_writes_without_end_is_killed_at_its_limit() -> None:
    assert not proof.boot(["yes"], limit_s=0.3).works


def test_a_missing_qemu_is_no_proof() -> None:
    assert not proof.boot(["/nonexistent/qemu"]).works


def test_a_device_that_may_not_be_opened_is_a_reason_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def forbid(*_: object) -> int:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    device = tmp_path / "kvm"
    device.touch()
    assert proof.objection_to(device) is None
    monkeypatch.setattr("os.open", forbid)
    monkeypatch.setattr(proof, "DEVICE", device)
    found = proof.prove(tmp_path, "x86_64", Kernel("6.1", tmp_path, tmp_path), tmp_path, tmp_path)
    assert not found.works
    assert found.reason == f"{device} cannot be opened: Operation not permitted"
    assert "--device" in found.remedy


def test_a_host_without_the_device_is_told_what_turns_it_on(tmp_path: Path) -> None:
    found = proof.objection_to(tmp_path / "kvm")
    assert found is not None
    assert "firmware" in found.remedy


def test_guests_of_a_run_are_known_by_their_name() -> None:
    argv = ["/usr/bin/qemu-system-x86_64", "-name", "guest=tb-abcdef-1,debug-threads=on", "-S"]
    assert leftovers.guest_name(argv) == "tb-abcdef-1"
    assert leftovers.guest_name(["/bin/sleep", "-name", "guest=tb-abcdef-1"]) == ""
    assert leftovers.guest_name(["qemu", "-name"]) == ""


def test_only_this_runs_guests_are_found(tmp_path: Path) -> None:
    for pid, run in ((10, "abcdef"), (11, "123456")):
        (tmp_path / str(pid)).mkdir()
        words = ("qemu-system-x86_64", "-name", f"guest=tb-{run}-0,debug-threads=on", "")
        (tmp_path / str(pid) / "cmdline").write_bytes("\0".join(words).encode())
    assert leftovers.guests("abcdef", tmp_path) == [(10, "tb-abcdef-0")]


def test_the_agents_status_is_inits_last_word() -> None:
    console = "tarebench-init: agent exited with 7\nx\ntarebench-init: agent exited with 0\n"
    assert instance.agent_status(console) == 0
    assert instance.agent_status("tarebench-init: agent exited with -9\n") == -9
    assert instance.agent_status("panic") == 1


def test_a_tail_of_rubbish_is_printable(tmp_path: Path) -> None:
    console = tmp_path / "console"
    console.write_bytes(b"\x1b[2J\xff\x00last words\n")
    assert files.tail(console).endswith("last words")
    assert "\x1b" not in files.tail(console)
    assert files.tail(tmp_path / "missing") == ""


@pytest.mark.parametrize("uri", ["", "qemu:///system", "qemu+unix:///system", "qemu:///session"])
def test_a_local_qemu_is_accepted(uri: str) -> None:
    check_uri(uri)


@pytest.mark.parametrize("uri", ["xen:///", "qemu+ssh://elsewhere/system", "nonsense"])
def test_another_driver_or_host_is_refused_with_the_remedy(uri: str) -> None:
    with pytest.raises(RuntimeFault) as caught:
        check_uri(uri)
    assert "qemu:///system" in caught.value.hint


def test_without_a_tool_the_backend_is_unavailable_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("runtimes.kvm.host.has_qemu_user", lambda: True)
    monkeypatch.setattr("runtimes.kvm.runtime.find", lambda _: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    answer = KvmRuntime().availability({})
    assert not answer.ok
    assert "qemu-utils" in answer.fix


def test_not_root_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "root" in KvmRuntime().availability({}).reason


def test_debians_libvirt_needs_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    monkeypatch.setattr("runtimes.kvm.host.has_qemu_user", lambda: False)
    answer = KvmRuntime().availability({})
    assert "libvirt-qemu" in answer.reason
    assert "libvirt-daemon-system" in answer.fix


def test_other_distributions_have_other_users(tmp_path: Path) -> None:
    assert host.has_qemu_user(tmp_path / "no_debian_version")


def test_the_environment_has_what_the_probe_tests_use() -> None:
    assert process.find("echo") is not None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("always [madvise] never\n", "madvise"),
        ("[always] madvise never\n", "always"),
        ("", ""),
        ("always madvise never [\x1b[31m]\n", ""),
    ],
)
def test_the_rule_for_huge_pages_is_the_bracketed_word(
    tmp_path: Path, text: str, rule: str
) -> None:
    enabled = tmp_path / "enabled"
    assert host.huge_page_rule(enabled) == ""
    enabled.write_text(text)
    assert host.huge_page_rule(enabled) == rule


def test_the_processors_rate_is_read_where_there_is_one() -> None:
    assert host.tsc_khz("model name : x\ncpu MHz\t\t: 2596.096\n") == 2_596_096
    assert host.tsc_khz("CPU implementer : 0x41\n") == 0


def test_two_runs_never_share_the_number_of_a_macvtap() -> None:
    numbers = {
        taps.device_number(f"tb{run}v{slot}", slot)
        for run in ("000000", "abcdef", "abcdee")
        for slot in range(200)
    }
    assert len(numbers) == 600
    assert all(1 << 30 <= number < 1 << 31 for number in numbers)
