"""Causal depthwise convolution, with the last inputs as its state."""

import math

from graphnet import Cell, CellGraph, parameter
from graphnet_recurrent.cells.spread_values import shuffled
from graphnet_recurrent.cells.windows import window, window_states


def causal_convolution_cell(units: int, window_size: int = 4, dtype: str = "float64") -> CellGraph:
    """Each feature is convolved in time with its own weights; no output depends on later inputs.

    With zeros before the first step::

        y_t = Σ_{i < window_size} w_i ⊙ x_{t-i} + b

    It precedes the recurrence in Mamba, Griffin, xLSTM and DeltaNet. As a cell it can be run step by step.

    Parameters
    ----------
    units : int
        Width of the input and of the output.
    window_size : int
        Number of inputs that an output reads; the earlier ones are the states ``past_1``, ``past_2``, …
    dtype : {'float64', 'float32'}
        Of the weights: ``tap_0`` for the present input, ``tap_1``, …, and ``bias``, each ``(units,)``. The taps start
        at values spread over ±1/√window_size, the bias at 0.

    Raises
    ------
    ConfigError
        If ``window_size`` is not at least 1.
    """
    states = window_states(window_size, "causal_convolution_cell", units)
    cell = Cell("causal_convolution", sequences={"x": units}, states=states, dtype=dtype)
    inputs, following = window(cell, window_size)
    bound = 1.0 / math.sqrt(window_size)
    starts = shuffled(units * window_size, -bound, bound).reshape(window_size, units)
    y = parameter(cell.x, units, 0.0, name="bias")
    for i, value in enumerate(inputs):
        y = y + parameter(cell.x, units, starts[i], name=f"tap_{i}") * value
    return cell.build(output=y, **following)
