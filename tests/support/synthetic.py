"""Runs made from a seed, for tests of the store, the frame and the report.

They look like what the harness writes: five arms, nine workloads, blocks in random order, a few
invalid and failed trials, and, on request, text from somebody hostile.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from results.records.records import (
    SCHEMA,
    ArmRecord,
    Direction,
    GateFinding,
    Pressure,
    Run,
    Sample,
    Skipped,
    Status,
    Trial,
    WorkloadRecord,
    arm_name,
)
from results.store.store import RunDirectory

RUN_ID = "20261124T035104Z-3fa9c1"
ARMS = (
    ("native", "default"),
    ("native", "aa"),
    ("ns", "default"),
    ("docker", "default"),
    ("kvm", "default"),
)
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>$\\frac{"
"""Markup, an event handler and broken mathtext in one."""

MS = 1_000_000
MIB = float(1 << 20)


@dataclass(frozen=True, slots=True)
class Shape:
    """One metric's typical native value and what each box does to it (factor on the value)."""

    metric: str
    unit: str
    direction: Direction
    native: float
    factors: Mapping[str, float]
    spread: float = 0.01


WORKLOADS: Mapping[str, tuple[str, tuple[Shape, ...]]] = {
    "cpu.sysbench": (
        "Prime search (sysbench)",
        (
            Shape("events_per_second", "1/s", "higher", 1213, {"docker": 0.998, "kvm": 0.06}),
            Shape("latency_mean_ns", "ns", "lower", 0.9 * MS, {"docker": 1.004, "kvm": 15}),
        ),
    ),
    "cpu.openssl": (
        "Hashing (openssl sha256)",
        (Shape("bytes_per_second", "B/s", "higher", 1.9e9, {"ns": 0.999, "kvm": 0.04}),),
    ),
    "memory.stream": (
        "Memory bandwidth (triad)",
        (Shape("triad_bytes_per_second", "B/s", "higher", 1.1e10, {"kvm": 0.22}, 0.02),),
    ),
    "memory.latency": (
        "Random access",
        (Shape("load_mean_ns", "ns", "lower", 92.0, {"docker": 1.01, "kvm": 3.1}),),
    ),
    "network.throughput": (
        "TCP throughput (iperf3)",
        (
            Shape(
                "received_bytes_per_second",
                "B/s",
                "higher",
                3.9e9,
                {"ns": 0.81, "docker": 0.79, "kvm": 0.02},
                0.03,
            ),
        ),
    ),
    "network.latency": (
        "Request and response (sockperf)",
        (
            Shape("latency_p50_ns", "ns", "lower", 21_000, {"ns": 1.16, "docker": 1.22, "kvm": 12}),
            Shape(
                "latency_p99_ns", "ns", "lower", 44_000, {"ns": 1.2, "docker": 1.3, "kvm": 14}, 0.1
            ),
        ),
    ),
    "network.http": (
        "HTTP requests (nginx, wrk)",
        (
            Shape(
                "requests_per_second",
                "1/s",
                "higher",
                48_000,
                {"ns": 0.86, "docker": 0.77, "kvm": 0.03},
                0.03,
            ),
        ),
    ),
    "startup.http": (
        "Start to first HTTP 200",
        (
            Shape(
                "first_http_200_ns",
                "ns",
                "lower",
                6.1 * MS,
                {"ns": 2.1, "docker": 55, "kvm": 690},
                0.06,
            ),
            Shape(
                "first_byte_ns",
                "ns",
                "lower",
                1.4 * MS,
                {"ns": 3, "docker": 190, "kvm": 2900},
                0.06,
            ),
            Shape(
                "created_ns", "ns", "lower", 0.4 * MS, {"ns": 5, "docker": 120, "kvm": 300}, 0.06
            ),
            Shape("stopped_ns", "ns", "lower", 7.4 * MS, {"ns": 2, "docker": 51, "kvm": 580}, 0.06),
            Shape(
                "removed_ns",
                "ns",
                "lower",
                7.9 * MS,
                {"ns": 2.2, "docker": 50, "kvm": 550},
                0.06,
            ),
        ),
    ),
    "footprint.idle": (
        "One idle instance",
        (
            Shape(
                "pss_bytes_marginal",
                "B",
                "lower",
                0.4 * MIB,
                {"ns": 1.3, "docker": 22, "kvm": 420},
                0.02,
            ),
            Shape(
                "cgroup_bytes_marginal",
                "B",
                "lower",
                0.6 * MIB,
                {"ns": 1.1, "docker": 2, "kvm": 300},
                0.02,
            ),
            Shape(
                "available_bytes_marginal",
                "B",
                "lower",
                1.1 * MIB,
                {"ns": 1.6, "docker": 14, "kvm": 190},
                0.1,
            ),
            Shape(
                "disk_bytes_marginal",
                "B",
                "lower",
                4096,
                {"ns": 2, "docker": 24, "kvm": 2100},
                0.001,
            ),
        ),
    ),
}
"""Name → title and metrics, the primary one first."""

PHASES = ("created", "first_byte", "http_200", "stopped", "removed")
EMULATED = GateFinding(
    "emulated",
    "invalid",
    "the VM's CPU is emulated in software (TCG), not virtualised",
    "run on a host whose /dev/kvm boots a guest",
)
SWAP = GateFinding("swap", "invalid", "16384 bytes were swapped", "swapoff -a")


def write(root: Path, *, blocks: int = 10, seed: int = 7, hostile: str = "") -> RunDirectory:
    """Write a whole run below ``root``; ``hostile`` is put into every text it can reach."""
    run = make_run(blocks=blocks, seed=seed, hostile=hostile)
    directory = RunDirectory.create(root, run)
    with directory:
        for trial, samples in make_trials(run, hostile=hostile):
            directory.append(trial, samples)
        directory.finish(replace(run, finished_utc="2026-11-24T04:00:31Z"))
    return directory


def make_run(*, blocks: int = 10, seed: int = 7, hostile: str = "") -> Run:
    """run.json of such a run."""
    return Run(
        schema=SCHEMA,
        run_id=RUN_ID,
        created_utc="2026-11-24T03:51:04Z",
        tarebench="0.1.0",
        command=(
            "invoke",
            "bench",
            "--backend",
            "all",
            "--seed",
            str(seed),
            *([hostile] * bool(hostile)),
        ),
        seed=seed,
        suite="quick",
        size={"iterations": 3, "seconds": 1},
        rounds={},
        blocks=blocks,
        emulated_blocks=2,
        arms=tuple(_arm(backend, profile, hostile) for backend, profile in ARMS),
        workloads=tuple(_workload(name) for name in WORKLOADS),
        skipped=(Skipped("oci", f"runc is not installed {hostile}", "apt-get install runc"),),
        limits={"cpus": [1], "cpu_quota": 1.0, "memory_bytes": 512 << 20},
        rootfs_digest="sha256:" + "5e" * 32,
        packages={
            "nginx": "1.22.1-9",
            "sysbench": "1.0.20+ds-5",
            **({hostile: hostile} if hostile else {}),
        },
        host={
            "cpu": {
                "model": f"AMD EPYC 7B13 {hostile}".strip(),
                "online": 2,
                "governor": "not visible",
            },
            "kernel": "6.1.0-41-cloud-amd64",
            "memory_bytes": 24 << 30,
            "cgroups": "hybrid",
            "clock_source": "tsc",
            "governor": None,
            "virtualisation": "kvm",
            "mitigations": {"spectre_v2": "Mitigation: Retpolines", "meltdown": "Not affected"},
        },
        notes=tuple([hostile] * bool(hostile)),
    )


def make_trials(run: Run, *, hostile: str = "") -> Iterator[tuple[Trial, list[Sample]]]:
    """Trials with their samples, in the order of a random-block schedule."""
    chance = random.Random(run.seed)
    number = 0
    for workload in WORKLOADS:
        for block in range(run.blocks):
            order = list(ARMS)
            chance.shuffle(order)
            for position, (backend, profile) in enumerate(order):
                number += 1
                yield _trial(
                    run, number, (workload, block, position, backend, profile), chance, hostile
                )


def _trial(
    run: Run,
    number: int,
    place: tuple[str, int, int, str, str],
    chance: random.Random,
    hostile: str,
) -> tuple[Trial, list[Sample]]:
    workload, block, position, backend, profile = place
    status: Status = "ok"
    findings: tuple[GateFinding, ...] = ()
    if backend == "kvm":
        status, findings = "invalid", (EMULATED,)
    elif number % 61 == 0:
        status, findings = "invalid", (SWAP,)
    elif number % 73 == 0:
        status = "failed"
    trial = Trial(
        run_id=run.run_id,
        trial_id=f"{workload}/{block}/{arm_name(backend, profile)}",
        attempt=1,
        block=block,
        position=position,
        backend=backend,
        profile=profile,
        workload=workload,
        status=status,
        findings=findings,
        error="sysbench: exit status 1" if status == "failed" else "",
        tail=f"FATAL: unable to allocate {hostile}\nline two" if status == "failed" else "",
        started_utc="2026-11-24T03:52:00Z",
        phases_ns=_phases(backend, chance),
        limits_outside={"cpus": [1], "cpu_quota": 1.0, "memory_bytes": 512 << 20},
        limits_inside={"cpus": [1], "cpu_quota": None, "memory_bytes": 512 << 20},
        program_digest="c0" * 32,
        pressure=Pressure(1.2, 0.001, 0.4, 0.02, 0.0, 0.0, 0),
        bookkeeping_ns=3 * MS,
    )
    return trial, [] if status == "failed" else _samples(trial, chance)


def _samples(trial: Trial, chance: random.Random) -> list[Sample]:
    shapes = WORKLOADS[trial.workload][1]
    iterations = 1 if trial.workload.startswith(("startup", "footprint")) else 3
    return [
        Sample(
            run_id=trial.run_id,
            trial_id=trial.trial_id,
            attempt=trial.attempt,
            block=trial.block,
            backend=trial.backend,
            profile=trial.profile,
            workload=trial.workload,
            metric=shape.metric,
            unit=shape.unit,
            direction=shape.direction,
            iteration=iteration,
            value=shape.native
            * shape.factors.get(trial.backend, 1.0)
            * chance.lognormvariate(0.0, shape.spread),
            valid=trial.status == "ok",
            reasons=tuple(finding.code for finding in trial.findings),
        )
        for shape in shapes
        for iteration in range(iterations)
    ]


def _phases(backend: str, chance: random.Random) -> dict[str, int]:
    typical = {
        "native": (0.4, 1.4, 6.1, 7.4, 7.9),
        "ns": (2.0, 4.2, 12.8, 14.8, 17.4),
        "docker": (48, 266, 335, 377, 395),
        "kvm": (120, 4060, 4209, 4292, 4345),
    }[backend]
    factor = chance.lognormvariate(0.0, 0.06)
    return {phase: int(ms * MS * factor) for phase, ms in zip(PHASES, typical, strict=True)}


def _arm(backend: str, profile: str, hostile: str) -> ArmRecord:
    daemons = {"docker": int(118 * MIB), "kvm": int(31 * MIB)}
    return ArmRecord(
        backend,
        profile,
        ("emulated",) if backend == "kvm" else (),
        {"docker": {"dockerd": f"20.10.24 {hostile}"}, "kvm": {"qemu": "7.2.17"}}.get(backend, {}),
        {"rootfs": "sha256:" + "5e" * 32},
        daemons.get(backend),
    )


def _workload(name: str) -> WorkloadRecord:
    title, shapes = WORKLOADS[name]
    metrics = tuple((shape.metric, shape.unit, shape.direction) for shape in shapes)
    return WorkloadRecord(name, name.partition(".")[0], title, shapes[0].metric, metrics)
