"""The command by hand: look, unpack, write, collect; faults are a sentence and a next step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtimes.images.layers.store.store import LayerStore
from runtimes.standalone.image import __main__ as command


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> object:
    """Run the command line: exit status, output, complaints."""
    monkeypatch.setenv("TAREBENCH_CACHE", str(tmp_path / "cache"))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["oci", *map(str, arguments)])
        status = command.main()
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/x").write_text("x")
    os.link(tree / "etc/x", tree / "etc/y")
    return tree


@pytest.mark.parametrize("image", ["layout", "archive.tar"])
def test_a_directory_becomes_an_image_and_comes_out_again(
    call: object, tree: Path, tmp_path: Path, image: str
) -> None:
    assert callable(call)
    status, digest, _ = call("pack", tree, tmp_path / image, "--name", "x")
    assert (status, digest[:7]) == (0, "sha256:")
    status, told, _ = call("inspect", tmp_path / image)
    assert digest.strip() in told
    status, told, _ = call("unpack", tmp_path / image, tmp_path / "out")
    assert status == 0
    assert (tmp_path / "out/etc/x").samefile(tmp_path / "out/etc/y")
    status, told, _ = call("gc", "--grace", "0")
    assert (status, told.splitlines()[-1][:17]) == (0, "1 layers removed ")


def test_a_pulled_image_is_layers_for_a_mount_until_it_is_let_go(
    call: object, tree: Path, tmp_path: Path
) -> None:
    assert callable(call)
    call("pack", tree, tmp_path / "l", "--name", "x")
    status, directories, _ = call("pull", tmp_path / "l", "docker.io/x:1")
    assert status == 0
    assert Path(directories.strip(), "etc/x").is_file()
    assert call("layers", "docker.io/x:1")[1] == directories
    assert call("gc", "--grace", "0")[1] == "0 layers removed (0 bytes), 1 kept\n"
    assert call("rm", "docker.io/x:1")[0] == 0
    assert call("layers", "docker.io/x:1")[2].endswith("there are: none\n")


def test_images_are_listed_with_who_uses_them_and_one_in_use_goes_later(
    call: object, tree: Path, tmp_path: Path
) -> None:
    assert callable(call)
    call("pack", tree, tmp_path / "l", "--name", "x")
    call("pull", tmp_path / "l", "x:1")
    store = LayerStore(tmp_path / "cache/layers")
    assert call("images")[1].split("\t")[2:] == ["1 layers", "0 MiB", "-\n"]
    store.hold("abc123", store.image("x:1"))
    assert call("images")[1].endswith("\tabc123\n")
    assert call("rm", "x:1")[1].endswith("its layers stay until abc123 lets go\n")
    assert call("gc", "--limit", "0")[1] == "0 layers removed (0 bytes), 1 kept\n"
    store.release("abc123")
    assert call("gc", "--limit", "0")[1].startswith("removed sha256:")


def test_a_limit_lets_go_of_images(call: object, tree: Path, tmp_path: Path) -> None:
    assert callable(call)
    call("pack", tree, tmp_path / "l", "--name", "x")
    call("pull", tmp_path / "l", "x:1")
    assert call("gc", "--limit", "1000")[1] == "0 layers removed (0 bytes), 1 kept\n"
    assert call("gc", "--limit", "0")[1].startswith("let go of x:1\nremoved sha256:")
    assert call("images")[1] == ""


def test_a_fault_is_a_sentence_and_a_next_step(call: object, tree: Path, tmp_path: Path) -> None:
    assert callable(call)
    call("pack", tree, tmp_path / "l", "--name", "x")
    status, out, told = call("unpack", tmp_path / "l", tmp_path / "out", "--name", "y")
    assert (status, out) == (1, "")
    assert told.endswith(f"{tmp_path}/l: no image 'y'\nthere are: x\n")
    assert not (tmp_path / "out").exists()
    status, _, told = call("unpack", tmp_path / "l", tree)
    assert status == 1
    assert "File exists" in told


def test_a_damaged_record_is_named_and_let_go_by_name(
    call: object, tree: Path, tmp_path: Path
) -> None:
    assert callable(call)
    call("pack", tree, tmp_path / "l", "--name", "x")
    for tag in ("docker.io/x:1", "good"):
        call("pull", tmp_path / "l", tag)
    (tmp_path / "cache/layers/images/docker.io%2Fx%3A1.json").write_text(" " * (5 << 20))
    status, out, told = call("images")
    assert (status, out.split("\t")[0]) == (0, "good")
    assert "damaged: the image 'docker.io/x:1'" in told
    assert "rm docker.io/x:1" in told
    status, out, told = call("gc", "--grace", "0")
    assert (status, out) == (0, "0 layers removed (0 bytes), 1 kept\n")
    assert "docker.io/x:1" in told
    assert call("rm", "docker.io/x:1")[:2] == (0, "docker.io/x:1 (its record was damaged)\n")
    assert call("images")[2] == ""
