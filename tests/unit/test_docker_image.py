from __future__ import annotations

from pathlib import Path

import docker.errors
import pytest

from runtimes.docker import api, image
from runtimes.docker.request import ROOTFS_LABEL
from runtimes.faults import RuntimeFault
from runtimes.images.rootfs.rootfs import Rootfs
from tests.support.docker_fakes import DIGEST, FakeClient, labelled

MISSING = docker.errors.ImageNotFound("404", explanation="No such image")


@pytest.fixture
def rootfs(tmp_path: Path) -> Rootfs:
    archive = tmp_path / "rootfs.tar"
    archive.write_bytes(b"tar" * 1000)
    return Rootfs(DIGEST, tmp_path, archive, {}, {}, 3000, "amd64")


def ensure(
    monkeypatch: pytest.MonkeyPatch, client: FakeClient, rootfs: Rootfs, said: list[str]
) -> image.Image:
    monkeypatch.setattr(api, "connect", lambda _address, **_: client)
    return image.ensure(client, "unix:///nowhere", rootfs, said.append)


def test_an_image_that_is_there_is_not_imported_again(
    monkeypatch: pytest.MonkeyPatch, rootfs: Rootfs
) -> None:
    client, said = FakeClient(), list[str]()
    assert ensure(monkeypatch, client, rootfs, said) == image.Image("sha256:1", DIGEST)
    assert client.named("import") == []
    assert said == []


def test_a_missing_image_is_imported_whole_with_its_label(
    monkeypatch: pytest.MonkeyPatch, rootfs: Rootfs
) -> None:
    client, said = FakeClient(image=MISSING), list[str]()
    assert ensure(monkeypatch, client, rootfs, said).rootfs == DIGEST
    label = f"LABEL {ROOTFS_LABEL}={DIGEST}"
    sent = (b"tar" * 1000, "tarebench/rootfs", "abababababab", [label])
    assert client.named("import") == [sent]
    assert "importing" in said[0]


def test_an_image_of_another_root_filesystem_under_our_tag_is_replaced(
    monkeypatch: pytest.MonkeyPatch, rootfs: Rootfs
) -> None:
    client = FakeClient(image=labelled("sha256:" + "00" * 32))
    ensure(monkeypatch, client, rootfs, [])
    assert len(client.named("import")) == 1


@pytest.mark.parametrize("shown", [labelled("sha256:other"), {}, None, MISSING])
def test_an_import_that_shows_no_such_label_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, rootfs: Rootfs, shown: object
) -> None:
    client = FakeClient(image=MISSING, image_after_import=shown)
    with pytest.raises(RuntimeFault, match="does not carry the digest"):
        ensure(monkeypatch, client, rootfs, [])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ('{"status": "x"}\n{"error": "no space left on device"}\n', "no space left"),
        ("<html>", "no JSON"),
        (b"bytes", "no text"),
        (None, "no text"),
    ],
)
def test_a_complaint_in_the_answer_to_an_import_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, rootfs: Rootfs, answer: object, words: str
) -> None:
    client = FakeClient(image=MISSING, import_answer=answer)
    with pytest.raises(RuntimeFault, match=words):
        ensure(monkeypatch, client, rootfs, [])


def test_another_refusal_than_missing_is_not_taken_for_missing(
    monkeypatch: pytest.MonkeyPatch, rootfs: Rootfs
) -> None:
    client = FakeClient(image=docker.errors.APIError("500", explanation="broken store"))
    with pytest.raises(RuntimeFault, match="broken store"):
        ensure(monkeypatch, client, rootfs, [])
    assert client.named("import") == []


def test_a_private_daemon_keeps_the_newest_images_of_ours_only() -> None:
    ours = [
        {"Id": f"i{n}", "Created": n, "Labels": {ROOTFS_LABEL: DIGEST}} for n in (3, 1, 5, 2, 4)
    ]
    client = FakeClient(image_list=[*ours, {"Id": "users", "Created": 0, "Labels": None}])
    image.prune(client)
    assert client.named("remove_image") == ["i2", "i1"]
