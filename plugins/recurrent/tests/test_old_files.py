"""Files of an earlier version load, and give the outputs of that version.

``data/`` holds a model of every cell and layer of this plugin, its weights, an input and the outputs, all written by the
commit 0b59901, before the cells were rewritten.
"""

from pathlib import Path

import numpy as np
import pytest

from graphnet import Builder, Phase, Runner
from graphnet.io import load_weights, read_model
from graphnet_recurrent import GRU, LSTM, RNN, Bidirectional, Recurrent, Stack, cells

DATA = Path(__file__).parent / "data"


def present_graph():
    """The same model, from the cells and layers as they are now."""
    builder = Builder("recurrent_layers")
    x = builder.input("x", "time, batch, feature=3")
    dtype = "float32"
    by_name = {
        "elman": cells.elman_cell(4, dtype),
        "lstm": cells.lstm_cell(4, dtype),
        "gru": cells.gru_cell(4, dtype),
        "gru_after": cells.gru_cell(4, dtype, reset_after=True),
        "peephole": cells.peephole_lstm_cell(4, dtype),
        "coupled": cells.coupled_lstm_cell(4, dtype),
        "projected": cells.projected_lstm_cell(4, 2, dtype),
        "layer_norm": cells.layer_norm_lstm_cell(4, dtype),
        "minimal": cells.minimal_gated_cell(4, dtype),
        "clockwork": cells.clockwork_cell(4, [1, 2], dtype),
        "attention": cells.attention_cell(4, 2, dtype),
    }
    outputs = {name: Recurrent(cell)(x, name=f"{name}_cell") for name, cell in by_name.items()}
    lstm = LSTM(3, 4, 2, dtype=dtype, forget_bias=1.0, learn_initial=True)
    gru = GRU(3, 4, 2, dtype=dtype, keep_state=0.8, returns="last")
    rnn = RNN(3, 4, None, 5, dtype=dtype, clip_error=1.0)
    bidirectional = Bidirectional(cells.lstm_cell(3, dtype), None, 2, merge="add")
    stack = Stack([cells.gru_cell(3, dtype), cells.elman_cell(3, dtype)], 2, keep_between=0.8, residual=True)
    outputs |= {"LSTM_layer": lstm(x, name="lstm"), "GRU_layer": gru(x, name="gru"), "RNN_layer": rnn(x, name="rnn")}
    outputs |= {"bidirectional": bidirectional(x, name="bidirectional"), "stack": stack(x, name="stack")}
    return builder.build(**outputs)


@pytest.mark.parametrize("make", [lambda: read_model(DATA / "recurrent_layers.yaml").graph, present_graph])
def test_old_weights_give_old_outputs(make):
    runner = Runner(make())
    load_weights(DATA / "recurrent_layers.safetensors", runner)
    with np.load(DATA / "recurrent_layers.npz") as arrays:
        outputs = runner.forward({"x": arrays["x"]}, phase=Phase.test, lengths=[5, 3])
        assert outputs.keys() == set(arrays.files) - {"x"}
        for name, output in outputs.items():
            np.testing.assert_allclose(output, arrays[name], rtol=2e-5, atol=1e-6, err_msg=name)
