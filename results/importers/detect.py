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


class _Keys(msgspec.Struct, frozen=True):
    benchmarks: msgspec.Raw | None = None
    machine_info: msgspec.Raw | None = None
    results: msgspec.Raw | None = None
    run_id: msgspec.Raw | None = None


def detect(data: bytes, name: str) -> Format:
    """The format of ``data``.

    Raises:
        ImportFault: it is JSON of neither kind.
    """
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"{", b"["):
        return "tidy-csv"
    keys = documents.decode(data, _Keys, name)
    if keys.results is not None:
        return "hyperfine"
    if keys.benchmarks is not None:
        return "pytest-benchmark" if keys.machine_info is not None else "pyperf"
    hint = "invoke compare reads our own runs as they are" if keys.run_id is not None else ""
    raise ImportFault(f"{name} is JSON, but not of pytest-benchmark, hyperfine or pyperf", hint)
