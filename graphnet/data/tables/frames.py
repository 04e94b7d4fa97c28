"""Reading a table: a file, or a pandas DataFrame, with its columns checked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphnet.core.errors import DataError, FileError, PluginError, unknown
from graphnet.core.files.border import reading
from graphnet.core.files.source import read_bytes

if TYPE_CHECKING:
    import pandas as pd

#: Endings of files of tables.
ENDINGS = (".csv", ".tsv", ".parquet")
SEPARATORS = (",", ";", "\t", "|")
WHAT = "a table with a line of column names: CSV, TSV or Parquet"


def pandas(problem: str = "tables need pandas") -> Any:
    """The module pandas; ``problem`` says in an error what needs it.

    Raises
    ------
    PluginError
        If it is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise PluginError(
            f"{problem}, which cannot be imported",
            received=str(error),
            remedy="pip install pandas",
        ) from error
    return pandas


def is_frame(value: Any) -> bool:
    """Whether a value is a pandas DataFrame, without importing pandas."""
    return type(value).__module__.partition(".")[0] == "pandas" and type(value).__name__ == "DataFrame"


def read_frame(source: Any, separator: str | None = None, decimal: str = ".") -> pd.DataFrame:
    """The table in a file, or a DataFrame itself, with a plain index.

    Raises
    ------
    FileError
        If a file cannot be read, or is not a table.
    DataError
        If there are no rows, or columns do not have different names that are text and not empty.
    PluginError
        If pandas is missing, or for Parquet pyarrow.
    """
    if is_frame(source):
        frame, where = source.reset_index(drop=True), "DataFrame"
    else:
        where = str(source)
        frame = _read(Path(source), separator, decimal)
    names = list(frame.columns)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        repeated = sorted({str(name) for name in names if names.count(name) > 1})
        received = f"{repeated[0]!r} twice" if repeated else repr(names)[:80]
        raise DataError("columns need different names", where=where, expected="text", received=received)
    if "" in names:
        raise DataError(
            "a column has no name",
            where=where,
            expected="a name for each column",
            received=f"column {names.index('') + 1} of {len(names)} without a name",
            remedy="Name it; or write the table without its index: frame.to_csv(path, index=False).",
        )
    if not len(frame):
        raise DataError("the table has no rows", where=where, expected="at least one row", received="none")
    return frame


def _read(path: Path, separator: str | None, decimal: str) -> pd.DataFrame:
    library = pandas()
    with reading(path, WHAT):
        if path.suffix.lower() == ".parquet":
            return _read_parquet(library, path)
        if separator is None:
            separator = "\t" if path.suffix.lower() == ".tsv" else separator_of(path)
        # Long fields and quoted line ends are pandas' own; repeated names would get a suffix without a word.
        raw = library.read_csv(path, sep=separator, header=None, nrows=1, dtype=str, keep_default_na=False)
        frame = library.read_csv(path, sep=separator, decimal=decimal, low_memory=False)
        if len(frame.columns) == raw.shape[1] and isinstance(frame.index, library.RangeIndex):
            frame.columns = [str(name) for name in raw.iloc[0]]
        else:  # pandas takes additional fields at the beginning of lines as an index
            expected, received = f"{raw.shape[1]} fields, as in the first line", "more fields in a line"
            raise FileError("a line has more fields than there are columns", where=str(path), expected=expected,
                            received=received)  # fmt: skip
        return frame


def _read_parquet(library: Any, path: Path) -> pd.DataFrame:
    try:
        return library.read_parquet(path)  # type: ignore[no-any-return]
    except ImportError as error:
        raise PluginError(
            "Parquet files need pyarrow, which cannot be imported",
            where=str(path),
            remedy="pip install pyarrow",
        ) from error


def separator_of(path: str | os.PathLike[str]) -> str:
    """The most frequent separator in the first line of a file, outside quotes; a comma if there is none."""
    first = read_bytes(path, WHAT)[:65536].decode("utf-8-sig", "replace").partition("\n")[0]
    plain = re.sub(r'"[^"]*"', "", first)
    return max(SEPARATORS, key=lambda each: (plain.count(each), -SEPARATORS.index(each)))


def require_columns(frame: pd.DataFrame, names: Iterable[str], where: str, role: str) -> None:
    """Raise a DataError for a column that is not in the table."""
    for name in names:
        if name not in frame.columns:
            raise unknown("column", name, frame.columns, where=f"{where}, {role}", error=DataError)
