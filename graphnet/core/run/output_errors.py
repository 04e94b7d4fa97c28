"""Errors for outputs, checked before a backward pass, and the errors for inputs that come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core import dtypes
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError, ShapeError, unknown
from graphnet.core.run import inputs as boundary
from graphnet.core.run.forward_backward import Pass


def entering(graph: Graph, errors: Any, last: Pass, slots: int, clean: frozenset[int]) -> list[Any]:
    """The errors of a pass's outputs by slot, in the dtype of the pass, with zeros after the rows' ends.

    Parameters
    ----------
    errors : mapping of output name to array_like
    slots : int
        The number of slots of the plan.
    clean : frozenset of int
        Slots whose errors need no zeros, because a Scan puts them in.

    Raises
    ------
    ConfigError, ShapeError, DtypeError
    """
    if not isinstance(errors, Mapping):
        raise ConfigError(
            "errors go by name",
            where=repr(graph),
            expected="a mapping of output name to array",
            received=type(errors).__name__,
        )
    found: list[Any] = [None] * slots
    for slot, array in [_entering(graph, name, error, last, clean) for name, error in errors.items()]:
        found[slot] = array if found[slot] is None else found[slot] + array
    return found


def _entering(graph: Graph, name: str, error: Any, last: Pass, clean: frozenset[int]) -> tuple[int, Array]:
    slot = last.outputs.get(name)
    if slot is None:
        raise unknown("output", name, last.outputs, where=repr(graph), error=ShapeError)
    place = f"{graph.name}, error for {name!r}"
    array = dtypes.as_array(error, place)
    shape = last.shapes.slots[slot]
    if shape is not None and array.shape != shape.sizes:
        raise ShapeError("an error has the shape of its output", where=place, expected=shape, received=array.shape)
    array = dtypes.converted(array, last.dtype, place)
    return slot, array if slot in clean else boundary.masked(array, last.shapes.lengths[slot], last.run.lengths)


def leaving(inputs: int, errors: list[Any], last: Pass, clean: frozenset[int]) -> list[Any]:
    """The error for each input: None for inputs that were left out or want none, zeros where none arrived.

    Parameters
    ----------
    inputs : int
        The number of inputs of the graph, which are the first slots.
    errors : list
        By slot, after the backward pass.
    clean : frozenset of int
        Slots whose errors are zero after the rows' ends already.
    """
    found: list[Any] = []
    for slot in range(inputs):
        shape, error = last.shapes.slots[slot], errors[slot]
        if shape is None or not last.wanted[slot]:
            found.append(None)
        elif error is None:
            found.append(np.zeros([n or 0 for n in shape], last.dtype))
        else:
            ends = last.shapes.lengths[slot]
            found.append(error if slot in clean else boundary.masked(error, ends, last.run.lengths))
    return found
