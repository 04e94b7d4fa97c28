"""Which examples of a table are held out: a random share, the last ones in time, or whole groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphnet.core.array_types import Array
from graphnet.core.errors import ConfigError, DataError
from graphnet.data.folds import Fold
from graphnet.data.tables.columns import refuse_missing, texts_of
from graphnet.data.tables.rows import Layout, times
from graphnet.data.tables.schema import TableSchema

if TYPE_CHECKING:
    import pandas as pd

TRAINING, VALIDATION, TEST = 0, 1, 2


def sides(frame: pd.DataFrame, layout: Layout, schema: TableSchema, where: str) -> Array:
    """For each example TRAINING, VALIDATION or TEST, or -1 if it would let a model see what is held out.

    Raises
    ------
    DataError
        If a part would have no example.
    """
    test = 0.0 if isinstance(schema.test, str) else float(schema.test)
    shares = (float(schema.validation), test)
    if schema.by_time:
        result = _by_time(frame, layout, schema, shares, where)
    else:
        keys = _keys(frame, layout, schema, where)
        order = np.random.default_rng(schema.seed).permutation(int(keys.max()) + 1)
        result = _parts(len(order), shares)[np.argsort(order)][keys]
    for part, share, name in ((TRAINING, 1.0, "training"), (VALIDATION, shares[0], "validation"), (TEST, test, "test")):
        if share and not (result == part).any():
            raise DataError(f"no example is left for {name}", where=where, expected="more examples, or other shares",
                            received=f"{len(layout)} examples")  # fmt: skip
    return result


def folded(sides: Array, fold: Fold, frame: pd.DataFrame, layout: Layout, schema: TableSchema, where: str) -> Array:
    """The parts with one fold of the training examples as TEST; those of the test split are in none (-1).

    Parts are drawn among the values of ``split_by``, or among examples, with equal shares of each label.

    Raises
    ------
    ConfigError
        If the table is split by time: a fold would let the model see what comes later.
    DataError
        If there are fewer examples, or values of ``split_by``, than folds.
    """
    if schema.by_time:
        raise ConfigError("folds of a table that is split by time", where=where, expected="split: share",
                          remedy="Use the last rows in time: validation, or test.")  # fmt: skip
    keys = _keys(frame, layout, schema, where)
    training = np.flatnonzero(sides == TRAINING)
    present, first, inverse = np.unique(keys[training], return_index=True, return_inverse=True)
    labels = None
    if schema.split_by is None and len(schema.target) == 1:
        values = frame[schema.target[0]].iloc[layout.order[layout.starts[training[first]]]]
        if schema.labels or (schema.labels is None and values.dtype.kind not in "iuf"):
            labels = np.array(texts_of(values))
    numbers = fold.numbers(len(present), labels)[inverse]
    result = np.where(sides == TEST, -1, sides)
    result[training[numbers == fold.fold]] = TEST
    if not (result == TEST).any() or not (result == TRAINING).any():
        raise DataError("a fold has no example", where=where, expected="fewer folds", received=f"{fold.folds} folds")
    return result


def _parts(count: int, shares: tuple[float, float]) -> Array:
    """The part of each position: first training, then validation, then test; at least one each if it has a share."""
    validation, test = (max(1, round(share * count)) if share else 0 for share in shares)
    result = np.full(count, TRAINING)
    result[max(0, count - test - validation) :] = VALIDATION
    result[count - test :] = TEST if test else TRAINING
    return result


def _keys(frame: pd.DataFrame, layout: Layout, schema: TableSchema, where: str) -> Array:
    """What stays together, numbered: each example by itself, or by its value in ``split_by``."""
    first = layout.order[layout.starts]
    if schema.split_by is None:
        return np.arange(len(layout))
    values = frame[schema.split_by]
    refuse_missing(values.isna().to_numpy(), f"{where}, split_by {schema.split_by!r}")
    texts = np.array(texts_of(values))
    if not layout.single:
        for start, stop in zip(layout.starts, layout.stops + layout.horizon, strict=True):
            inside = set(texts[layout.order[start:stop]].tolist())
            if len(inside) > 1:
                received = ", ".join(sorted(inside)[:3])
                raise DataError("one example on both sides of the split", where=f"{where}, split_by",
                                expected="one value in each example", received=received)  # fmt: skip
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(text, len(numbers)) for text in texts[first].tolist()])


def _by_time(
    frame: pd.DataFrame, layout: Layout, schema: TableSchema, shares: tuple[float, float], where: str
) -> Array:
    """The last examples in time; windows that reach into a later part with their targets are left out."""
    clock = np.arange(len(frame)) if schema.time is None else times(frame, schema.time, where)
    begins = clock[layout.order[layout.stops if layout.horizon else layout.starts]]
    ends = clock[layout.order[layout.stops + layout.horizon - 1]]
    parts = _parts(len(layout), shares)
    ranked = np.sort(begins)
    result = np.full(len(layout), TRAINING)
    for part in (VALIDATION, TEST):
        if (parts == part).any():
            border = ranked[int(np.argmax(parts == part))]
            result[begins >= border] = part
            if layout.horizon:
                result[(begins < border) & (ends >= border)] = -1
    return result
