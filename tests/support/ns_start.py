"""Start a box of /bin/true, wait for its end, and remove it: what ``ns`` is timed by."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from runtimes import cgroups
from runtimes.base import Limits
from runtimes.launcher.instance import HeldRoot
from runtimes.launcher.program import opened
from runtimes.namespaces import build, seccomp, userns, view
from runtimes.namespaces.build import Box
from runtimes.namespaces.engine import remove_state, remove_tree
from runtimes.namespaces.profiles import Profile
from runtimes.namespaces.view import Places
from runtimes.process import ENVIRONMENT

TRUE = ("/bin/true",)
WAIT_S = 30.0


@contextlib.contextmanager
def starter(
    root: Path, state: Path, cache: Path, run: str, limits: Limits
) -> Iterator[Callable[[Profile, bool], None]]:
    """A function that starts /bin/true in a box of a profile, with or without cgroups.

    ``state`` should not be on a disk: what is timed here is the kernel's and our own work, and
    none of the programs it is compared with has a writable layer to sync.
    """
    hierarchy = cgroups.detect()
    numbers = itertools.count()
    program = seccomp.compile_filter()
    line = f"0 {build.FIRST_ID} {build.ID_COUNT}"
    stage = state / "stage"
    view.make_stage(Places(state, stage), layers=1)
    with contextlib.ExitStack() as stack:
        stack.callback(remove_tree, state)
        launcher = stack.enter_context(opened(cache, lambda _: None))
        stack.enter_context(cgroups.held(hierarchy, run))
        mapped = stack.enter_context(userns.mapped(launcher, line))
        launcher.prepare(view.staged((root,), Places(state, stage), mapped), (mapped,))
        silence = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, silence)

        def start(profile: Profile, with_cgroups: bool) -> None:
            name = f"b{next(numbers)}"
            creation = hierarchy.creation(run, name, cgroups.bounds(limits))
            box = Box(
                profile=profile,
                hostname=name,
                layers=(root,),
                places=Places(state / name, stage),
                argv=TRUE,
                environment=ENVIRONMENT,
                creation=creation if with_cgroups else None,
                controllers=hierarchy.controllers,
                filter=program,
            )
            started = launcher.start(build.plan(box), stdin=silence, stdout=silence, stderr=silence)
            held = HeldRoot()
            if profile.overlay:
                held.take(started.pid)
            status = started.wait(WAIT_S)
            if with_cgroups:
                hierarchy.group(run, name).remove()
            remove_state(box.places)
            held.close()
            assert status == 0, status

        yield start
