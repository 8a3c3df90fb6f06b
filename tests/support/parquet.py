"""What ``results.frame.write_parquet`` wrote, read back."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd

from results import frame


def read(path: Path) -> pd.DataFrame:
    """The same frame as ``load`` gives of the run."""
    with duckdb.connect(":memory:") as database:
        read_back = database.execute("SELECT * FROM read_parquet(?)", [str(path)]).df()
    return frame._typed(read_back[list(frame.COLUMNS)])
