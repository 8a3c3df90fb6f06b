"""Label discipline: a daemon may list anything; only what carries our label is removed."""

from __future__ import annotations

import pytest

from runtimes.conventions import LABEL
from runtimes.docker import ours
from runtimes.docker.sweep import label_filter
from tests.support.docker_fakes import FakeClient

RUN = "3fa9c1"


def listed(identifier: str, labels: object) -> dict[str, object]:
    return {"Id": identifier, "Labels": labels}


HOSTILE: list[object] = [
    listed("users", {}),
    listed("users2", None),
    listed("other", {LABEL: "aaaaaa"}),
    listed("", {LABEL: RUN}),
    {"Labels": {LABEL: RUN}},
    listed("longer", {LABEL: RUN + "0"}),
    "nonsense",
    None,
    listed("mine", {LABEL: RUN}),
]


def test_only_objects_with_exactly_our_runs_label_are_removed_whatever_is_listed() -> None:
    client = FakeClient(container_list=HOSTILE, network_list=HOSTILE)
    removed = ours.remove(client, RUN)
    assert client.named("remove") == [("mine", True, True)]
    assert client.named("remove_network") == ["mine"]
    assert removed == ["container mine", "network mine"]


def test_the_daemon_is_asked_for_our_label_only() -> None:
    client = FakeClient()
    ours.remove(client, RUN)
    assert client.named("containers") == [(True, {"label": f"{LABEL}={RUN}"})]
    assert client.named("networks") == [{"label": f"{LABEL}={RUN}"}]


def test_a_private_daemon_is_emptied_of_ours_of_every_run_and_of_nothing_else() -> None:
    client = FakeClient(container_list=HOSTILE)
    ours.remove_every_container(client)
    assert [call[0] for call in client.named("remove")] == [  # type: ignore[index]  # tuples
        "other",
        "longer",
        "mine",
    ]


@pytest.mark.parametrize("answer", [None, {}, "x", 7])
def test_an_answer_that_is_no_list_removes_nothing(answer: object) -> None:
    client = FakeClient(container_list=answer, network_list=answer)
    assert ours.remove(client, RUN) == []


def test_an_empty_run_is_refused_as_it_would_match_everything() -> None:
    with pytest.raises(ValueError, match="empty run"):
        label_filter("")
