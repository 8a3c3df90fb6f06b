"""The ``process`` of an OCI configuration: also what ``exec`` is given as a file of its own."""

from __future__ import annotations

from dataclasses import replace

from runtimes.ns.capabilities import NUMBERS
from runtimes.oci.configuration import Configuration, HeldCapabilities, ResourceLimit
from runtimes.oci.fields import BundleFault, Fields

_MOST_ROWS = 0xFFFF
_WORST_SCORE = 1000


def with_process(one: Configuration, process: Fields) -> Configuration:
    """``one`` with the process that ``process`` describes.

    Raises:
        BundleFault: malformed, or asking for what ``ns`` does not do; with the path.
    """
    user, rights = process.inner("user"), process.inner("capabilities")
    size = process.inner("consoleSize")
    bounding, held = _capabilities(rights)
    made = replace(
        one,
        argv=_argv(process),
        environment=_environment(process),
        directory=_directory(process),
        uid=read_id(user, "uid"),
        gid=read_id(user, "gid"),
        groups=_groups(user),
        umask=_between(user, "umask", 0, 0o777, 0o022),
        capabilities=bounding,
        held=held,
        no_new_privileges=process.take("noNewPrivileges", bool, False),  # noqa: FBT003  # default
        limits=tuple(_limit(each) for each in process.objects("rlimits")),
        terminal=process.take("terminal", bool, False),  # noqa: FBT003  # the field's default
        rows=_between(size, "height", 0, _MOST_ROWS),
        columns=_between(size, "width", 0, _MOST_ROWS),
        oom_score_adjustment=_between(process, "oomScoreAdj", -_WORST_SCORE, _WORST_SCORE),
    )
    process.refuse("apparmorProfile", "selinuxLabel", why="ns sets no security labels")
    process.refuse("ioPriority", "scheduler", why="ns leaves it as it is")
    process.ignore("commandLine")
    user.ignore("username")
    for each in (user, rights, size, process):
        each.close()
    return made


def read_id(fields: Fields, name: str) -> int:
    """A user or group id.

    Raises:
        BundleFault: it is none.
    """
    return _between(fields, name, 0, 2**32 - 2)


def _between(fields: Fields, name: str, least: int, most: int, default: int = 0) -> int:
    value = fields.take(name, int, default)
    if not least <= value <= most:
        raise BundleFault(fields.at(name), f"{value} is not between {least} and {most}")
    return value


def _groups(user: Fields) -> tuple[int, ...]:
    groups = user.take("additionalGids", list, [])
    for index, group in enumerate(groups):
        if not isinstance(group, int) or isinstance(group, bool) or not 0 <= group < 2**32 - 1:
            raise BundleFault(f"{user.at('additionalGids')}[{index}]", "is no id")
    if len(groups) > 1024:
        raise BundleFault(user.at("additionalGids"), "has more than 1,024 groups")
    return tuple(groups)


def _argv(process: Fields) -> tuple[str, ...]:
    argv = process.texts("args")
    if not argv or not argv[0]:
        raise BundleFault(process.at("args"), "names no program")
    return argv


def _environment(process: Fields) -> tuple[tuple[str, str], ...]:
    pairs = [text.partition("=") for text in process.texts("env")]
    for index, (name, equals, _) in enumerate(pairs):
        if not name or not equals:
            raise BundleFault(f"{process.at('env')}[{index}]", "is not NAME=value")
    return tuple((name, value) for name, _, value in pairs)


def _directory(process: Fields) -> str:
    directory = process.text("cwd")
    if not directory.startswith("/"):
        raise BundleFault(process.at("cwd"), "is not an absolute path")
    return directory


def _capabilities(rights: Fields) -> tuple[tuple[str, ...], HeldCapabilities | None]:
    names = ("bounding", "effective", "permitted", "inheritable", "ambient")
    bounding, effective, permitted, inheritable, ambient = (_set(rights, name) for name in names)
    # The kernel has none ambient that is not both of the others (`runc spec` asks for such).
    possible = tuple(name for name in ambient if name in permitted and name in inheritable)
    if bounding == effective == permitted and not inheritable and not possible:
        return bounding, None
    return bounding, HeldCapabilities(effective, permitted, inheritable, possible)


def _set(rights: Fields, which: str) -> tuple[str, ...]:
    named = rights.texts(which)
    for index, name in enumerate(named):
        if name.removeprefix("CAP_") not in NUMBERS:
            raise BundleFault(f"{rights.at(which)}[{index}]", f"unknown: {name!r}")
    wanted = {name.removeprefix("CAP_") for name in named}
    return tuple(name for name in NUMBERS if name in wanted)


def _limit(fields: Fields) -> ResourceLimit:
    limit = ResourceLimit(fields.text("type"), fields.take("soft", int), fields.take("hard", int))
    if limit.kind not in RESOURCES or not 0 <= limit.soft <= limit.hard < 2**64:
        raise BundleFault(fields.path, f"{limit.kind} {limit.soft}:{limit.hard} is no limit")
    fields.close()
    return limit


_RESOURCES = (
    "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO "
    "RTTIME"
)
RESOURCES = {f"RLIMIT_{name}": number for number, name in enumerate(_RESOURCES.split())}
"""Numbers of setrlimit(2), the same on x86_64 and aarch64."""
