"""The part of libvirt-python that the kvm runtime uses."""

from collections.abc import Callable
from typing import Any

VIR_DOMAIN_AFFECT_LIVE: int
VIR_DOMAIN_EVENT_ID_LIFECYCLE: int
VIR_DOMAIN_EVENT_CRASHED: int
VIR_DOMAIN_EVENT_RESUMED: int
VIR_DOMAIN_EVENT_SHUTDOWN: int
VIR_DOMAIN_EVENT_STARTED: int
VIR_DOMAIN_EVENT_STOPPED: int
VIR_DOMAIN_START_PAUSED: int
VIR_ERR_AUTH_FAILED: int
VIR_ERR_INTERNAL_ERROR: int
VIR_ERR_NO_CONNECT: int
VIR_ERR_NO_DOMAIN: int
VIR_ERR_OPERATION_INVALID: int
VIR_ERR_SYSTEM_ERROR: int
VIR_ERR_XML_ERROR: int

class libvirtError(Exception):  # noqa: N801, N818  # libvirt's own name
    def get_error_code(self) -> int: ...
    def get_error_message(self) -> str: ...

class virDomain:  # noqa: N801  # libvirt's own name
    def name(self) -> str: ...
    def ID(self) -> int: ...  # noqa: N802  # libvirt's own name
    def resume(self) -> int: ...
    def suspend(self) -> int: ...
    def connect(self) -> virConnect: ...
    def destroy(self) -> int: ...
    def blockInfo(self, path: str, flags: int = ...) -> list[int]: ...  # noqa: N802
    def maxMemory(self) -> int: ...  # noqa: N802  # libvirt's own name
    def vcpuPinInfo(self, flags: int = ...) -> list[tuple[bool, ...]]: ...  # noqa: N802

class virConnect:  # noqa: N801  # libvirt's own name
    def close(self) -> int: ...
    def isAlive(self) -> int: ...  # noqa: N802  # libvirt's own name
    def setKeepAlive(self, interval: int, count: int) -> int: ...  # noqa: N802
    def getURI(self) -> str: ...  # noqa: N802  # libvirt's own name
    def getVersion(self) -> int: ...  # noqa: N802  # libvirt's own name
    def getLibVersion(self) -> int: ...  # noqa: N802  # libvirt's own name
    def createXML(self, xmlDesc: str, flags: int = ...) -> virDomain: ...  # noqa: N802, N803
    def domainXMLToNative(  # noqa: N802  # libvirt's own name
        self, nativeFormat: str, domainXml: str, flags: int = ...  # noqa: N803
    ) -> str: ...
    def lookupByName(self, name: str) -> virDomain: ...  # noqa: N802  # libvirt's own name
    def listAllDomains(self, flags: int = ...) -> list[virDomain]: ...  # noqa: N802
    def domainEventRegisterAny(  # noqa: N802  # libvirt's own name
        self,
        dom: virDomain | None,
        eventID: int,  # noqa: N803  # libvirt's own name
        cb: Callable[[virConnect, virDomain, int, int, Any], None],
        opaque: Any,
    ) -> int: ...
    def domainEventDeregisterAny(self, callbackID: int) -> int: ...  # noqa: N802, N803

def open(name: str | None = ...) -> virConnect: ...  # noqa: A001  # libvirt's own name
def getVersion(name: str | None = ...) -> int: ...  # noqa: N802  # libvirt's own name
def virEventRegisterDefaultImpl() -> int: ...  # noqa: N802  # libvirt's own name
def virEventRunDefaultImpl() -> int: ...  # noqa: N802  # libvirt's own name
def registerErrorHandler(  # noqa: N802  # libvirt's own name
    f: Callable[[Any, Any], None], ctx: Any
) -> int: ...
