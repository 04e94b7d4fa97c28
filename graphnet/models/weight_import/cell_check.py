"""Whether a cell whose gates have the names of a known one also computes it, on random numbers."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np

from graphnet.core import random
from graphnet.core.array_types import Array
from graphnet.core.describe.scan import Scan
from graphnet.core.errors import GraphError
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.models.weight_import.places import Place
from graphnet.models.weight_import.units import Unit

#: Largest difference in float32; outputs are below 1.
TOLERANCE = 1e-4
ROWS = 3


def check_cell(unit: Unit, place: Place, weights: Mapping[str, Array]) -> None:
    """Run one step of the cell with the imported weights, and compare it with the equations of the other framework.

    Raises
    ------
    GraphError
        If they differ: the cell is another one.
    """
    assert isinstance(place.layer, Scan)
    numbers = np.random.default_rng(0)
    cell = copy.deepcopy(place.layer.cell)
    units = unit.arrays["hidden"].shape[-1]
    x = numbers.normal(size=(ROWS, unit.arrays["input"].shape[1]))
    h, c = numbers.normal(size=(2, ROWS, units))
    states = {"h": h, "c": c} if unit.kind == "lstm" else {"h": h}
    if len(cell.sequences) != 1 or set(cell.states) != set(states):
        raise _another(place, unit, f"sequences {', '.join(cell.sequences)}; states {', '.join(cell.states)}")
    inputs = {cell.sequences[0]: x, **states, **{name: np.ones((ROWS, units)) for name in cell.contexts}}
    with random.using(numbers):
        runner = Runner(cell, backend="reference")
        runner.forward(inputs, phase=Phase.test, keep=False)
        for name, parameter in runner.parameters.items():
            parameter.value = weights[name].astype(parameter.value.dtype)
        outputs = runner.forward(inputs, phase=Phase.test, keep=False)
    expected = _step(unit, x, h, c)
    for name in states:
        difference = float(abs(outputs[name] - expected[name]).max())
        if not difference < TOLERANCE * (1 + float(abs(expected[name]).max())):
            raise _another(place, unit, f"{name} that differs by {difference:.3g}")


def _another(place: Place, unit: Unit, received: str) -> GraphError:
    return GraphError(
        "a cell that computes something else than the layer of the file",
        where=place.name,
        expected=f"the equations of {unit.name} ({unit.kind})",
        received=received,
        remedy="Compare it with lstm_cell, gru_cell(reset_after=...) or elman_cell of graphnet_recurrent.",
    )


def _sigmoid(a: Array) -> Array:
    result: Array = 0.5 * (1 + np.tanh(0.5 * a))
    return result


def _step(unit: Unit, x: Array, h: Array, c: Array) -> dict[str, Array]:
    """One step of torch's layer; of Keras's GRU with the reset gate before the product."""
    parts = {name: array.astype(np.float64) for name, array in unit.arrays.items()}
    by_input = x @ parts["input"].T + parts.get("input_bias", 0.0)
    by_state = h @ parts["hidden"].T + parts.get("hidden_bias", 0.0)
    if unit.kind == "rnn":
        return {"h": np.tanh(by_input + by_state)}
    if unit.kind == "lstm":
        i, f, g, o = np.split(by_input + by_state, 4, axis=1)
        new = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        return {"h": _sigmoid(o) * np.tanh(new), "c": new}
    x_r, x_z, x_n = np.split(by_input, 3, axis=1)
    h_r, h_z, h_n = np.split(by_state, 3, axis=1)
    r, z = _sigmoid(x_r + h_r), _sigmoid(x_z + h_z)
    if unit.kind == "gru_before":
        last = np.split(parts["hidden"], 3)[2]
        h_n = (r * h) @ last.T
        n = np.tanh(x_n + h_n)
    else:
        n = np.tanh(x_n + r * h_n)
    return {"h": (1 - z) * n + z * h}
