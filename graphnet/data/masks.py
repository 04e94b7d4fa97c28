"""Masks of padded arrays by input name, and the order of the time and batch axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.dtypes import as_array
from graphnet.core.errors import ConfigError, ShapeError
from graphnet.data.lengths import by_input
from graphnet.data.ports import InputPort, OutputPort
from graphnet.data.sequences import checked_mask
from graphnet.data.sources import is_list


def swap_time_and_batch(values: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """Values with the first two axes of the padded arrays among ``names`` exchanged, as views; lists are unchanged."""
    return {
        name: value if name not in names or is_list(value) else _swapped(as_array(value, name))
        for name, value in values.items()
    }


def _swapped(array: Array) -> Array:
    return array if array.ndim < 2 else array.swapaxes(0, 1)


def checked_masks(
    graph: Graph, ports: Mapping[str, InputPort], inputs: Mapping[str, Any], mask: Any, lengths: Any, batch_major: bool
) -> dict[str, Array]:
    """Masks ``(time, batch)`` by input name, from one mask for all padded sequences, or a mapping.

    Raises
    ------
    ConfigError
        If lengths are given as well.
    ShapeError, DtypeError
        If a mask does not fit its input.
    """
    if mask is None:
        return {}
    if lengths is not None:
        raise ConfigError("both lengths and a mask", where=repr(graph), expected="one of the two")
    padded = {n for n, port in ports.items() if port.sequence and n in inputs and not is_list(inputs[n])}
    masks = {}
    for name, value in by_input(graph, padded, mask, "a mask").items():
        where = f"{graph.name}, mask of {name!r}"
        valid = checked_mask(value, where)
        expected = np.shape(inputs[name])[:2]
        if batch_major:
            expected = expected[::-1]
        if valid.shape != expected:
            raise ShapeError("the mask does not fit", where=where, expected=expected, received=valid.shape)
        masks[name] = valid.T if batch_major else valid
    return masks


def valid_steps(value: Any, mask: Array, where: str) -> list[Array]:
    """The valid steps of a padded array, one array for each row."""
    array = as_array(value, where)
    return [array[mask[:, row], row] for row in range(mask.shape[1])]


def without_gaps(
    inputs: Mapping[str, Any], targets: Mapping[str, Any], masks: Mapping[str, Array], outputs: Mapping[str, OutputPort]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs and targets with each masked array replaced by a list of the valid steps of its rows.

    Raises
    ------
    ShapeError
        If padded targets do not have the axes of the mask.
    """
    input_lists = {n: valid_steps(v, masks[n], f"input {n!r}") if n in masks else v for n, v in inputs.items()}
    target_lists = {}
    for name, value in targets.items():
        origin = outputs[name].origin
        if origin is not None and origin in masks and not is_list(value):
            mask = masks[origin]
            where = f"target of {name!r}"
            if np.shape(value)[:2] != mask.shape:
                received = np.shape(value)
                raise ShapeError("the targets do not fit the mask", where=where, expected=mask.shape, received=received)
            value = valid_steps(value, mask, where)
        target_lists[name] = value
    return input_lists, target_lists


def scatter_steps(rows: list[Array], mask: Array) -> Array:
    """The inverse of ``valid_steps``: a padded array ``(time, batch, …)`` with zeros at all other steps."""
    padded = np.zeros((*mask.shape, *rows[0].shape[1:]), rows[0].dtype)
    for i, row in enumerate(rows):
        padded[mask[:, i], i] = row
    return padded
