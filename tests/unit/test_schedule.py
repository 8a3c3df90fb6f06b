from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.plan.schedule import Arm, schedule

ARMS = [Arm("native"), Arm("native", "aa"), Arm("ns"), Arm("docker"), Arm("kvm")]
WORKLOADS = ["cpu.sysbench", "memory.stream", "startup.http"]


@given(seed=st.integers(0, 2**32), blocks=st.integers(1, 6), rounds=st.integers(1, 3))
def test_every_block_holds_every_arm_once(seed: int, blocks: int, rounds: int) -> None:
    slots = list(
        schedule(ARMS, WORKLOADS, blocks=blocks, seed=seed, rounds={"startup.http": rounds})
    )
    seen = Counter((slot.workload, slot.block, slot.arm) for slot in slots)
    assert set(seen.values()) == {1}
    for workload in WORKLOADS:
        count = blocks * (rounds if workload == "startup.http" else 1)
        assert {block for name, block, _ in seen if name == workload} == set(range(1, count + 1))
        assert sum(name == workload for name, _, _ in seen) == count * len(ARMS)


@given(seed=st.integers(0, 2**32))
def test_the_order_depends_on_the_seed_alone(seed: int) -> None:
    once = list(schedule(ARMS, WORKLOADS, blocks=3, seed=seed))
    again = list(schedule(ARMS[::-1], WORKLOADS[::-1], blocks=3, seed=seed))
    assert once == again


def test_arms_of_a_block_are_neighbours_in_time() -> None:
    slots = list(schedule(ARMS, WORKLOADS, blocks=2, seed=1))
    for start in range(0, len(slots), len(ARMS)):
        block = slots[start : start + len(ARMS)]
        assert len({(slot.workload, slot.block) for slot in block}) == 1
        assert [slot.position for slot in block] == list(range(len(ARMS)))


def test_no_arm_keeps_its_place() -> None:
    firsts = {slot.arm for slot in schedule(ARMS, ["w"], blocks=60, seed=7) if slot.position == 0}
    assert firsts == set(ARMS)


def test_trial_ids_are_unique() -> None:
    ids = [slot.trial_id for slot in schedule(ARMS, WORKLOADS, blocks=4, seed=3)]
    assert len(ids) == len(set(ids))
    assert "cpu.sysbench-b001-native:aa" in ids
