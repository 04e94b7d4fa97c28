"""Tables as data sets: CSV, TSV and Parquet files, and pandas DataFrames.

A :class:`TableSchema` says which columns are inputs, targets, time and group; :func:`table` reads a table by it, and a
:class:`Preparation` holds what was learned from the training rows (categories, classes, vocabulary, means), so that
later tables are read in the same way.
"""

from __future__ import annotations

from graphnet.core.arguments import explain_constructors
from graphnet.data.tables.preparation import Preparation
from graphnet.data.tables.schema import TableSchema
from graphnet.data.tables.table import table

__all__ = ["Preparation", "TableSchema", "table"]

explain_constructors([globals()[name] for name in __all__])
