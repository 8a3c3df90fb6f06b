"""Remove our own objects from a daemon, by the label of one run, and nothing else."""

from __future__ import annotations

from runtimes.conventions import LABEL
from runtimes.docker import api
from runtimes.docker.sweep import label_filter


def remove(client: api.Client, run: str) -> list[str]:
    """Remove containers and networks that carry the label of ``run``; one line for each.

    The daemon filters by label, and every answer is checked again: an object without exactly
    our label is left alone, whatever the daemon says.

    Raises:
        RuntimeFault: the daemon refuses or is gone.
    """
    removed = []
    with api.speaking("list our containers"):
        containers = client.containers(all=True, filters=label_filter(run))
    for entry in api.items(containers):
        identifier = api.text(entry, "Id")
        if identifier and api.text(entry, "Labels", LABEL) == run:
            with api.speaking(f"remove container {identifier[:12]}"):
                client.remove_container(identifier, v=True, force=True)
            removed.append(f"container {identifier[:12]}")
    with api.speaking("list our networks"):
        networks = client.networks(filters=label_filter(run))
    for entry in api.items(networks):
        identifier = api.text(entry, "Id")
        if identifier and api.text(entry, "Labels", LABEL) == run:
            with api.speaking(f"remove network {identifier[:12]}"):
                client.remove_network(identifier)
            removed.append(f"network {identifier[:12]}")
    return removed


def remove_every_container(client: api.Client) -> None:
    """Empty a private daemon of the containers that a killed run left in its data root.

    Even there only what carries our label goes, of whatever run.
    """
    with api.speaking("list containers"):
        containers = client.containers(all=True, filters={"label": LABEL})
    for entry in api.items(containers):
        identifier = api.text(entry, "Id")
        if identifier and api.text(entry, "Labels", LABEL):
            with api.speaking(f"remove container {identifier[:12]}"):
                client.remove_container(identifier, v=True, force=True)
