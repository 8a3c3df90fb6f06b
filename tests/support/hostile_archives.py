"""Archives that try to get out, and long ones of what is accepted, for property tests."""

from __future__ import annotations

import tarfile
from pathlib import Path

from hypothesis import strategies as st
from support.layer_trees import tar

parts = st.sampled_from(
    ["a", "b", "c", "..", ".", "", ".wh.a", ".wh.b", ".wh..wh..opq", ".wh.", ".wh...", "out", "é"]
)
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)
prefixes = st.sampled_from(["", "", "", "/", "./", "../", "../" * 12])
names = st.tuples(prefixes, paths).map("".join)
OUTSIDE = "@OUTSIDE@"
targets = st.one_of(
    names,
    st.sampled_from([OUTSIDE, f"{OUTSIDE}/canary", f"/{OUTSIDE}", "../" * 20 + OUTSIDE, "a", "b"]),
)
types = st.sampled_from(
    [
        *[tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE] * 4,
        *[tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.CONTTYPE, b"S", b"Z"],
    ]
)
extras = st.sampled_from(
    [{}] * 8
    + [
        {"GNU.sparse.major": "1", "GNU.sparse.realsize": str(1 << 60)},
        {"SCHILY.xattr.user.overlay.redirect": "/"},
        {"SCHILY.xattr.user.harmless": "x"},
        {"path": "../escape"},
        {"linkpath": "/etc/passwd"},
        {"size": str(1 << 40)},
        {"mtime": "1e9"},
    ]
)
members = st.lists(st.tuples(names, types, targets, extras), min_size=1, max_size=12)

# Long archives of what is accepted by itself: together they replace, link and hide each other.
tame_names = st.lists(st.sampled_from(["a", "b", "c", "out"]), min_size=1, max_size=3)
marks = st.sampled_from(["", "", "", "", ".wh."])
tame = st.lists(
    st.tuples(
        st.builds(lambda name, mark: "/".join([*name[:-1], mark + name[-1]]), tame_names, marks),
        st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]),
        targets,
        st.just({}),
    ).map(lambda drawn: (drawn[0], tarfile.REGTYPE, *drawn[2:]) if ".wh." in drawn[0] else drawn),
    min_size=4,
    max_size=20,
)
archives = st.one_of(members, tame)


def hostile(drawn: list[tuple[str, bytes, str, dict[str, str]]], outside: Path) -> bytes:
    """The archive: every file's content says ``mine``."""
    return tar(
        *(
            (
                name,
                b"mine" if kind == tarfile.REGTYPE else b"",
                {
                    "type": kind,
                    "mode": 0o755,  # whoever is not root could not enter other directories
                    "linkname": target.replace(OUTSIDE, str(outside)),
                    "pax_headers": extra,
                },
            )
            for name, kind, target, extra in drawn
        )
    )
