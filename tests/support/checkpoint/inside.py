"""Run in a guest as root: a runc container is checkpointed, is gone, is restored, and goes on.

    python -m tests.support.checkpoint.inside COUNTER DIRECTORY

One JSON object at the end says what was seen: see ``seen`` in test_checkpoint_guest.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from runtimes import process

NAME = "counting"
PATIENCE_S = 30.0
RUNC = str(process.find("runc"))


def main(counter: Path, home: Path) -> None:
    """Make the bundle, run it, and put it through everything."""
    bundle, images = home / "bundle", home / "images"
    make_bundle(counter, bundle)
    runc("run", "--detach", "--bundle", str(bundle), NAME)
    try:
        seen = through_disk(bundle, images)
        seen["right"] = expected(counter, int(str(seen["after"])))
    finally:
        runc("delete", "--force", NAME)
    sys.stdout.write(f"seen: {json.dumps(seen)}\n")


def through_disk(bundle: Path, images: Path) -> dict[str, object]:
    """Checkpoint, look, restore, look; times are this guest's."""
    advanced(bundle, 20)
    begun = time.monotonic()
    runc("checkpoint", "--image-path", str(images), NAME)
    gone = time.monotonic()
    before = count(bundle)
    time.sleep(0.3)
    frozen = count(bundle) == before
    alive = state() == "running"
    asked = time.monotonic()
    runc("restore", "--detach", "--bundle", str(bundle), "--image-path", str(images), NAME)
    back = time.monotonic()
    advanced(bundle, before[0] + 20)
    runc("pause", NAME)
    after = count(bundle)
    return {
        "before": before[0],
        "frozen": frozen,
        "alive_between": alive,
        "after": after[0],
        "hash": after[1],
        "image_bytes": sum(path.stat().st_size for path in images.iterdir()),
        "checkpoint_ms": round((gone - begun) * 1000),
        "restore_ms": round((back - asked) * 1000),
    }


def make_bundle(counter: Path, bundle: Path) -> None:
    """runc's own specification, with the counter for its program."""
    root = bundle / "rootfs"
    for name in ("dev", "proc", "sys"):
        (root / name).mkdir(parents=True)
    shutil.copy(counter, root / "counter")
    subprocess.run([RUNC, "spec"], cwd=bundle, check=True)
    config = json.loads((bundle / "config.json").read_text())
    config["process"] |= {"terminal": False, "args": ["/counter"], "cwd": "/"}
    config["root"]["readonly"] = False
    (bundle / "config.json").write_text(json.dumps(config))


def runc(*words: str) -> None:
    """Run it; when it fails, what it and CRIU have to say goes where ours goes."""
    log = Path("/run/runc.log")
    quiet = subprocess.DEVNULL  # the container's, too: runc opens its own in the container's root
    argv = [RUNC, "--log", str(log), *words]
    done = subprocess.run(argv, stdin=quiet, stdout=quiet, stderr=quiet, check=False)
    if done.returncode:
        for said in (log, *sorted(Path("/scratch").rglob("dump.log"))):
            lines = said.read_text(errors="replace").splitlines()
            wrong = [line for line in lines if "rror" in line]
            sys.stdout.write("\n".join([f"{said}:", *wrong[-20:], ""]))
        raise SystemExit(f"runc {words[0]}: exit status {done.returncode}")


def state() -> str:
    """The container's status, empty where runc knows none."""
    told = subprocess.run([RUNC, "state", NAME], capture_output=True, text=True, check=False)
    return str(json.loads(told.stdout)["status"]) if told.returncode == 0 else ""


def count(bundle: Path) -> tuple[int, str]:
    """Steps and hash, as the counter last wrote them."""
    try:
        steps, found = (bundle / "rootfs/count").read_text().split()
    except (FileNotFoundError, ValueError):
        return 0, ""
    return int(steps), found


def advanced(bundle: Path, wanted: int) -> None:
    """Wait until that many steps are done."""
    end_s = time.monotonic() + PATIENCE_S
    while count(bundle)[0] < wanted:
        if time.monotonic() > end_s:
            raise SystemExit(f"still at {count(bundle)[0]} after {PATIENCE_S:g} s, not at {wanted}")
        time.sleep(0.02)


def expected(counter: Path, steps: int) -> str:
    """The hash after so many steps, by a counter that nobody interrupts."""
    told = subprocess.run([counter, str(steps)], capture_output=True, text=True, check=True)
    return told.stdout.split()[1]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
