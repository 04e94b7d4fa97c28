"""The argument ``validation_data`` of a fit: its forms, and what its parts are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ConfigError, unknown
from graphnet.data.dataset import Split
from graphnet.data.ports import input_ports
from graphnet.data.sources import is_list

FORMS = (
    "(inputs, targets), (inputs, targets, sample_weight), (inputs, targets, lengths), a mapping with 'inputs', "
    "'targets', 'lengths', 'mask', 'sample_weight' and 'target_mask', a Split, or a Stream"
)


class ValidationData(NamedTuple):
    """The parts of held-out examples, by the names of the arguments of ``fit``."""

    inputs: Any
    targets: Any
    lengths: Any = None
    mask: Any = None
    sample_weight: Any = None
    target_mask: Any = None


def validation_parts(graph: Graph, value: Any) -> ValidationData:
    """What ``validation_data`` is made of.

    A third part is ``sample_weight``, as in Keras, unless the inputs are padded sequences in an array and it has one
    integer for each: then it is ``lengths``. A mapping names the parts.

    Raises
    ------
    ConfigError
        For anything else.
    """
    if isinstance(value, Split):
        return ValidationData(value.inputs, value.targets)
    if isinstance(value, Mapping):
        for name in value:
            if name not in ValidationData._fields:
                raise unknown("part", name, ValidationData._fields, where="Trainer.fit, validation_data",
                              error=ConfigError)  # fmt: skip
        if {"inputs", "targets"} <= value.keys():
            return ValidationData(**value)
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        return ValidationData(*value)
    elif isinstance(value, (tuple, list)) and len(value) == 3:
        inputs, targets, third = value
        part = "lengths" if _are_lengths(graph, inputs, third) else "sample_weight"
        return ValidationData(inputs, targets, **{part: third})
    raise ConfigError(
        "invalid validation_data",
        where="Trainer.fit",
        expected=FORMS,
        received=f"{type(value).__name__} with {', '.join(map(str, value)) or 'nothing'}"[:200]
        if isinstance(value, Mapping)
        else type(value).__name__,
        remedy="To hold out a share of the examples, set validation in the configuration.",
    )


def _are_lengths(graph: Graph, inputs: Any, third: Any) -> bool:
    """Whether these are the numbers of steps of padded sequences."""
    ports = input_ports(graph)
    named = inputs if isinstance(inputs, Mapping) else {next(iter(ports)): inputs}
    padded = {name for name, value in named.items() if name in ports and ports[name].sequence and not is_list(value)}
    if not padded:
        return False
    if isinstance(third, Mapping):
        return bool(third) and all(name in padded for name in third) and not set(third) & set(graph.outputs)
    try:
        array = np.asarray(third)
    except ValueError:  # lists of different lengths are weights of steps
        return False
    return array.ndim == 1 and array.dtype.kind in "iu"
