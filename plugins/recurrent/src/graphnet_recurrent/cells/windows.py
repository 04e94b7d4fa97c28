"""The last inputs of a cell, as states."""

from __future__ import annotations

from graphnet import Cell, ConfigError, Value
from graphnet.authoring import is_python_int


def window_states(size: int, where: str, width: int | None = None) -> dict[str, int | None]:
    """The states of a cell that keeps the last ``size - 1`` inputs: ``past_1``, the newest, ``past_2``, ….

    Raises
    ------
    ConfigError
        If the size is not a positive integer.
    """
    if not is_python_int(size, 1):
        raise ConfigError(
            "the size of the window is out of range",
            where=where,
            expected="an integer of at least 1",
            received=repr(size),
        )
    return {f"past_{i}": width for i in range(1, size)}


def window(cell: Cell, size: int) -> tuple[list[Value], dict[str, Value]]:
    """The present and the last inputs ``x``, the newest first; and the next values of the states."""
    inputs = [cell.x, *[cell[f"past_{i}"] for i in range(1, size)]]
    return inputs, {f"past_{i}": inputs[i - 1] for i in range(1, size)}
