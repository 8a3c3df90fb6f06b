"""Limits of a plan: each is taken at the limit, named one above it, and is the launcher's own."""

from __future__ import annotations

import ast
import re
import socket
import struct
from unittest import mock

import pytest

from runtimes.faults import RuntimeFault
from runtimes.launcher import Plan, Side, Step, limits
from runtimes.launcher import operations as ops
from runtimes.launcher.operations import Operation
from runtimes.launcher.program import SOURCES
from runtimes.launcher.server import Server
from runtimes.ns.mounts import extra_mounts
from runtimes.ns.mounts.extra_mounts import Bound

ONE_ARGUMENT = limits.argument_bytes()


def pack(*operations: Operation) -> bytes:
    return Plan(tuple(Step(Side.CHILD, "x", each) for each in operations)).pack()


def run(*argv: str, environment: int = 0) -> ops.Execute:
    variables = tuple((f"V{number}", "x") for number in range(environment))
    return ops.Execute(argv, variables, init=True)


def refused(*operations: Operation) -> tuple[str, str]:
    with pytest.raises(RuntimeFault) as caught:
        pack(*operations)
    assert caught.value.hint
    return str(caught.value), caught.value.hint


def test_the_header_says_what_we_say() -> None:
    """The one list in C, term by term."""
    text = (SOURCES / "limits.h").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    found = dict(re.findall(r"^ +([A-Z_]+) = ([\d <]+),", text, flags=re.MULTILINE))
    values = {name: _value(expression) for name, expression in found.items()}
    assert values == {name: getattr(limits, name) for name in values}
    assert set(values) == {"MESSAGE_BYTES", "MAX_STEPS", "MAX_NUMBERS", "MAX_STRINGS", "MAX_PASSED",
                           "MAX_HELD"}  # fmt: skip


def _value(expression: str) -> int:
    """Of a number, or of one that is shifted."""
    node = ast.parse(expression.strip(), mode="eval").body
    if isinstance(node, ast.BinOp):
        assert isinstance(node.op, ast.LShift)
        return int(ast.literal_eval(node.left)) << int(ast.literal_eval(node.right))
    return int(ast.literal_eval(node))


def test_arguments_and_variables_are_counted_together() -> None:
    """The working directory is one of the step's strings."""
    room = limits.MAX_STRINGS - 1
    assert pack(run(*["a"] * (room - 500), environment=500))
    words, hint = refused(run(*["a"] * (room - 500), environment=501))
    assert words.startswith("execute a: 65536 arguments and variables")
    assert "at most 65535" in words
    assert "in a file" in hint


def test_one_argument_may_have_what_linux_takes() -> None:
    assert pack(run("a", "b" * ONE_ARGUMENT))
    words, _ = refused(run("a", "b" * (ONE_ARGUMENT + 1)))
    assert "(bbbb" in words
    assert f"has {ONE_ARGUMENT + 1} bytes, and Linux takes at most {ONE_ARGUMENT}" in words
    words, _ = refused(ops.Execute(("a",), (("NAME", "b" * ONE_ARGUMENT),), init=True))
    assert "(NAME=bbb" in words


def test_a_hooks_arguments_are_held_to_the_same() -> None:
    hook = ops.Hook("/h", ("h",) * limits.MAX_STRINGS, (), 0, ("", ""))
    words, _ = refused(hook)
    assert words.startswith("run hook /h: 65538 arguments and variables")


def test_steps_are_counted() -> None:
    assert pack(*[ops.Post()] * limits.MAX_STEPS)
    words, hint = refused(*[ops.Post()] * (limits.MAX_STEPS + 1))
    assert words == "4097 steps would make this box, and a plan takes at most 4096"
    assert "fewer mounts" in hint


def test_mounts_that_are_held_have_slots() -> None:
    last = limits.MAX_HELD - 1
    assert pack(ops.CloneTree(last, "/a"), ops.AttachInRoot(last, "/b"))
    words, hint = refused(ops.CloneTree(last + 1, "/a"))
    assert words == "copy the mount /a: it is mount 65, and a plan holds at most 64"
    assert "directory" in hint


def test_as_many_binds_are_offered_as_there_are_slots() -> None:
    made = [Bound(SOURCES, f"/{number}") for number in range(extra_mounts.MOST_BINDS)]
    assert pack(*extra_mounts.held(made))
    extra_mounts.check(made)
    with pytest.raises(RuntimeFault, match=f"at most {extra_mounts.MOST_BINDS} of --bind"):
        extra_mounts.check([*made, Bound(SOURCES, "/more")])
    refused(*extra_mounts.held([*made, Bound(SOURCES, "/more")]))


def test_a_filter_has_as_many_instructions_as_linux_takes() -> None:
    assert pack(ops.Seccomp(bytes(8 * limits.FILTER_INSTRUCTIONS)))
    words, _ = refused(ops.Seccomp(bytes(8 * (limits.FILTER_INSTRUCTIONS + 1))))
    assert words == "a seccomp filter of 4097 instructions, and Linux takes 4096"


def test_numbers_of_a_step_are_counted() -> None:
    limits.check_step(ops.Post(), [0] * limits.MAX_NUMBERS, [])
    with pytest.raises(RuntimeFault, match="9 numbers, and a plan takes at most 8"):
        limits.check_step(ops.Post(), [0] * (limits.MAX_NUMBERS + 1), [])


@pytest.fixture
def server() -> Server:
    """One whose launcher is never there: what is sent is only counted."""
    made = Server.__new__(Server)
    made._socket = mock.create_autospec(socket.socket, instance=True)
    return made


def sent(server: Server, plan: bytes, named: int = 0) -> None:
    with mock.patch("socket.send_fds") as send:
        server.send(plan, (0, 1, 2, 3), range(10, 10 + named))
        send.assert_called_once()


def test_a_message_has_4_mib_with_the_names_of_its_descriptors(server: Server) -> None:
    room = limits.MESSAGE_BYTES - struct.calcsize("=I4i")
    sent(server, bytes(room))
    with pytest.raises(RuntimeFault, match=r"takes 4194305 bytes.*at most 4194304") as caught:
        sent(server, bytes(room + 1))
    assert "in a file" in caught.value.hint


def test_descriptors_are_counted_with_the_four_of_every_plan(server: Server) -> None:
    sent(server, b"", limits.MAX_PASSED - 4)
    with pytest.raises(RuntimeFault, match=r"65 descriptors.*at most 64"):
        sent(server, b"", limits.MAX_PASSED - 3)


@pytest.mark.parametrize(("code", "hint"), [(90, "wmem_max"), (105, "memory")])
def test_a_socket_that_takes_less_is_told_with_the_way_out(
    server: Server, code: int, hint: str
) -> None:
    with (
        mock.patch("socket.send_fds", side_effect=OSError(code, "")),
        pytest.raises(RuntimeFault, match="does not fit into a socket") as caught,
    ):
        server.send(bytes(500_000), (0, 1, 2, 3), ())
    assert hint in caught.value.hint
