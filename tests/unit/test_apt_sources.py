"""The distribution's own archive is found in the host's sources, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimes.images.rootfs.apt_sources import archive_lines, parse_deb822, parse_one_line, read
from runtimes.images.rootfs.recipe import Distribution

BOOKWORM = Distribution("debian", "bookworm")
NOBLE = Distribution("ubuntu", "noble")

DEBIAN_DEB822 = """\
Types: deb deb-src
# a comment inside
URIs: http://deb.debian.org/debian
Suites: bookworm bookworm-updates
Components: main contrib
 non-free
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""

UBUNTU_DEB822 = """\
Types: deb
URIs: http://archive.ubuntu.com/ubuntu/
Suites: noble noble-updates noble-backports
Components: main universe restricted multiverse
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg
"""

THIRD_PARTIES = """\
deb https://download.docker.com/linux/debian bookworm stable
deb [signed-by=/usr/share/keyrings/hashicorp.gpg] https://apt.releases.hashicorp.com bookworm main
deb [signed-by=/etc/apt/keyrings/x.gpg] http://mirror.example/debian bookworm main
deb https://packages.cloud.google.com/apt cloud-sdk-bookworm main
deb http://apt.postgresql.org/pub/repos/apt bookworm-pgdg main
deb http://example.com/ ./
deb https://deb.nodesource.com/node_20.x nodistro main
"""


def lines(text: str, distribution: Distribution = BOOKWORM, *, arch: str = "amd64") -> list[str]:
    parse = parse_deb822 if text.startswith("Types") else parse_one_line
    return list(archive_lines(parse(text), distribution, arch))


def test_debians_deb822_file_gives_main_of_each_suite() -> None:
    key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    assert lines(DEBIAN_DEB822) == [
        f"deb {key} http://deb.debian.org/debian bookworm main",
        f"deb {key} http://deb.debian.org/debian bookworm-updates main",
        f"deb {key} http://deb.debian.org/debian-security bookworm-security main",
    ]


def test_ubuntus_file_gives_main_and_universe_without_backports() -> None:
    key = "[signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg]"
    assert lines(UBUNTU_DEB822, NOBLE) == [
        f"deb {key} http://archive.ubuntu.com/ubuntu/ noble main universe",
        f"deb {key} http://archive.ubuntu.com/ubuntu/ noble-updates main universe",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "deb http://deb.debian.org/debian bookworm main",
        "deb http://security.debian.org/ bookworm/updates main",
        "deb https://mirror.corp.example/mirrors/debian stable main",
        "deb mirror+file:/etc/apt/mirrors/debian.list bookworm-updates main",
        "deb [trusted=yes] file:///srv/debian bookworm main",
    ],
)
def test_a_mirror_of_the_archive_is_kept_as_it_is(line: str) -> None:
    assert lines(line) == [line]


@pytest.mark.parametrize("line", THIRD_PARTIES.splitlines())
def test_a_third_party_is_left_out(line: str) -> None:
    own = "deb http://deb.debian.org/debian bookworm main"
    assert lines(f"{line}\n{own}\n") == [own]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# deb http://deb.debian.org/debian bookworm main",
        "deb-src http://deb.debian.org/debian bookworm main",
        "deb http://deb.debian.org/debian bookworm contrib",
        "deb http://deb.debian.org/debian buster main",
        DEBIAN_DEB822.replace("Types: ", "Types: deb\nEnabled: no\nX: "),
    ],
)
def test_a_host_without_a_usable_source_gets_the_public_archive(text: str) -> None:
    assert lines(text) == [
        "deb http://deb.debian.org/debian bookworm main",
        "deb http://deb.debian.org/debian bookworm-updates main",
        "deb http://deb.debian.org/debian-security bookworm-security main",
    ]


def test_ubuntus_public_archive_depends_on_the_architecture() -> None:
    assert "ports.ubuntu.com" in lines("", NOBLE, arch="arm64")[0]
    assert "archive.ubuntu.com" in lines("", NOBLE, arch="amd64")[0]


def test_a_key_written_into_the_file_is_no_line_for_mmdebstrap() -> None:
    text = UBUNTU_DEB822.replace(
        "Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg",
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n xyz",
    )
    assert all("BEGIN" not in line for line in lines(text, NOBLE))


def test_sources_are_read_in_apts_order_and_only_from_its_files(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.debian.org/debian bookworm main\n")
    for name in ("z.list", "b.list", "c.list.disabled"):
        text = f"deb http://{name[0]}.debian.org/debian bookworm main\n"
        (tmp_path / "sources.list.d" / name).write_text(text)
    assert [source.uri[7] for source in read(tmp_path)] == ["a", "b", "z"]


def test_a_host_without_apt_has_no_sources(tmp_path: Path) -> None:
    assert read(tmp_path / "nothing") == []
