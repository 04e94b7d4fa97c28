"""Every cell in every recurrent layer, with random weights, and problems with rows of different lengths."""

import functools
import os

import numpy as np
import pytest

from graphnet_recurrent import Bidirectional, Recurrent, Stack, cells

T, D, H = 5, 3, 4


LENGTHS = [3, 0, 5, 1, 3]


B = len(LENGTHS)


PERIODS = (1, 2)


ROW = 1e-12


CELLS = {
    "elman": lambda: cells.elman_cell(H),
    "lstm": lambda: cells.lstm_cell(H),
    "gru": lambda: cells.gru_cell(H),
    "gru_after": lambda: cells.gru_cell(H, reset_after=True),
    "peephole": lambda: cells.peephole_lstm_cell(H),
    "coupled": lambda: cells.coupled_lstm_cell(H),
    "layer_norm": lambda: cells.layer_norm_lstm_cell(H),
    "projected": lambda: cells.projected_lstm_cell(H, 2),
    "minimal_gated": lambda: cells.minimal_gated_cell(H),
    "clockwork": lambda: cells.clockwork_cell(H, PERIODS),
    "attention": lambda: cells.attention_cell(H, 2),
}


#: Functions from a constructor of cells to a layer.
LAYERS = {
    "forwards": lambda make: Recurrent(make()),
    "backwards": lambda make: Recurrent(make(), reverse=True),
    "both": lambda make: Bidirectional(make()),
    "stack": lambda make: Stack([make(), make()]),
    "stack_both": lambda make: Stack([make(), make()], bidirectional=True),
    "truncated": lambda make: Recurrent(make(), bptt_length=2),
    "truncated_back": lambda make: Recurrent(make(), bptt_length=2, reverse=True),
    "truncated_both": lambda make: Bidirectional(make(), bptt_length=2),
    "truncated_stack": lambda make: Stack([make(), make()], bptt_length=2),
    "last": lambda make: Recurrent(make(), returns="last"),
    "backwards_last": lambda make: Recurrent(make(), returns="last", reverse=True),
    "both_last": lambda make: Bidirectional(make(), returns="last"),
    "both_state": lambda make: Bidirectional(make(), returns="state"),
    "state": lambda make: Recurrent(make(), returns="state"),
    "added": lambda make: Bidirectional(make(), make(), merge="add"),
    "learned": lambda make: Recurrent(make(), learn_initial=True),
    "learned_both": lambda make: Bidirectional(make(), learn_initial=True, returns="state"),
    "learned_stack": lambda make: Stack([make(), make()], learn_initial=True),
    "residual": lambda make: Stack([make(), make(), make()], residual=True),
    "residual_both": lambda make: Stack([make(), make()], residual=True, bidirectional=True),
    "residual_last": lambda make: Stack([make(), make()], residual=True, returns="last"),
    "projected_out": lambda make: Stack([make(), make()], 2),
    "clipped": lambda make: Stack([make(), make()], clip_error=0.3),
}


#: Every cell in the layers of BROAD, and every layer with the cells of DEEP.
BROAD = ("forwards", "backwards", "both", "stack", "learned")


DEEP = ("lstm", "attention")


PAIRS = [(c, a) for c in CELLS for a in LAYERS if a in BROAD or c in DEEP]


EVERY = pytest.mark.parametrize(("cell", "layer_name"), PAIRS)


def arrays_of(layer):
    """Every parameter of a layer by path, also if there is only one."""
    return {f"{path}/{name}": p for path, inner in layer.graph.layers().items() for name, p in inner.params.items()}


def values_of(layer):
    return {path: p.value for path, p in arrays_of(layer).items()}


def fill(layer, values):
    for path, parameter in arrays_of(layer).items():
        parameter.value = values[path]


def filled(layer, number=31, shape=(T, B, D)):
    """The layer with random weights, except initial flags and phases of attention and clockwork."""
    rng = np.random.default_rng(number)
    layer.forward(np.zeros(shape))
    for path, parameter in arrays_of(layer).items():
        if not path.endswith(("initial_filled/weights", "initial_phase/weights")):
            parameter.value = rng.normal(size=parameter.value.shape) * 0.6
    return layer


def layer_of(cell, layer_name):
    """A layer that is shared by all tests that do not change its weights, so that it is compiled once a backend."""
    return _layer_on(os.environ.get("GRAPHNET_BACKEND"), cell, layer_name)


@functools.cache
def _layer_on(backend, cell, layer_name):
    return filled(LAYERS[layer_name](CELLS[cell]))


def random_states(layer, rng, rows=B):
    """Initial states by input: random numbers, and valid flags and phases, different in each row."""
    by_name = {}
    for name, spec in list(layer.graph.inputs.items())[1:]:
        width = spec.shape.sizes[-1]
        by_name[name] = rng.normal(size=(rows, width))
        if name.endswith("filled"):
            by_name[name] = np.array([[float(k < b % (width + 1)) for k in range(width)] for b in range(rows)])
        if name.endswith("phase"):
            by_name[name] = np.array([[float(b % period) for period in PERIODS] for b in range(rows)])
    return by_name


def run_both_passes(layer, x, states, error, errors, **rows):
    """All results of a forward and a backward pass."""
    y = layer.forward(x, **states, **rows)
    ends = {name: array.copy() for name, array in layer.state.items()}
    pulled = layer.backward(error, *errors)
    first, *rest = pulled if isinstance(pulled, tuple) else (pulled,)
    gradients = {path: p.gradient.copy() for path, p in arrays_of(layer).items()}
    return y, ends, first, dict(zip(states, rest, strict=True)), gradients


def problem(layer, rng, steps=T, rows=B, lengths=LENGTHS):
    """An input, initial states, and errors for outputs and final states; NaN beyond the rows."""
    x, states = rng.normal(size=(steps, rows, D)), random_states(layer, rng, rows)
    y = layer.forward(x, **states, lengths=lengths)
    ends = {name.replace("/", "_"): a for name, a in layer.state.items()}
    error = rng.normal(size=y.shape)
    errors = [rng.normal(size=ends[name].shape) for name in list(layer.graph.outputs)[1:]]
    if lengths is not None:
        for b, n in enumerate(lengths):
            x[n:, b] = np.nan
            if over_time(layer):
                error[n:, b] = np.nan
    return x, states, error, errors


def over_time(layer):
    return layer.returns == "all"
