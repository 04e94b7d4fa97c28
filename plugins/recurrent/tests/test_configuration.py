"""Training, invalid options, and accessors of layers with options."""

import numpy as np
import pytest
from recurrent_layers import RNG, F, U, X, fill

import graphnet
from graphnet import (
    Cell,
    ConfigError,
    GraphnetError,
    Scan,
)
from graphnet.initializers import Constant, Xavier
from graphnet.optimizers import Sgd
from graphnet_recurrent import (
    LSTM,
    Bidirectional,
    ClipError,
    First,
    InitialState,
    Recurrent,
    SequenceDropout,
    SequenceMask,
    Stack,
    elman_cell,
    gru_cell,
    lstm_cell,
)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Recurrent(gru_cell(U), 2, returns="last", keep_state=0.8, learn_initial=True),
        lambda: Bidirectional(lstm_cell(U), None, 2, merge="add", returns="last"),
        lambda: Stack([elman_cell(U), gru_cell(U)], 2, residual=True, bidirectional=False, clip_error=1.0),
    ],
)
def test_training_lowers_the_loss(make):
    graphnet.seed(3)
    layer = make()
    layer.forward(X)
    layer.initialize(Xavier(), Constant(0.0))
    layer.set_optimizer(Sgd(0.01))
    target = RNG.standard_normal(layer.forward(X).shape)
    losses = []
    for _ in range(40):
        error = layer.forward(X) - target
        losses.append((error**2).sum())
        layer.backward(error)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Recurrent(7), "cell"),
        (lambda: Recurrent(gru_cell(U), returns="some"), "returns"),
        (lambda: Recurrent(gru_cell(U), keep_state=0.0), "keep_state"),
        (lambda: Recurrent(gru_cell(U), keep_input=1.5), "keep_input"),
        (lambda: Recurrent(gru_cell(U), clip_error=-1.0), "clip_error"),
        (lambda: Recurrent(gru_cell(U), output_size=0), "output_size"),
        (lambda: Recurrent(gru_cell(U), bptt_length=0), "bptt_length"),
        (lambda: Recurrent(gru_cell(U), reverse=1), "reverse"),
        (lambda: Recurrent(cell_without_output()), "no output besides its states"),
        (lambda: Recurrent(cell_without_widths(), learn_initial=True), "needs the width of state"),
        (lambda: Recurrent(cell_without_widths(), keep_state=0.5), "needs the width of state"),
        (lambda: Bidirectional(gru_cell(U), merge="mean"), "merge"),
        (lambda: Bidirectional(gru_cell(U), reverse=True), "reverse"),
        (lambda: Stack([]), "cells"),
        (lambda: Stack([gru_cell(U)] * 2), "cells"),
        (lambda: Stack([gru_cell(U)], keep_between=0), "keep_between"),
        (lambda: Stack([gru_cell(U)], bidirectional=True, residual=True, returns="last"), "returns"),
        (lambda: ClipError(0), "limit"),
        (lambda: InitialState(0), "units"),
        (lambda: SequenceDropout(0), "probability"),
        (lambda: SequenceMask(3, 2.0), "probability"),
        (lambda: First().forward(np.zeros(3)), "not a sequence"),
    ],
)
def test_invalid_options_are_refused(make, message):
    with pytest.raises(GraphnetError, match=message):
        make()


def cell_without_widths():
    cell = Cell("sum", sequences="x", states="s")
    s = cell.x + cell.s
    return cell.build(output=s, s=s)


def cell_without_output():
    cell = Cell("sum", sequences={"x": F}, states={"s": F})
    return cell.build(s=cell.x + cell.s)


def test_lstm_with_options_keeps_accessors():
    layer = fill(LSTM(F, U, 2, reverse=True, returns="last", learn_initial=True, keep_state=0.9, clip_error=3.0))
    assert layer.get_weights().shape == (F + U + 1, 4 * U)
    assert layer.get_output_weights().shape == (U + 1, 2)
    assert isinstance(layer.graph.nodes["scan"].layer, Scan)
    layer.backward(np.ones_like(layer.forward(X)))
    assert layer.get_gradient_weights().shape == layer.get_weights().shape


def test_gate_biases_have_initial_values():
    layer = LSTM(F, U, None, input_bias=-3.0, forget_bias=2.0)
    layer.initialize(Xavier(), Constant(0.25))
    biases = np.split(layer.get_weights()[-1], 4)
    assert [set(b.tolist()) for b in biases] == [{-3.0}, {2.0}, {0.25}, {0.25}]
    assert repr(layer).endswith("forget_bias=2.0, input_bias=-3.0)")
    with pytest.raises(ConfigError, match="input_bias"):
        LSTM(F, U, None, input_bias=False)
