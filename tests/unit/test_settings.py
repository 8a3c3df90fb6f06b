"""What a box by hand runs: the image's own configuration, and what the command line changes."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from runtimes.faults import RuntimeFault
from runtimes.images.layers.store.records import StoredImage
from runtimes.standalone.box import settings

IMAGE = StoredImage(
    "x", "sha256:" + "0" * 64, "amd64", ("sha256:" + "0" * 64,),
    entrypoint=("serve", "-v"), command=("--all",),
    environment=("A=1=2", "PATH=/app"), directory="/srv/../srv//app/", user="web:www",
)  # fmt: skip


def changed(**fields: object) -> StoredImage:
    return msgspec.structs.replace(IMAGE, **fields)


def test_an_image_runs_its_entrypoint_with_its_command() -> None:
    environment = {"PATH": "/app", "TERM": "dumb", "A": "1=2"}
    assert settings.of_image(IMAGE, (), "dumb") == settings.Settings(
        ("serve", "-v", "--all"), environment, "/srv/app", "web:www"
    )


def test_a_command_takes_the_place_of_the_images_own_and_not_of_its_entrypoint() -> None:
    assert settings.of_image(IMAGE, ("--one",), "").argv == ("serve", "-v", "--one")
    assert settings.of_image(changed(entrypoint=()), ("ls",), "").argv == ("ls",)


def test_an_image_without_a_path_gets_the_usual_one() -> None:
    found = settings.of_image(changed(environment=()), (), "xterm")
    assert found.environment["PATH"].endswith("/bin")
    assert "LC_ALL" not in found.environment


@pytest.mark.parametrize("directory", ["/", "", "../..", "//", "/.."])
def test_no_working_directory_leaves_the_root(directory: str) -> None:
    assert settings.of_image(changed(directory=directory), (), "").directory == "/"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"entrypoint": (), "command": ()}, "names no command"),
        ({"environment": ("A",)}, "no environment variable"),
        ({"environment": ("=1",)}, "no environment variable"),
        ({"environment": ("A=\0",)}, "NUL"),
        ({"command": ("a\0b",)}, "NUL"),
        ({"command": ("\ud800",)}, "is not text"),
        ({"user": "a\0"}, "NUL"),
        ({"directory": "/a\0b"}, "NUL"),
        ({"directory": "/a" * 300}, "too long or too deep"),
        ({"directory": "/" + "a" * 5000}, "too long or too deep"),
    ],
)
def test_a_configuration_that_cannot_be_taken_is_refused(
    fields: dict[str, object], words: str
) -> None:
    with pytest.raises(RuntimeFault, match=words):
        settings.of_image(changed(**fields), (), "")


def test_bare_layers_need_a_command() -> None:
    assert settings.of_command(("ls",), "dumb").argv == ("ls",)
    with pytest.raises(RuntimeFault, match="no command"):
        settings.of_command((), "dumb")
    assert replace(settings.of_command(("ls",), ""), user="x").user == "x"


def test_the_command_line_changes_user_directory_and_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OURS", "yes")
    made = settings.of_command(["x"], "dumb")
    changed = settings.changed(
        made, environment=["A=1=2", "OURS", "EMPTY="], directory="/srv/..//x/", user="1:2"
    )
    assert {"A": "1=2", "OURS": "yes", "EMPTY": ""}.items() <= changed.environment.items()
    assert (changed.directory, changed.user) == ("/x", "1:2")
    assert settings.changed(made, environment=(), directory=None, user=None) == made


@pytest.mark.parametrize(
    ("environment", "directory", "user"),
    [(["=x"], None, None), (["NOT_SET_HERE"], None, None), ([], "x", None), ([], "/x\0", None),
     ([], None, "a\0"), ([], "/" + "x/" * 300, None)],
)  # fmt: skip
def test_what_no_program_can_be_given_is_refused(
    environment: list[str], directory: str | None, user: str | None
) -> None:
    made = settings.of_command(["x"], "dumb")
    with pytest.raises(RuntimeFault):
        settings.changed(made, environment=environment, directory=directory, user=user)
