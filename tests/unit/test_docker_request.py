from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from runtimes.base import InstanceSpec
from runtimes.conventions import LABEL
from runtimes.docker.request import (
    PORT_SHIFT,
    Place,
    container_config,
    image_tag,
    published_port,
)
from runtimes.faults import RuntimeFault
from tests.support.docker_fakes import DIGEST, LEASE, LIMITS

SPEC = InstanceSpec(name="tb-3fa9c1-7", profile="default", limits=LIMITS, lease=LEASE)


def config(profile: str = "default") -> dict[str, Any]:
    spec = dataclasses.replace(SPEC, profile=profile)
    return container_config(spec, run="3fa9c1", image="sha256:1", place=Place("198.18.0.1"))


def test_the_limits_of_the_plan_are_asked_for_and_swap_is_none() -> None:
    host = config()["HostConfig"]
    assert host["CpusetCpus"] == "0,1"
    assert host["NanoCpus"] == 1_500_000_000
    assert host["Memory"] == host["MemorySwap"] == 512 << 20
    assert host["PidsLimit"] == 2048


def test_the_agent_is_the_entry_point_and_its_channel_is_no_terminal() -> None:
    body = config()
    assert body["Entrypoint"] == ["/opt/tarebench/agent"]
    assert not body["Tty"]
    assert body["OpenStdin"]
    assert body["StdinOnce"], "a killed harness must end the container's input"


def test_every_container_carries_the_label_of_its_run() -> None:
    assert config()["Labels"] == {LABEL: "3fa9c1"}


def test_the_default_profile_is_what_people_get_a_bridge_and_a_published_port() -> None:
    body = config()
    assert body["HostConfig"]["NetworkMode"] == "bridge"
    assert body["HostConfig"]["PortBindings"] == {
        "8080/tcp": [{"HostIp": "198.18.0.1", "HostPort": str(20003 + PORT_SHIFT)}]
    }
    assert body["HostConfig"]["SecurityOpt"] == []


def test_host_net_publishes_nothing_and_listens_where_it_is() -> None:
    body = config("host-net")
    assert body["HostConfig"]["NetworkMode"] == "host"
    assert body["HostConfig"]["PortBindings"] == {}
    assert published_port(dataclasses.replace(SPEC, profile="host-net")) == 8080


def test_no_seccomp_differs_from_default_in_that_alone() -> None:
    default, without = config(), config("no-seccomp")
    assert without["HostConfig"].pop("SecurityOpt") == ["seccomp=unconfined"]
    default["HostConfig"].pop("SecurityOpt")
    assert default == without


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RuntimeFault, match="no profile 'rootless'") as caught:
        config("rootless")
    assert "host-net" in caught.value.hint


def test_nothing_restarts_or_logs_what_ran() -> None:
    host = config()["HostConfig"]
    assert host["RestartPolicy"] == {"Name": "no"}
    assert host["LogConfig"] == {"Type": "none"}


def test_an_image_is_named_by_twelve_digits_of_its_root_filesystem() -> None:
    assert image_tag(DIGEST) == "abababababab"
    with pytest.raises(RuntimeFault, match="no digest"):
        image_tag("sha256:../../etc")
