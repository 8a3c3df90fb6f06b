"""Which format a file is of: told from its content, never from its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from results.importers import documents, hyperfine, pyperf, pytest_benchmark, tidy_csv
from results.importers.errors import ImportFault
from results.importers.files import Source
from results.importers.reading import Contents, Format, Options

READERS: Mapping[Format, Callable[[bytes, Source, Options], Contents]] = {
    "tidy-csv": tidy_csv.read,
    "pytest-benchmark": pytest_benchmark.read,
    "hyperfine": hyperfine.read,
    "pyperf": pyperf.read,
}


def detect(data: bytes, name: str) -> Format:
    """The format of ``data``.

    Raises:
        ImportFault: it is JSON of neither kind.
    """
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"{", b"["):
        return "tidy-csv"
    keys = documents.decode(data, dict[str, msgspec.Raw], name).keys()
    if "results" in keys:
        return "hyperfine"
    if "benchmarks" in keys:
        return "pytest-benchmark" if "machine_info" in keys else "pyperf"
    hint = "invoke compare reads our own runs as they are" if "run_id" in keys else ""
    raise ImportFault(f"{name} is JSON, but not of pytest-benchmark, hyperfine or pyperf", hint)
