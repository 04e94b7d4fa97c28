"""Padded arrays in the order of axes, and with the steps, that a graph wants."""

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


def listed(value: Any) -> bool:
    """Whether sequences come one by one."""
    return isinstance(value, (list, tuple))


def time_first(values: Mapping[str, Any], timed: set[str]) -> dict[str, Any]:
    """The padded arrays among ``(batch, time, …)`` values as ``(time, batch, …)``; views."""
    return {
        name: value if name not in timed or listed(value) else _turned(as_array(value, name))
        for name, value in values.items()
    }


def _turned(array: Array) -> Array:
    return array if array.ndim < 2 else array.swapaxes(0, 1)


def checked_masks(
    graph: Graph, ports: Mapping[str, InputPort], inputs: Mapping[str, Any], mask: Any, lengths: Any, batch_major: bool
) -> dict[str, Array]:
    """Masks ``(time, batch)`` by input name, from one for all padded sequences, or a mapping.

    Raises
    ------
    ConfigError
        If lengths are given as well.
    ShapeError, DtypeError
        If one does not fit its input.
    """
    if mask is None:
        return {}
    if lengths is not None:
        raise ConfigError("lengths and a mask", where=repr(graph), expected="one of the two", received="both")
    padded = {n for n, p in ports.items() if p.sequence and n in inputs and not listed(inputs[n])}
    named = by_input(graph, padded, mask, "a mask")
    found = {}
    for name, value in named.items():
        place = f"{graph.name}, mask of {name!r}"
        truths = checked_mask(value, place)
        truths = truths.T if batch_major else truths
        if truths.shape != np.shape(inputs[name])[:2]:
            received = truths.shape[::-1] if batch_major else truths.shape
            expected = np.shape(inputs[name])[:2]
            raise ShapeError(
                "the mask does not fit", where=place, expected=expected[::-1] if batch_major else expected,
                received=received,
            )  # fmt: skip
        found[name] = truths
    return found


def cut_out(value: Any, mask: Array, place: str) -> list[Array]:
    """The steps that are there, one array a row."""
    array = as_array(value, place)
    return [array[mask[:, row], row] for row in range(mask.shape[1])]


def without_gaps(
    inputs: Mapping[str, Any], targets: Mapping[str, Any], masks: Mapping[str, Array], outputs: Mapping[str, OutputPort]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs and targets with the rows that masks speak of as lists of the steps that are there.

    Raises
    ------
    ShapeError
        If padded targets do not have the axes of the mask.
    """
    rows = {n: cut_out(v, masks[n], f"input {n!r}") if n in masks else v for n, v in inputs.items()}
    found = {}
    for name, value in targets.items():
        origin = outputs[name].origin
        if origin is not None and origin in masks and not listed(value):
            mask = masks[origin]
            if np.shape(value)[:2] != mask.shape:
                raise ShapeError(
                    "the targets do not fit the mask", where=f"target of {name!r}", expected=mask.shape,
                    received=np.shape(value),
                )  # fmt: skip
            value = cut_out(value, mask, f"target of {name!r}")
        found[name] = value
    return rows, found


def put_back(parts: list[Array], mask: Array) -> Array:
    """The way back for an output: a padded array ``(time, batch, …)`` with zeros where no step is there."""
    some = parts[0]
    found = np.zeros((*mask.shape, *some.shape[1:]), some.dtype)
    for row, part in enumerate(parts):
        found[mask[:, row], row] = part
    return found
