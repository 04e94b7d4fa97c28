"""Weights of torch and Keras: the models then compute what the equations of these frameworks give, written out here."""

import sys

import numpy as np
import pytest

import graphnet
from graphnet import (
    BatchNormalization,
    Builder,
    Cell,
    ConfigError,
    Dropout,
    DtypeError,
    Embedding,
    FileError,
    Flatten,
    FullyConnected,
    GraphError,
    Last,
    LayerNormalization,
    Model,
    Scan,
    Sequential,
    UnknownNameError,
    concatenate,
    dense,
    import_weights,
)
from graphnet.cli import main
from graphnet.core.files.tensors import read_tensors
from graphnet.io.tensors import encoded
from graphnet_activations import ReLU
from graphnet_conv import Conv
from graphnet_recurrent import GRU, LSTM, RNN, Recurrent, Stack, gru_cell, lstm_cell, sigmoid, tanh

T, N, D, U = 5, 3, 4, 6


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def x(rng):
    return rng.normal(size=(T, N, D)).astype(np.float32)


def σ(a):
    return 1 / (1 + np.exp(-a))


# ---------------------------------------------------------------------- the equations
def torch_lstm(p, x, reverse=False):
    h = c = np.zeros((x.shape[1], p["weight_hh"].shape[1]))
    outputs = []
    for x_t in x[::-1] if reverse else x:
        a = x_t @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]
        i, f, g, o = a[:, :U], a[:, U : 2 * U], a[:, 2 * U : 3 * U], a[:, 3 * U :]
        c = σ(f) * c + σ(i) * np.tanh(g)
        h = σ(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs[::-1] if reverse else outputs)


def torch_gru(p, x, reverse=False):
    h = np.zeros((x.shape[1], p["weight_hh"].shape[1]))
    outputs = []
    for x_t in x[::-1] if reverse else x:
        a, b = x_t @ p["weight_ih"].T + p["bias_ih"], h @ p["weight_hh"].T + p["bias_hh"]
        r, z = σ(a[:, :U] + b[:, :U]), σ(a[:, U : 2 * U] + b[:, U : 2 * U])
        n = np.tanh(a[:, 2 * U :] + r * b[:, 2 * U :])
        h = (1 - z) * n + z * h
        outputs.append(h)
    return np.array(outputs[::-1] if reverse else outputs)


def torch_rnn(p, x):
    h = np.zeros((x.shape[1], U))
    outputs = []
    for x_t in x:
        h = np.tanh(x_t @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"])
        outputs.append(h)
    return np.array(outputs)


def recurrent(rng, gates, inputs=D):
    shapes = {
        "weight_ih": (gates * U, inputs),
        "weight_hh": (gates * U, U),
        "bias_ih": (gates * U,),
        "bias_hh": (gates * U,),
    }
    return {name: rng.normal(size=shape) * 0.5 for name, shape in shapes.items()}


def named(p, prefix="rnn.", suffix="_l0"):
    return {f"{prefix}{name}{suffix}": array for name, array in p.items()}


def over(*layers, shape=f"time, batch, feature={D}"):
    return Model(Sequential(*layers, shape=shape))


def close(model, inputs, expected):
    np.testing.assert_allclose(model.predict(inputs), expected, rtol=2e-5, atol=2e-6)


# ---------------------------------------------------------------------- torch
@pytest.mark.parametrize(
    ("layer", "gates", "equations"),
    [
        (LSTM(D, U, None), 4, torch_lstm),
        (Recurrent(gru_cell(U, reset_after=True)), 3, torch_gru),
        (RNN(D, U, None), 1, torch_rnn),
        (LSTM(D, U, None, keep_state=0.5, keep_input=0.5), 4, torch_lstm),
    ],
    ids=["lstm", "gru", "rnn", "lstm-dropout"],
)
def test_recurrent_layers_of_torch(rng, x, layer, gates, equations):
    p = recurrent(rng, gates)
    w, b = rng.normal(size=(2, U)), rng.normal(size=2)
    model = over(layer, Last(), FullyConnected(U, 2))
    done = import_weights(model, named(p) | {"fc.weight": w, "fc.bias": b}, "torch")
    close(model, x, equations(p, x)[-1] @ w.T + b)
    assert [row[1] for row in done.layers] == ["rnn.l0", "fc"]


def test_both_directions_of_two_levels(rng, x):
    cells = [recurrent(rng, 3), recurrent(rng, 3), recurrent(rng, 3, 2 * U), recurrent(rng, 3, 2 * U)]
    suffixes = ("_l0", "_l0_reverse", "_l1", "_l1_reverse")
    state = {k: v for p, suffix in zip(cells, suffixes, strict=True) for k, v in named(p, "", suffix).items()}
    shuffled = dict(reversed(state.items()))
    model = over(Stack([gru_cell(U, reset_after=True), gru_cell(U, reset_after=True)], bidirectional=True))
    import_weights(model, shuffled, "torch")
    below = np.concatenate([torch_gru(cells[0], x), torch_gru(cells[1], x, True)], axis=2)
    close(model, x, np.concatenate([torch_gru(cells[2], below), torch_gru(cells[3], below, True)], axis=2))


def mlp():
    return over(FullyConnected(D, 8), ReLU(), FullyConnected(8, 8), FullyConnected(8, 8), shape=f"batch, feature={D}")


def test_layers_of_one_shape_go_by_their_numbers(rng):
    names = ("2", "4", "10")
    w = {n: rng.normal(size=(8, D if n == "2" else 8)) for n in names}
    b = {n: rng.normal(size=8) for n in names}
    state = {f"{n}.weight": w[n] for n in reversed(names)} | {f"{n}.bias": b[n] for n in names}
    model = mlp()
    import_weights(model, state, "torch")
    x = rng.normal(size=(7, D)).astype(np.float32)
    y = np.maximum(x @ w["2"].T + b["2"], 0) @ w["4"].T + b["4"]
    close(model, x, y @ w["10"].T + b["10"])


def image_model(epsilon, channels_first=True):
    return over(
        Conv(1, (2, 3, 3), 3),
        BatchNormalization(3, epsilon=epsilon),
        ReLU(),
        Flatten(),
        Dropout(0.5),
        FullyConnected(3 * 6 * 5, 4),
        LayerNormalization(4, epsilon=epsilon),
        shape="batch, channel=2, y=6, x=5",
    )


def image_net(p, image, flatten, epsilon):
    """The same in numpy: ``p`` has the kernel as (out, in, y, x) and the dense weights as (in, out)."""
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    y = np.einsum("nchwij,ocij->nohw", windows, p["kernel"]) + p["conv_bias"][:, None, None]
    y = (y - p["mean"][:, None, None]) / np.sqrt(p["variance"] + epsilon)[:, None, None]
    y = np.maximum(y * p["gamma"][:, None, None] + p["beta"][:, None, None], 0)
    y = flatten(y) @ p["dense"] + p["dense_bias"]
    y = (y - y.mean(axis=1, keepdims=True)) / np.sqrt(y.var(axis=1, keepdims=True) + epsilon)
    return y * p["gain"] + p["offset"]


@pytest.fixture
def images(rng):
    shapes = {
        "kernel": (3, 2, 3, 3), "conv_bias": (3,), "gamma": (3,), "beta": (3,), "mean": (3,), "variance": (3,),
        "dense": (90, 4), "dense_bias": (4,), "gain": (4,), "offset": (4,),
    }  # fmt: skip
    p = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return {**p, "variance": rng.uniform(0.5, 2, size=3)}, rng.normal(size=(4, 2, 6, 5)).astype(np.float32)


def test_convolution_and_normalization_of_torch(images):
    p, image = images
    state = {
        "conv.weight": p["kernel"], "conv.bias": p["conv_bias"], "bn.weight": p["gamma"], "bn.bias": p["beta"],
        "bn.running_mean": p["mean"], "bn.running_var": p["variance"], "bn.num_batches_tracked": np.array(7),
        "fc.weight": p["dense"].T, "fc.bias": p["dense_bias"], "ln.weight": p["gain"], "ln.bias": p["offset"],
    }  # fmt: skip
    model = image_model(1e-5)
    assert not import_weights(model, state, "torch").notes
    close(model, image, image_net(p, image, lambda y: y.reshape(len(y), -1), 1e-5))
    notes = import_weights(image_model(1e-3), state, "torch").notes
    assert len(notes) == 2
    assert "epsilon 0.001, the default of torch is 1e-05" in notes[0]


def test_embedding_and_dense_without_bias(rng):
    table, p, w = rng.normal(size=(9, D)), recurrent(rng, 4), rng.normal(size=(9, U))
    model = over(Embedding(9, D), LSTM(D, U, None), FullyConnected(U, 9, bias=False), shape="time, batch")
    import_weights(model, {"emb.weight": table, **named(p), "out.weight": w}, "torch")
    ids = rng.integers(0, 9, size=(T, N))
    close(model, ids, torch_lstm(p, table[ids]) @ w.T)


def test_torch_itself(rng, x):
    torch = pytest.importorskip("torch")
    net = torch.nn.LSTM(D, U, num_layers=2)
    model = over(Stack([lstm_cell(U), lstm_cell(U)]))
    import_weights(model, net.state_dict(), "torch")
    with torch.no_grad():
        close(model, x, net(torch.tensor(x))[0].numpy())


# ---------------------------------------------------------------------- Keras
def test_images_of_keras_have_their_channels_last(images):
    p, image = images
    arrays = {
        "layers/conv2d/vars/0": p["kernel"].transpose(2, 3, 1, 0), "layers/conv2d/vars/1": p["conv_bias"],
        **{f"layers/batch_normalization/vars/{i}": p[n] for i, n in enumerate(("gamma", "beta", "mean", "variance"))},
        "layers/dense/vars/0": p["dense"], "layers/dense/vars/1": p["dense_bias"],
        "layers/layer_normalization/vars/0": p["gain"], "layers/layer_normalization/vars/1": p["offset"],
        "layers/dropout/seed_generator/vars/0": np.array([1, 2]), "optimizer/vars/0": np.array(3),
    }  # fmt: skip
    model = image_model(1e-3)
    import_weights(model, arrays, "keras")
    close(model, image, image_net(p, image, lambda y: y.transpose(0, 2, 3, 1).reshape(len(y), -1), 1e-3))


def keras_cell(kernel, recurrent_kernel, bias, name="gru"):
    return {f"layers/{name}/cell/vars/{i}": array for i, array in enumerate((kernel, recurrent_kernel, bias))}


@pytest.mark.parametrize("after", [True, False])
def test_gru_of_keras(rng, x, after):
    """Gates z, r, h; ``h_t = z h + (1 - z) h'``; the bias has two rows with reset_after."""
    kernel, recurrent_kernel = rng.normal(size=(D, 3 * U)), rng.normal(size=(U, 3 * U)) * 0.4
    bias = rng.normal(size=(2, 3 * U) if after else 3 * U)
    layer = Recurrent(gru_cell(U, reset_after=True)) if after else GRU(D, U, None)
    model = over(layer)
    import_weights(model, keras_cell(kernel, recurrent_kernel, bias), "keras")
    h, expected = np.zeros((N, U)), []
    first, second = np.atleast_2d(bias)[0], bias[1] if after else np.zeros(3 * U)
    for x_t in x:
        a = x_t @ kernel + first
        z, r = (σ(a[:, s] + h @ recurrent_kernel[:, s] + second[s]) for s in (slice(0, U), slice(U, 2 * U)))
        last = recurrent_kernel[:, 2 * U :]
        inner = r * (h @ last + second[2 * U :]) if after else (r * h) @ last
        h = z * h + (1 - z) * np.tanh(a[:, 2 * U :] + inner)
        expected.append(h)
    close(model, x, expected)


def test_lstm_of_keras_in_both_directions(rng, x):
    p, q = recurrent(rng, 4), recurrent(rng, 4)
    arrays = {}
    for direction, cell in (("forward_layer", p), ("backward_layer", q)):
        parts = cell["weight_ih"].T, cell["weight_hh"].T, cell["bias_ih"] + cell["bias_hh"]
        arrays |= {f"layers/bidirectional/{direction}/cell/vars/{i}": part for i, part in enumerate(parts)}
    model = over(Stack([lstm_cell(U)], bidirectional=True))
    import_weights(model, arrays, "keras")
    close(model, x, np.concatenate([torch_lstm(p, x), torch_lstm(q, x, True)], axis=2))


def test_file_of_keras(tmp_path, rng, x):
    h5py = pytest.importorskip("h5py")
    p = recurrent(rng, 4)
    arrays = keras_cell(p["weight_ih"].T, p["weight_hh"].T, p["bias_ih"] + p["bias_hh"], "lstm")
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
    model = over(LSTM(D, U, None))
    import_weights(model, tmp_path / "m.weights.h5", "keras")
    close(model, x, torch_lstm(p, x))
    (tmp_path / "bad.h5").write_bytes(b"nothing")
    with pytest.raises(FileError, match="not an HDF5 file"):
        import_weights(model, tmp_path / "bad.h5", "keras")


def test_h5py_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(graphnet.PluginError, match="pip install h5py"):
        import_weights(mlp(), tmp_path / "m.weights.h5", "keras")


# ---------------------------------------------------------------------- refusals
def other_order():
    """An LSTM by its gates, whose products read [h, x]; D = U would hide that from the shapes."""
    cell = Cell("mine", sequences="x", states={"h": U, "c": U})
    both = concatenate(cell.h, cell.x)
    i, f, o = (sigmoid(dense(both, U, name=f"{name}_gate")) for name in ("input", "forget", "output"))
    c = f * cell.c + i * tanh(dense(both, U, name="candidate"))
    h = o * tanh(c)
    return cell.build(output=h, h=h, c=c)


def test_another_cell_with_the_same_gates_is_refused(rng):
    g = Builder("g")
    model = Model(g.build(y=Scan(other_order())(g.input("x", f"time, batch, feature={U}"))))
    before = {name: p.value.copy() for name, p in model.runner.parameters.items()}
    with pytest.raises(GraphError, match="computes something else.*lstm"):
        import_weights(model, named(recurrent(rng, 4, U)), "torch")
    assert all((p.value == before[name]).all() for name, p in model.runner.parameters.items() if name in before)


def pair(rng):
    return {f"{n}.{part}": rng.normal(size=s) for n in "ab" for part, s in (("weight", (3, D)), ("bias", (3,)))}


def one():
    return over(FullyConnected(D, 3), shape=f"batch, feature={D}")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ConfigError, "candidates a, b. Give the names: fully_connected=a"),
        ({"names": {"fully_connected": "b"}}, FileError, r"received a \(linear"),
        ({"names": {"dense": "b"}}, UnknownNameError, "unknown layer with weights 'dense'"),
        ({"names": {"fully_connected": "c"}}, UnknownNameError, "expected one of a, b"),
        ({"skip": ["a", "b"]}, FileError, "layers without weights"),
    ],
    ids=["ambiguous", "left", "node", "name", "none"],
)
def test_what_is_not_clear_is_refused(rng, options, error, message):
    with pytest.raises(error, match=message):
        import_weights(one(), pair(rng), "torch", **options)


def test_names_skip_and_partial(rng):
    state = pair(rng)
    for options in ({"names": {"fully_connected": "b"}, "skip": "a"}, {"skip": ["a*"]}):
        model = one()
        import_weights(model, state, "torch", **options)
        np.testing.assert_array_equal(
            model.graph.nodes["fully_connected"].layer.weights, np.vstack([state["b.weight"].T, state["b.bias"]])
        )
    model = over(FullyConnected(D, 3), FullyConnected(3, 2), shape=f"batch, feature={D}")
    done = import_weights(model, state, "torch", skip="b", partial=True)
    assert done.unchanged == ("fully_connected_2",)
    assert "unchanged: fully_connected_2" in str(done)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"x.weight": np.ones((3, 3, 3, 3, 3, 3))}, "cannot be imported"),
        ({"x.weight_hr_l0": np.ones((3, 3))}, "projection"),
        ({"fc.weight": np.ones((3, D)), "fc.bias": np.ones(3), "prelu.alpha": np.ones(2)}, "prelu"),
        ({"fc.weight": np.ones((3, D + 1)), "fc.bias": np.ones(3)}, "no layer for weights"),
        ({"fc.weight": np.full((3, D), np.nan), "fc.bias": np.ones(3)}, "not finite"),
        ({}, "without weights in the file"),
    ],
    ids=["rank", "projection", "unknown", "shape", "nan", "empty"],
)
def test_state_dicts_that_do_not_fit(state, message):
    with pytest.raises(FileError, match=message):
        import_weights(one(), state, "torch")


def test_reset_gate_on_the_other_side_is_explained(rng):
    with pytest.raises(FileError, match=r"reset_after=True"):
        import_weights(over(GRU(D, U, None)), named(recurrent(rng, 3)), "torch")


@pytest.mark.parametrize("source", ["m.pt", "missing.safetensors", 3])
def test_other_sources_are_refused(tmp_path, source):
    with pytest.raises(graphnet.GraphnetError, match="pickle|cannot be read|not weights"):
        import_weights(one(), tmp_path / source if isinstance(source, str) else source, "torch")
    with pytest.raises(ConfigError, match="torch or keras"):
        import_weights(one(), {}, "caffe")


# ---------------------------------------------------------------------- command line and files
def test_command_line(tmp_path, rng, capsys):
    one().save(tmp_path / "m")
    state = pair(rng)
    (tmp_path / "w.safetensors").write_bytes(b"".join(encoded(state, {})))
    arguments = [
        "weights",
        "import",
        str(tmp_path / "w.safetensors"),
        "--from",
        "torch",
        "--model",
        str(tmp_path / "m"),
    ]
    with pytest.raises(SystemExit):
        main(arguments)
    assert "Give the names" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--map", "fully_connected=b", "--skip", "a", "-o", str(tmp_path / "new")])
    assert ended.value.code == 0
    assert "fully_connected  b        linear" in capsys.readouterr().out
    saved = read_tensors(tmp_path / "new" / "weights.safetensors", "weights")[0]
    np.testing.assert_array_equal(saved["fully_connected/weights"][:-1], state["b.weight"].T)


def test_model_with_statistics_is_saved_before_its_first_batch(tmp_path):
    model = over(BatchNormalization(D), FullyConnected(D, 2), shape=f"batch, feature={D}")
    model.save(tmp_path / "m")
    assert float(graphnet.load(tmp_path / "m").runner.buffers["batch_normalization/batches"]) == 0


@pytest.mark.parametrize(
    ("changed", "options", "error", "text"),
    [
        ({}, {"names": "fc"}, ConfigError, "names must be a mapping"),
        ({}, {"skip": 3}, ConfigError, "skip must be"),
        ({}, {"skip": [3]}, ConfigError, "skip must be"),
        ({"fc.weight": np.full((2, D), 1 + 2j)}, {}, DtypeError, "real numbers.*complex128"),
    ],
)
def test_arguments_that_are_refused(changed, options, error, text):
    model = over(FullyConnected(D, 2), shape=f"batch, feature={D}")
    state = {"fc.weight": np.ones((2, D)), "fc.bias": np.ones(2), **changed}
    with pytest.raises(error, match=text):
        import_weights(model, state, "torch", **options)
