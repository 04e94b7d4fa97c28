"""Columns as features: numbers and booleans as they are, categories as indicators."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnet.core.array_types import Array
from graphnet.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

#: A text column with more categories than this, and than a tenth of the rows, is not one of categories.
CATEGORIES = 50
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")


@dataclass(frozen=True)
class Column:
    """How one column becomes features.

    Attributes
    ----------
    name : str
    kind : {'number', 'boolean', 'category'}
    categories : tuple of str
        Of a category, sorted: one indicator for each.
    fill : float or None
        The value of a missing number; None: missing values are refused.
    mean, scale : float
        Of the training rows, for standardization; 0 and 1: the values are left as they are.
    """

    name: str
    kind: str
    categories: tuple[str, ...] = ()
    fill: float | None = None
    mean: float = 0.0
    scale: float = 1.0

    @property
    def features(self) -> list[str]:
        """The names of the features."""
        return [f"{self.name}={each}" for each in self.categories] if self.kind == "category" else [self.name]

    def encode(self, values: pd.Series[Any], where: str, *, fills: bool) -> Array:
        """The features of these rows, ``(n, features)`` float64.

        Parameters
        ----------
        fills : bool
            Whether missing categories have no indicator; otherwise they are refused.

        Raises
        ------
        DataError
            If a value is missing or infinite, the kind differs, or a category is unknown.
        """
        place = f"{where}, column {self.name!r}"
        if self.kind == "category":
            return self._indicators(values, place, fills=fills)
        if kind_of(values, place) == "category":
            raise DataError("the column does not hold numbers", where=place, expected="numbers, as in training",
                            received=repr(values.dropna().iloc[0])[:60])  # fmt: skip
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        if self.fill is not None:
            numbers = np.where(np.isnan(numbers), self.fill, numbers)
        refuse_missing(np.isnan(numbers), place)
        infinite = np.isinf(numbers)
        if infinite.any():
            row = int(infinite.argmax())
            raise DataError("a value is infinite", where=place, expected="finite numbers", received=f"row {row}")
        return numbers[:, None]

    def _indicators(self, values: pd.Series[Any], place: str, *, fills: bool) -> Array:
        missing = values.isna().to_numpy()
        if not fills:
            refuse_missing(missing, place)
        texts = texts_of(values)
        positions = {name: i for i, name in enumerate(self.categories)}
        result = np.zeros((len(texts), len(self.categories)))
        for row, text in enumerate(texts):
            if missing[row]:
                continue
            if text not in positions:
                shown = ", ".join(self.categories[:8]) + (", …" if len(self.categories) > 8 else "")
                raise DataError("an unknown category", where=f"{place}, row {row}", expected=shown, received=text)
            result[row, positions[text]] = 1.0
        return result


def texts_of(values: pd.Series[Any]) -> list[str]:
    """The values as text; whole floats of labels as integers are written."""
    return [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in values.tolist()]


def kind_of(values: pd.Series[Any], place: str) -> str:
    """``'number'``, ``'boolean'`` or ``'category'``.

    Raises
    ------
    DataError
        For dates, durations and objects, text that is a number with a decimal comma, and columns without a value.
    """
    from pandas.api import types

    if not values.notna().any():
        raise DataError("the column is empty", where=place, expected="values", remedy="Name it in `ignore`.")
    if types.is_bool_dtype(values):
        return "boolean"
    if types.is_complex_dtype(values):
        raise DataError("complex numbers", where=place, expected="real numbers")
    if types.is_numeric_dtype(values):
        return "number"
    if types.is_datetime64_any_dtype(values) or types.is_timedelta64_dtype(values) or _are_dates(values):
        raise DataError(
            "a column of dates is not a feature",
            where=place,
            expected="numbers, booleans or categories",
            received=str(values.dropna().iloc[0])[:40],
            remedy="Name it as `time`, or in `ignore`; or make numbers of it.",
        )
    present = values.dropna()
    if all(isinstance(v, bool) for v in present):
        return "boolean"
    if not isinstance(values.dtype, types.CategoricalDtype) and not all(isinstance(v, str) for v in present):
        other = next(v for v in present if not isinstance(v, str))
        raise DataError("the column holds objects", where=place, expected="numbers, booleans or text",
                        received=f"{type(other).__name__}: {other!r}"[:80])  # fmt: skip
    if all(isinstance(v, str) and DECIMAL_COMMA.fullmatch(v.strip()) for v in present):
        raise DataError("numbers with a decimal comma", where=place, expected="a decimal point",
                        received=str(present.iloc[0]), remedy="Set decimal: ','.")  # fmt: skip
    return "category"


def _are_dates(values: pd.Series[Any]) -> bool:
    """Whether all text of a column is dates such as 2024-05-31, with or without a time."""
    sample = values.dropna().head(100)
    form = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?")
    return all(isinstance(v, str) and form.fullmatch(v) for v in sample)


def fit(values: pd.Series[Any], training: Array, place: str, *, fills: bool, standardize: bool) -> Column:
    """A column, with the categories of all rows, and the mean and the scale of the training rows.

    Raises
    ------
    DataError
        As :func:`kind_of`; also for a text column with too many different values.
    """
    name, kind = str(values.name), kind_of(values, place)
    if kind == "category":
        categories = tuple(sorted(set(texts_of(values.dropna()))))
        if len(categories) > max(CATEGORIES, len(values) // 10):
            raise DataError(
                "text with too many different values for categories",
                where=place,
                expected=f"at most {max(CATEGORIES, len(values) // 10)}",
                received=len(categories),
                remedy="Name it in `ignore`; or set tokens: words, to read it as text.",
            )
        return Column(name, kind, categories)
    numbers = values[training].to_numpy(dtype=np.float64, na_value=np.nan)
    present = numbers[np.isfinite(numbers)]
    if not len(present):
        raise DataError("no training row has a value", where=place, expected="numbers", remedy="Name it in `ignore`.")
    mean = float(present.mean())
    fill = mean if fills else None
    if kind == "boolean" or not standardize:
        return Column(name, kind, fill=fill)
    deviation = float(present.std())
    if deviation <= 1e-12 * max(1.0, abs(mean)):
        return Column(name, kind, fill=fill)
    return Column(name, kind, fill=fill, mean=mean, scale=deviation)


def refuse_missing(missing: Array, place: str) -> None:
    """Raise a DataError if a value is missing; the message names the first row."""
    count = int(missing.sum())
    if count:
        raise DataError(
            f"{count} of {len(missing)} values are missing",
            where=place,
            expected="no missing values",
            received=f"row {int(missing.argmax())} without a value",
            remedy="Set missing: drop, or missing: mean; or name the column in `ignore`.",
        )
