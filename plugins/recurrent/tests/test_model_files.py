"""Recurrent layers in model files."""

import numpy as np
import pytest
from recurrent_layers import F, U, X

from graphnet import (
    Builder,
    GraphnetError,
    Phase,
    Runner,
)
from graphnet.io import model_text, parse_model
from graphnet_recurrent import (
    LSTM,
    Bidirectional,
    Recurrent,
    Stack,
    attention_cell,
    clockwork_cell,
    elman_cell,
    gru_cell,
    lstm_cell,
)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Recurrent(attention_cell(4, 2), 2, 7, returns="last", learn_initial=False, keep_state=0.5),
        lambda: Recurrent(clockwork_cell(6, [1, 2]), learn_initial=True, clip_error=2.0),
        lambda: Bidirectional(gru_cell(U), lstm_cell(3), 2, merge="concatenate", returns="state"),
        lambda: Bidirectional(gru_cell(U), keep_input=0.5),
        lambda: Stack([elman_cell(U), gru_cell(U)], residual=True, keep_between=0.5),
        lambda: Stack([elman_cell(U, "float32"), gru_cell(4, "float32")], 3, bidirectional=True),
    ],
)
def test_model_file_contains_the_cell(make):
    builder = Builder("net")
    x = builder.input("x", f"time, batch, feature={F}")
    graph = builder.build(make()(x, name="part"))
    text = model_text(graph)
    loaded = parse_model(text).graph
    assert loaded == graph
    assert model_text(loaded) == text
    runner, other = Runner(graph), Runner(loaded)
    for either in (runner, other):
        either.materialize()
    assert runner.parameters.keys() == other.parameters.keys()
    for name, parameter in other.parameters.items():
        parameter.value = runner.parameters[name].value
    outputs = [r.forward({"x": X}, phase=Phase.test)["output"] for r in (runner, other)]
    np.testing.assert_array_equal(*outputs)


def test_invalid_cell_reports_its_key_path():
    builder = Builder("net")
    x = builder.input("x", f"time, batch, feature={F}")
    text = model_text(builder.build(Recurrent(elman_cell(U))(x, name="part")))
    with pytest.raises(GraphnetError, match=r"nodes\.part\.with\.cell\.nodes\.hidden"):
        parse_model(text.replace("layer: FullyConnected", "layer: FullConnected"))
    with pytest.raises(GraphnetError, match="with.cell.*a cell"):
        parse_model(text.split("      cell:")[0] + "      cell: lstm\n    inputs: x\noutputs: {output: part}\n")


def test_batch_major_is_a_field():
    layer = LSTM(F, U, 2, batch_major=True)
    assert layer.batch_major is True
    builder = Builder("net")
    graph = builder.build(layer(builder.input("x", f"time, batch, feature={F}"), name="lstm"))
    assert "batch_major: true" in model_text(graph)
    assert parse_model(model_text(graph)).graph.nodes["lstm"].layer.batch_major is True
    with pytest.raises(GraphnetError, match="batch_major"):
        LSTM(F, U, 2, batch_major=1)
