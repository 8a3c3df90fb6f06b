"""The part of libvirt-python's QEMU extensions that the kvm runtime uses."""

from collections.abc import Callable

from libvirt import virConnect, virDomain

def qemuMonitorCommandWithFiles(  # noqa: N802
    domain: virDomain, cmd: str, files: list[int] = ..., flags: int = ...
) -> tuple[str, list[object]]: ...
def qemuMonitorEventRegister(  # noqa: N802
    conn: virConnect,
    dom: virDomain,
    event: str | None,
    cb: Callable[..., None],
    opaque: object,
    flags: int = ...,
) -> int: ...
def qemuMonitorEventDeregister(conn: virConnect, callbackID: int) -> None: ...  # noqa: N802, N803
def qemuMonitorCommand(domain: virDomain, cmd: str, flags: int) -> str: ...  # noqa: N802
