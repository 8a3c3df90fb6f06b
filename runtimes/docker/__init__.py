"""Containers through the Docker Engine API, by the user's daemon or a private one."""

from runtimes.docker.runtime import DockerRuntime

__all__ = ["DockerRuntime"]
