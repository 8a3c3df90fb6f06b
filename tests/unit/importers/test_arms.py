from __future__ import annotations

from pathlib import Path

import pytest

from results.importers import ImportFault
from results.importers.arms import checked_arm
from results.importers.request import renames, sources
from results.records.records import arm_name
from tests.support.imports import csv, made


def rows(*arms: str) -> list[str]:
    return [f"{arm},cpu.x,s,s,lower,1" for arm in arms]


def arms(path: Path, **options: object) -> set[str]:
    return {arm_name(arm.backend, arm.profile) for arm in made(path, **options).run.arms}


def refused(path: Path, **options: object) -> str:
    with pytest.raises(ImportFault) as fault:
        made(path, **options)
    return f"{fault.value} | {fault.value.hint}"


def test_native_is_the_baseline_where_it_is_there(tmp_path: Path) -> None:
    assert arms(csv(tmp_path / "a.csv", rows("native", "host"))) == {"native", "host"}


def test_an_arm_that_means_the_bare_host_becomes_native_and_a_note_says_so(tmp_path: Path) -> None:
    run = made(csv(tmp_path / "a.csv", rows("lxc", "Bare-Metal"))).run
    assert [arm.backend for arm in run.arms] == ["native", "lxc"]
    assert run.arms[0].versions == {"called there": "bare-metal"}
    assert "the baseline is called bare-metal there, and native here" in run.notes


def test_without_a_baseline_the_arms_are_named_and_one_is_asked_for(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", rows("lxc", "docker"))
    said = refused(path)
    assert "no arm is called native" in said
    assert "'lxc', 'docker'" in said
    assert arms(path, baseline="lxc") == {"native", "docker"}
    assert arms(path, baseline="none") == {"lxc", "docker"}


def test_two_that_could_be_meant_are_not_guessed_between(tmp_path: Path) -> None:
    assert "no arm is called native" in refused(csv(tmp_path / "a.csv", rows("host", "bare")))


def test_a_single_arm_needs_no_baseline(tmp_path: Path) -> None:
    assert arms(csv(tmp_path / "a.csv", rows("docker"))) == {"docker"}


def test_a_baseline_that_is_not_there_or_not_the_only_one_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", rows("native", "docker"))
    assert "no arm is called 'lxc'" in refused(path, baseline="lxc")
    assert "there is an arm native as well" in refused(path, baseline="docker")


def test_names_are_mapped_to_arms_and_unused_names_are_refused(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", rows("vm", "bare"))
    assert arms(path, renames={"VM": "kvm"}) == {"kvm", "native"}
    said = refused(path, renames={"xen": "kvm"})
    assert "--map: no file holds 'xen'" in said
    assert "'vm', 'bare'" in said


def test_mapping_two_arms_to_one_counts_their_trials_together(tmp_path: Path) -> None:
    run = made(csv(tmp_path / "a.csv", rows("vm1", "vm2")), renames={"vm1": "kvm", "vm2": "kvm"})
    assert [arm.backend for arm in run.run.arms] == ["kvm"]
    assert len(run.trials) == 2


@pytest.mark.parametrize("name", ["", ":", "docker:", ":x", "a\x1bb", "x" * 65])
def test_what_cannot_be_an_arm_is_refused(name: str) -> None:
    with pytest.raises(ImportFault):
        checked_arm(name)


def test_the_default_profile_needs_no_name() -> None:
    assert checked_arm(" Docker:default") == "docker"


def test_files_are_told_apart_by_commas_unless_a_file_is_called_so(tmp_path: Path) -> None:
    odd = tmp_path / "a=b,c.csv"
    odd.touch()
    assert [each.path for each in sources(str(odd))] == [odd]
    several = sources("native=a.json,docker:host-net=b.json,c.csv", arm="kvm")
    assert [(each.arm, str(each.path)) for each in several] == [
        ("native", "a.json"), ("docker:host-net", "b.json"), ("kvm", "c.csv"),
    ]  # fmt: skip


def test_a_mapping_may_hold_equals_signs_and_says_one_thing() -> None:
    assert renames(["sh -c 'A=1 x'=docker"]) == {"sh -c 'A=1 x'": "docker"}
    for bad in (["docker"], ["=docker"], ["x="], ["x=native", "x=kvm"]):
        with pytest.raises(ImportFault):
            renames(bad)


def test_the_primary_metric_is_the_first_or_the_one_that_was_named(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", ["native,cpu.x,s,s,lower,1", "native,cpu.x,j,J,lower,1"])
    assert made(path).run.workloads[0].primary == "s"
    assert made(path, primary="j").run.workloads[0].primary == "j"
    assert "there are: s, j" in refused(path, primary="k")


def test_arms_without_a_workload_in_common_are_told(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", ["native,cpu.x,s,s,lower,1", "docker,cpu.y,s,s,lower,1"])
    assert any("no workload has two arms" in note for note in made(path).run.notes)
