from typing import Any, IO

ALLOW: int
EQ: int
NE: int
MASKED_EQ: int

def ERRNO(x: int) -> int: ...
def resolve_syscall(arch: int, name: str) -> int: ...

class Arch:
    NATIVE: int
    X86: int
    X86_64: int
    X32: int
    ARM: int
    AARCH64: int

class Attr:
    CTL_OPTIMIZE: int

class Arg:
    def __init__(self, arg: int, op: int, data_a: int, data_b: int = ...) -> None: ...

class SyscallFilter:
    def __init__(self, defaction: int) -> None: ...
    def set_attr(self, attr: int, value: int) -> None: ...
    def add_arch(self, arch: int) -> None: ...
    def add_rule(self, action: int, syscall: int | str, *args: Any) -> None: ...
    def export_bpf(self, file: IO[bytes]) -> None: ...
