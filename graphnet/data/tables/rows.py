"""The rows of each example of a table: single rows, the rows of a group, or windows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnet.core.array_types import Array
from graphnet.core.errors import DataError
from graphnet.data.tables.columns import refuse_missing, texts_of
from graphnet.data.tables.schema import TableSchema

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Layout:
    """The rows of each example, as ranges of an order.

    Attributes
    ----------
    order : int array (rows,)
        The rows of the table, group by group, each in the order of time.
    starts, stops : int array (examples,)
        Example i has the rows ``order[starts[i]:stops[i]]``.
    single : bool
        Whether each example is a row without a time axis.
    horizon : int
        The number of rows that follow each example and are its target; 0: the targets are in its own rows.
    """

    order: Array
    starts: Array
    stops: Array
    single: bool
    horizon: int = 0

    def __len__(self) -> int:
        return len(self.starts)

    def inputs(self, matrix: Array) -> Any:
        """Features of rows as the examples' arrays: ``(n, features)``, or a list of ``(steps, features)``."""
        ordered = matrix[self.order]
        if self.single:
            return ordered[self.starts]
        return [ordered[start:stop] for start, stop in zip(self.starts, self.stops, strict=True)]

    def targets(self, values: Array, *, per_step: bool) -> Any:
        """Targets of rows as the examples' targets."""
        ordered = values[self.order]
        if self.horizon:
            following = ordered[self.stops[:, None] + np.arange(self.horizon)]
            if following.ndim == 3 and following.shape[2] == 1:
                return following[:, :, 0]
            return following[:, 0] if self.horizon == 1 else following
        if per_step:
            return [ordered[start:stop] for start, stop in zip(self.starts, self.stops, strict=True)]
        return ordered[self.starts]

    def rows_of(self, examples: Array) -> Array:
        """Whether each row of the table belongs to one of some examples, or follows it within the horizon."""
        used = np.zeros(len(self.order), bool)
        for i in np.flatnonzero(examples):
            used[self.order[self.starts[i] : self.stops[i] + self.horizon]] = True
        return used

    def chosen(self, examples: Array) -> Layout:
        """Some of the examples."""
        return Layout(self.order, self.starts[examples], self.stops[examples], self.single, self.horizon)


def layout(frame: pd.DataFrame, schema: TableSchema, where: str, *, targets: bool = True) -> Layout:
    """The examples of a table; with ``targets``, only windows that ``horizon`` rows follow.

    Raises
    ------
    DataError
        If a time or a group is missing, or a group has fewer rows than a window.
    """
    order, bounds = ordered(frame, schema, where)
    count = len(order)
    if schema.window is not None:
        horizon = schema.horizon if targets else 0
        starts = [np.arange(a, b - schema.window - horizon + 1) for a, b in itertools.pairwise(bounds)]
        if not sum(map(len, starts)):
            longest = int(np.diff(bounds).max())
            expected = f"at least {schema.window + horizon} rows in time order"
            raise DataError("no series is as long as a window", where=where, expected=expected, received=longest)
        first = np.concatenate(starts)
        return Layout(order, first, first + schema.window, False, horizon)
    if schema.group is not None:
        return Layout(order, bounds[:-1], bounds[1:], False)
    return Layout(order, np.arange(count), np.arange(1, count + 1), True)


def ordered(frame: pd.DataFrame, schema: TableSchema, where: str) -> tuple[Array, Array]:
    """The rows group by group, in the order of time, and the bounds of the groups; groups as they first appear."""
    groups = np.zeros(len(frame), np.int64)
    if schema.group is not None:
        values = frame[schema.group]
        refuse_missing(values.isna().to_numpy(), f"{where}, group {schema.group!r}")
        numbers: dict[str, int] = {}
        groups = np.array([numbers.setdefault(text, len(numbers)) for text in texts_of(values)], np.int64)
    order = np.arange(len(frame))
    if schema.time is not None:
        order = np.argsort(times(frame, schema.time, where), kind="stable")
    order = order[np.argsort(groups[order], kind="stable")]
    sizes = np.bincount(groups)
    return order, np.concatenate([[0], np.cumsum(sizes)])


def times(frame: pd.DataFrame, name: str, where: str) -> Array:
    """The times of the rows as numbers: numbers as they are, dates as nanoseconds.

    Raises
    ------
    DataError
        If one is missing, or they are neither numbers nor dates.
    """
    import pandas
    from pandas.api import types

    values, place = frame[name], f"{where}, time {name!r}"
    refuse_missing(values.isna().to_numpy(), place)
    if types.is_numeric_dtype(values):
        return values.to_numpy()
    try:
        dates = pandas.to_datetime(
            values, utc=True, format=None if types.is_datetime64_any_dtype(values) else "ISO8601"
        )
    except (ValueError, TypeError) as error:
        raise DataError(
            "the times cannot be read",
            where=place,
            expected="numbers, or dates such as 2024-05-31 or 2024-05-31 12:00",
            received=f"{values.iloc[0]!r}"[:60],
            remedy="Make dates of them: frame[name] = pandas.to_datetime(frame[name], format=…).",
        ) from error
    return dates.dt.tz_localize(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
