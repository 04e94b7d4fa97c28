"""Reads the errors of outputs before a backward pass, and returns the errors of inputs after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core import dtypes
from graphnet.core.compile.plan import Plan
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError, ShapeError, unknown
from graphnet.core.run.forward_backward import Pass
from graphnet.core.run.outputs import masked


def read_errors(graph: Graph, plan: Plan, errors: Any, last: Pass, zero_filled: frozenset[int]) -> list[Any]:
    """The errors of a pass's outputs by slot, in the dtype of the pass, with zeros beyond the rows' ends.

    Parameters
    ----------
    graph : Graph
    plan : Plan
    errors : mapping of output name to array_like
    last : Pass
    zero_filled : frozenset of int
        Slots whose errors need no zeros, because a Scan fills them in.

    Raises
    ------
    ConfigError, ShapeError, DtypeError
    """
    if not isinstance(errors, Mapping):
        raise ConfigError(
            "errors must be a mapping",
            where=repr(graph),
            expected="a mapping of output name to array",
            received=type(errors).__name__,
        )
    outputs = dict(plan.outputs)
    by_slot: list[Any] = [None] * plan.slot_count
    for name, error in errors.items():
        slot = outputs.get(name)
        if slot is None:
            raise unknown("output", name, list(outputs), where=repr(graph), error=ShapeError)
        array = _checked(f"{graph.name}, error for {name!r}", error, slot, last)
        if slot not in zero_filled:
            array = masked(array, last.shapes.lengths[slot], last.run.lengths)
        by_slot[slot] = array if by_slot[slot] is None else by_slot[slot] + array
    return by_slot


def _checked(place: str, error: Any, slot: int, last: Pass) -> Array:
    """An error as an array of its output's shape, in the dtype of the pass."""
    array = dtypes.as_array(error, place)
    shape = last.shapes.slots[slot]
    if shape is not None and array.shape != shape.sizes:
        raise ShapeError("an error has the shape of its output", where=place, expected=shape, received=array.shape)
    return dtypes.converted(array, last.dtype, place)


def input_errors(plan: Plan, errors: list[Any], last: Pass, zero_filled: frozenset[int]) -> list[Array | None]:
    """The error for each input: None for inputs that were left out or need none, zeros where no error arrived.

    Parameters
    ----------
    plan : Plan
    errors : list
        By slot, after the backward pass.
    last : Pass
    zero_filled : frozenset of int
        Slots whose errors are zero beyond the rows' ends already.
    """
    arrays: list[Array | None] = []
    for slot in range(len(plan.inputs)):
        shape, error = last.shapes.slots[slot], errors[slot]
        if shape is None or not last.wanted[slot]:
            arrays.append(None)
        elif error is None:
            arrays.append(np.zeros([n or 0 for n in shape], last.dtype))
        else:
            row_ends = last.shapes.lengths[slot]
            arrays.append(error if slot in zero_filled else masked(error, row_ends, last.run.lengths))
    return arrays
