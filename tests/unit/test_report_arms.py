"""Arms in a report: in which order they stand, and what they share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from support import synthetic

from reports.view import build
from reports.view.arms import arm_views
from results import frame
from results.store.store import RunDirectory


def test_a_daemon_is_shown_once_however_many_arms_it_serves(tmp_path: Path) -> None:
    made = synthetic.make_run(blocks=2)
    docker = next(arm for arm in made.arms if arm.backend == "docker")
    run = replace(made, arms=(*made.arms, replace(docker, profile="host-net")))
    with RunDirectory.create(tmp_path, run) as directory:
        for trial, samples in synthetic.make_trials(made):
            directory.append(trial, samples)
    view = build(run, frame.load(directory), directory.trials())
    assert [arm.name for arm, _ in view.daemons] == ["docker", "kvm"]


def test_arms_with_numbers_in_their_names_stand_in_the_order_of_the_numbers() -> None:
    made = synthetic.make_run(blocks=2)
    depths = ("depth-limit", "depth-64", "depth-8")
    ns = next(arm for arm in made.arms if arm.backend == "ns")
    run = replace(made, arms=(*made.arms, *(replace(ns, profile=each) for each in depths)))
    assert list(arm_views(run))[-3:] == ["ns:depth-8", "ns:depth-64", "ns:depth-limit"]
