"""Checks of the options of cells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphnet import ConfigError
from graphnet.authoring import is_python_int


def whole(cell: str, name: str, value: Any) -> None:
    """Require an integer of at least 1.

    Raises
    ------
    ConfigError
        Otherwise.
    """
    required(is_python_int(value, 1), cell, name, "an integer of at least 1", value)


def is_number(value: Any) -> bool:
    """Whether a value is a finite real number, not a boolean."""
    return (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def is_pair(value: Any) -> bool:
    """Whether a value is two finite real numbers, of which the second is not smaller."""
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(map(is_number, value)) and value[0] <= value[1]


def required(valid: bool, cell: str, name: str, expected: str, value: Any) -> None:
    """Require that an option is valid.

    Raises
    ------
    ConfigError
        Otherwise.
    """
    if not valid:
        raise ConfigError(f"{name} is out of range", where=cell, expected=expected, received=repr(value)[:100])
