from dataclasses import dataclass, field

import pytest

from harness.errors import UsageFault
from harness.plan.schedule import Arm
from harness.plan.selection import choose_arms, choose_workloads, required
from harness.plan.suites import suite


@dataclass
class Kind:
    profiles: dict[str, str] = field(default_factory=lambda: {"default": ""})


@dataclass
class Work:
    resource: str


RUNTIMES = {
    "native": Kind({"default": "", "aa": ""}),
    "ns": Kind({"default": "", "no-seccomp": ""}),
    "docker": Kind(),
    "fake": Kind(),
}
WORKLOADS = {
    "cpu.sysbench": Work("cpu"),
    "cpu.openssl": Work("cpu"),
    "network.http": Work("network"),
}


def arms(text: str) -> list[str]:
    return [arm.name for arm in choose_arms(text, RUNTIMES)[0]]  # type: ignore[arg-type]


def test_all_is_every_real_backend_and_native_twice() -> None:
    assert arms("all") == ["docker", "native:aa", "native", "ns"]


def test_all_may_stand_for_more_arms_where_their_runtime_has_them() -> None:
    chosen, _ = choose_arms("all", RUNTIMES, "ns:no-seccomp,docker:host-net,oci:x")  # type: ignore[arg-type]
    assert [arm.name for arm in chosen] == ["docker", "native:aa", "native", "ns", "ns:no-seccomp"]
    named, _ = choose_arms("ns", RUNTIMES, "ns:no-seccomp")  # type: ignore[arg-type]
    assert [arm.name for arm in named] == ["native:aa", "native", "ns"]


def test_quick_has_the_hosts_network_in_network_workloads_alone() -> None:
    quick = suite("quick")
    for name in quick.beside_all.split(","):
        assert set(quick.partial[name].split(",")) == {
            "network.throughput", "network.latency", "network.http",
        }  # fmt: skip


def test_native_comes_with_every_real_backend() -> None:
    assert arms("docker") == ["docker", "native:aa", "native"]


def test_the_demonstration_stands_alone() -> None:
    assert arms("fake") == ["fake"]


def test_a_profile_is_named_after_a_colon() -> None:
    assert Arm("ns", "no-seccomp") in choose_arms("ns,ns:no-seccomp", RUNTIMES)[0]  # type: ignore[arg-type]


def test_a_star_stands_for_every_profile_of_that_form() -> None:
    kinds = {**RUNTIMES, "ns": Kind({"default": "", "wf-01": "", "wf-02": "", "no-net": ""})}
    chosen, may_be_missing = choose_arms("ns:wf-*", kinds)  # type: ignore[arg-type]
    assert [arm.name for arm in chosen] == ["native:aa", "native", "ns:wf-01", "ns:wf-02"]
    assert not may_be_missing


def test_a_star_that_fits_no_profile_is_an_error() -> None:
    with pytest.raises(UsageFault, match="wf-"):
        arms("ns:wf-*")


def test_a_question_mark_leaves_out_what_is_not_there() -> None:
    assert arms("ns,containerd?,docker?") == ["docker", "native:aa", "native", "ns"]
    assert choose_arms("ns,docker?", RUNTIMES)[1]  # type: ignore[arg-type]
    with pytest.raises(UsageFault):
        arms("ns,containerd")


def test_only_what_has_no_question_mark_is_required() -> None:
    assert required("all,ns:wf-*,oci?,docker") == {"ns", "docker"}


@pytest.mark.parametrize(
    ("text", "hint"),
    [("dokcer", "did you mean docker"), ("ns:none", "valid: default, no-seccomp"), (",", "valid")],
)
def test_unknown_names_are_answered_with_the_valid_ones(text: str, hint: str) -> None:
    with pytest.raises(UsageFault) as caught:
        choose_arms(text, RUNTIMES)  # type: ignore[arg-type]
    assert hint in caught.value.hint


def test_a_resource_stands_for_its_workloads() -> None:
    assert list(choose_workloads("cpu", WORKLOADS)) == ["cpu.openssl", "cpu.sysbench"]  # type: ignore[arg-type]


def test_an_unknown_workload_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(UsageFault) as caught:
        choose_workloads("cpu.sysbnech", WORKLOADS)  # type: ignore[arg-type]
    assert "did you mean cpu.sysbench" in caught.value.hint


def test_an_unknown_suite_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(UsageFault) as caught:
        suite("quik")
    assert "quick" in caught.value.hint
    assert "standard" in caught.value.hint


def test_any_arm_has_a_cold_variation_which_brings_native_with_cold_caches() -> None:
    assert arms("docker:cold,ns:no-seccomp:cold") == [
        *("docker:cold", "native:aa", "native:cold", "native", "ns:no-seccomp:cold")
    ]
    assert "native:cold" not in arms("docker")


def test_a_star_takes_cold_profiles_only_where_they_are_asked_for() -> None:
    assert arms("ns:no-*") == ["native:aa", "native", "ns:no-seccomp"]
    assert "ns:no-seccomp:cold" in arms("ns:no-*:cold")


def test_a_profile_that_does_not_exist_has_no_cold_variation() -> None:
    with pytest.raises(UsageFault, match="no ns profile is called 'warp:cold'"):
        arms("ns:warp:cold")
