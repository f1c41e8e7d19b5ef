"""Explanations, or comparisons of them, as one table in a file, for whatever reads tables."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pellucid.core.comparison import Comparison
from pellucid.core.errors import MissingExtraError
from pellucid.core.exports import find_pandas
from pellucid.core.files import write_whole
from pellucid.core.records import Explanation

SUFFIXES = (".csv", ".parquet")


def check(out: Path) -> None:
    """Raise where what writes the file is not installed."""
    if out.suffix.lower() in SUFFIXES:
        find_pandas()
    if out.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise MissingExtraError("a .parquet file needs pyarrow, which is not installed: pip install 'pellucid[tables]'")


def write(records: Sequence[Explanation | Comparison], out: Path) -> Path:
    """The rows of all records, one after the other; a column that one of them lacks stays empty there."""
    table = find_pandas().concat([one.to_dataframe() for one in records], ignore_index=True)
    places = [axis for one in records if isinstance(one, Explanation) for axis in one.split()[0].axes if axis in table]
    table = table.astype(dict.fromkeys(places, "Int64"))  # whole numbers, also where some are missing
    return write_whole(out, table.to_csv(index=False, lineterminator="\n").encode() if out.suffix.lower() == ".csv" else table.to_parquet(index=False))
