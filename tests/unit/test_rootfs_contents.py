"""What of the distribution's packages gets into the root filesystem."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimes.faults import RuntimeFault
from runtimes.images.canonical import Entry
from runtimes.images.rootfs.contents import is_kept, without_leavings
from runtimes.images.rootfs.rootfs import Rootfs

POSTGRES = "/usr/lib/postgresql/15/bin/postgres"


def rootfs(*programs: str) -> Rootfs:
    nowhere = Path("/nowhere")
    digests = {path: f"{number:064x}" for number, path in enumerate(programs)}
    return Rootfs("sha256:0", nowhere, nowhere, digests, {}, 0, "amd64")


@pytest.mark.parametrize(
    "name",
    [
        "var/lib/postgresql/15/main/PG_VERSION",  # the cluster that installing the package makes
        "etc/postgresql/15/main/postgresql.conf",
        "etc/ssl/private/ssl-cert-snakeoil.key",
        "etc/ssl/certs/ssl-cert-snakeoil.pem",
        "usr/lib/postgresql/15/lib/bitcode/postgres.index.bc",
        "usr/lib/postgresql/15/lib/llvmjit.so",
        "usr/lib/x86_64-linux-gnu/libLLVM-14.so.1",
        "usr/lib/aarch64-linux-gnu/libz3.so.4",
        "usr/share/i18n/charmaps/UTF-8.gz",
    ],
)
def test_what_a_server_made_on_its_own_and_what_nobody_runs_is_left_out(name: str) -> None:
    assert not is_kept(name)


@pytest.mark.parametrize(
    "name",
    [
        "var/lib/postgresql",
        "usr/lib/postgresql/15/bin/postgres",
        "usr/lib/postgresql/15/lib/plpgsql.so",
        "usr/lib/x86_64-linux-gnu/libicudata.so.72.1",
        "etc/ssl/certs/ca-certificates.crt",
    ],
)
def test_what_runs_is_kept(name: str) -> None:
    assert is_kept(name)


def test_links_to_a_certificate_that_was_made_go_with_it() -> None:
    link = Entry("etc/ssl/certs/62742064.0", "symlink", 0o777, link="ssl-cert-snakeoil.pem")
    other = Entry("etc/ssl/certs/5ad8a5d6.0", "symlink", 0o777, link="GlobalSign_Root_CA.pem")
    log = Entry("var/log/dpkg.log", "file", content=b"1")
    directory = Entry("var/log/nginx", "directory", 0o755)
    assert without_leavings([link, other, log, directory]) == [other, directory]


def test_a_version_in_a_path_is_found() -> None:
    assert rootfs(POSTGRES, "/usr/bin/xz").locate("/usr/lib/postgresql/*/bin/postgres") == POSTGRES


def test_a_plain_path_stays_as_it_is() -> None:
    assert rootfs().locate("/usr/sbin/nginx") == "/usr/sbin/nginx"


@pytest.mark.parametrize("programs", [(), (POSTGRES, POSTGRES.replace("15", "17"))])
def test_a_version_that_is_missing_or_ambiguous_is_refused(programs: tuple[str, ...]) -> None:
    with pytest.raises(RuntimeFault, match=f"means {len(programs)} programs"):
        rootfs(*programs).locate("/usr/lib/postgresql/*/bin/postgres")


def test_a_star_stands_for_one_part_of_a_path() -> None:
    deeper = "/usr/lib/postgresql/15/old/bin/postgres"
    assert rootfs(POSTGRES, deeper).locate("/usr/lib/postgresql/*/bin/postgres") == POSTGRES
