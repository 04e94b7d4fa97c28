"""Truncated backpropagation through time: against its definition, against full backpropagation, and in use."""

import tracemalloc

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

import graphnet
from graphnet import Builder, ConfigError, DataError, FullyConnected, Last, Model, Runner, Scan, ShapeError, State
from graphnet.data.batches import Batch
from graphnet.data.datasets import Stream
from graphnet.initializers import UniformRandom
from graphnet.losses import CrossEntropy, MeanSquaredError
from graphnet.optimizers import Sgd
from graphnet.training import Trainer, TrainingConfig
from graphnet.training.tbptt import TruncatedRunner, split_batch
from graphnet_recurrent import LSTM, RNN, Bidirectional, elman_cell, gru_cell

RNG = np.random.default_rng(20261123)
FEATURES, INNER, LOWER, UPPER, OUT = 3, 4, 5, 3, 2
STEPS, ROWS = 11, 4


def deep_graph(name="deep"):
    """A dense layer, two Scans one over another, and a dense layer."""
    g = Builder(name)
    x = g.input("x", f"time, batch, feature={FEATURES}")
    x = FullyConnected(FEATURES, INNER)(x, name="entry")
    x = Scan(elman_cell(LOWER))(x, name="lower")
    x = Scan(elman_cell(UPPER))(x, name="upper")
    return g.build(FullyConnected(UPPER, OUT)(x, name="exit"))


PATHS = ("entry/weights", "lower/hidden/weights", "upper/hidden/weights", "exit/weights")


def filled(graph, reach=None):
    """A runner with weights that are neither small nor equal."""
    runner = Runner(graph, reach=reach)
    runner.materialize()
    for parameter in runner.parameters.values():
        parameter.value = 0.6 * np.random.default_rng(parameter.value.size).standard_normal(parameter.value.shape)
    return runner


def ones(x):
    return anp.concatenate([x, np.ones((len(x), 1))], axis=1)


def steps_of(entry, lower, upper, exit_, x, h, k, lengths):
    """The outputs (a list over time) of a network that has other weights at every step, and its last states."""
    outputs, states = [], []
    for t in range(len(x)):
        there = (t < lengths)[:, None]
        e = anp.dot(ones(x[t]), entry[t])
        new_h = anp.tanh(anp.dot(ones(anp.concatenate([e, h], axis=1)), lower[t]))
        h = anp.where(there, new_h, h)
        new_k = anp.tanh(anp.dot(ones(anp.concatenate([h, k], axis=1)), upper[t]))
        k = anp.where(there, new_k, k)
        outputs.append(anp.where(there, anp.dot(ones(k), exit_[t]), 0.0))
        states.append((h, k))
    return outputs, states


def by_definition(weights, x, lengths, targets, start, stop, k2):
    """Σ over the last k2 steps of each row of the derivative of the piece's loss by the weights of that step alone."""
    zeros = np.zeros((ROWS, LOWER)), np.zeros((ROWS, UPPER))
    result = [np.zeros_like(w) for w in weights]
    for row in range(ROWS):
        end = min(stop, lengths[row])
        if end <= start:
            continue
        first = max(0, end - k2)

        def loss(own, row=row, end=end, first=first):
            each = [[own[i] if first <= t < end or (i == 3) else weights[i] for t in range(STEPS)] for i in range(4)]
            outputs, _ = steps_of(*each, x[:, row : row + 1], *(z[:1] for z in zeros), lengths[row : row + 1])
            return sum(anp.sum((outputs[t] - targets[t, row : row + 1]) ** 2) for t in range(start, end))

        for total, part in zip(result, grad(loss)([w.copy() for w in weights]), strict=True):
            total += part
    return result


def data(seed=1):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((STEPS, ROWS, FEATURES)), rng.standard_normal((STEPS, ROWS, OUT))


def batch_of(x, y, lengths):
    mask = np.arange(len(x))[:, None] < lengths
    return Batch({"x": x}, {"x": np.asarray(lengths)}, {"output": y}, {"output": mask}, x.shape[1])


def gradients(runner):
    return [runner.parameters[path].gradient for path in PATHS]


def through_pieces(graph, k1, k2, x, y, lengths):
    """The gradients of the pieces, one list a piece, at weights that do not change."""
    runner = filled(graph, reach=k2)
    truncated = TruncatedRunner(runner, k1, k2)
    truncated.start()
    result = []
    for piece in split_batch(batch_of(x, y, lengths), k1, truncated.timed):
        outputs = truncated.forward(piece)["output"]
        mask = piece.masks["output"][:, :, None]
        truncated.backward({"output": 2 * (outputs - piece.targets["output"]) * mask})
        result.append([g.copy() for g in gradients(runner)])
    return result


LENGTHS = [np.full(ROWS, STEPS), np.array([11, 4, 0, 7])]


@pytest.mark.parametrize("lengths", LENGTHS, ids=["whole", "ragged"])
@pytest.mark.parametrize(("k1", "k2"), [(4, 2), (3, 3), (4, 7), (2, 5), (3, 6), (5, 30), (11, 4), (1, 3)])
def test_piece_gradient_matches_definition(k1, k2, lengths):
    x, y = data()
    graph = deep_graph()
    weights = [filled(graph).parameters[path].value for path in PATHS]
    result = through_pieces(graph, k1, k2, x, y, lengths)
    assert len(result) == -(-max(lengths) // k1)
    for number, piece in enumerate(result):
        wanted = by_definition(weights, x, lengths, y, number * k1, min((number + 1) * k1, STEPS), k2)
        for got, want in zip(piece, wanted, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("lengths", LENGTHS, ids=["whole", "ragged"])
@pytest.mark.parametrize("k1", [1, 3, 4, 11])
def test_large_k2_is_full_backpropagation(k1, lengths):
    x, y = data()
    graph = deep_graph()
    result = through_pieces(graph, k1, STEPS, x, y, lengths)
    runner = filled(graph)
    output = runner.forward({"x": x}, lengths=lengths)["output"]
    mask = (np.arange(STEPS)[:, None] < lengths)[:, :, None]
    runner.backward({"output": 2 * (output - y) * mask})
    for total, want in zip(map(sum, zip(*result, strict=True)), gradients(runner), strict=True):
        np.testing.assert_allclose(total, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("k1", "k2"), [(4, 2), (5, 5), (3, 7)])
def test_trainer_matches_manual_tbptt_loop(k1, k2):
    x, y = data(3)
    rate = 0.05
    graph = deep_graph()
    start = filled(graph)
    weights = [start.parameters[path].value.copy() for path in PATHS]
    config = TrainingConfig(
        loss=MeanSquaredError(), optimizer=Sgd(rate), epochs=2, batch_size=ROWS, shuffle=False, dtype="float64",
        tbptt=(k1, k2),
    )  # fmt: skip
    Trainer(graph, config).fit(x, y, warm_start=True)
    trained = {path: start.parameters[path].value for path in PATHS}

    full = np.full(ROWS, STEPS)
    for _ in range(2):
        began = [(np.zeros((ROWS, LOWER)), np.zeros((ROWS, UPPER)))]  # the states in which the pieces began
        for number, at in enumerate(range(0, STEPS, k1)):
            stop = min(at + k1, STEPS)
            earlier = min(number, max(0, stop - k2) // k1)
            first = earlier * k1

            def window(own, first=first, stop=stop, earlier=earlier, began=tuple(began), now=tuple(weights)):
                each = [[own[i] if t >= stop - k2 or i == 3 else now[i] for t in range(first, stop)] for i in range(4)]
                return steps_of(*each, x[first:stop], *began[earlier], full)

            def loss(own, at=at, first=first, stop=stop, window=window):
                outputs, _ = window(own)
                errors = [anp.sum((outputs[t - first] - y[t]) ** 2) for t in range(at, stop)]
                return sum(errors) / ((stop - at) * ROWS * OUT)

            steps = grad(loss)([w.copy() for w in weights])
            began.append(window(weights)[1][-1])
            weights = [w - rate * g for w, g in zip(weights, steps, strict=True)]
    # The best of the two epochs is the second one: the loss falls.
    for path, want in zip(PATHS, weights, strict=True):
        np.testing.assert_allclose(trained[path], want, rtol=1e-9, atol=1e-11)


# ---------------------------------------------------------------------- streams
def echo(steps, rows=None, delay=2, seed=0):
    shape = (steps, 1) if rows is None else (steps, rows, 1)
    x = np.random.default_rng(seed).standard_normal(shape)
    return x, np.concatenate([np.zeros_like(x[:delay]), x[:-delay]])


def echo_graph(units=12):
    g = Builder("echo")
    return g.build(RNN(1, units, 1)(g.input("x", "time, batch, feature=1"), name="rnn"))


SETTINGS = {"loss": MeanSquaredError(), "optimizer": Sgd(0.1), "epochs": 2, "dtype": "float64", "seed": 4}


def test_stream_sources_train_alike(tmp_path):
    x, y = echo(61)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)

    def in_odd_pieces():
        rows_x, rows_y = (a[:60].reshape(3, 20, 1).swapaxes(0, 1) for a in (x, y))
        for start, stop in ((0, 1), (1, 8), (8, 19), (19, 20)):
            yield rows_x[start:stop], rows_y[start:stop]

    streams = [
        Stream(x, y, batch=3),
        Stream(tmp_path / "x.npy", str(tmp_path / "y.npy"), batch=3),
        Stream(in_odd_pieces),
        Stream(list(in_odd_pieces())),
        Stream({"x": x}, {"output": y}, batch=3),
    ]
    result = []
    for stream in streams:
        model = Model(echo_graph())
        history = model.fit(stream, tbptt=(6, 9), **SETTINGS)
        result.append((history.best.loss, model.state, list(model.runner.parameters.values())))
        assert history.epochs[-1].examples == 3
    for loss, state, parameters in result[1:]:
        assert loss == result[0][0]
        assert state == result[0][1]
        assert all(np.array_equal(a.value, b.value) for a, b in zip(parameters, result[0][2], strict=True))


def test_state_is_carried_over_and_saved(tmp_path):
    x, y = echo(80)
    model = Model(echo_graph())
    model.fit(Stream(x, y, batch=2), tbptt=(7, 7), **{**SETTINGS, "optimizer": Sgd(0.0), "epochs": 1})
    rows = x.reshape(2, 40, 1).swapaxes(0, 1)
    runner = Runner(model.graph)
    runner.forward({"x": rows}, state=State())
    assert model.state.arrays.keys() == runner.state.arrays.keys()
    for name, array in runner.state.arrays.items():
        np.testing.assert_allclose(model.state.arrays[name], array, rtol=1e-12)

    model.save(tmp_path / "saved")
    again = graphnet.load(tmp_path / "saved")
    assert again.state == model.state
    following = np.random.default_rng(8).standard_normal((5, 2, 1))
    one = model.predict(following, stateful=True)
    np.testing.assert_array_equal(one, again.predict(following, stateful=True))
    whole = Runner(model.graph).forward({"x": np.concatenate([rows, following])}, phase=graphnet.Phase.test)["output"]
    np.testing.assert_allclose(one, whole[40:], rtol=1e-10)

    again.reset_state([1])
    fresh = again.predict(following, stateful=True)
    np.testing.assert_allclose(fresh[:, 1], model.predict(following)[:, 1], rtol=1e-12)
    assert not np.allclose(fresh[:, 0], model.predict(following)[:, 0])


def test_fresh_rows_start_from_zero_state():
    x, y = data(5)
    graph = deep_graph()
    k1, k2 = 3, 7
    runner = filled(graph, reach=k2)
    fresh = np.array([False, True, False, True])
    stream = Stream([(x[:4], y[:4]), (x[4:], y[4:], fresh)])
    truncated = TruncatedRunner(runner, k1, k2)
    truncated.start()
    outputs, result, starts = [], [], []
    for piece in stream.pieces(k1):
        steps = len(piece.inputs)
        batch = Batch({"x": piece.inputs}, {}, {"output": piece.targets}, {"output": None}, ROWS, piece.fresh)
        outputs.append(truncated.forward(batch)["output"])
        truncated.backward({"output": 2 * (outputs[-1] - piece.targets)})
        result.append([g.copy() for g in gradients(runner)])
        starts.append((0 if not starts else starts[-1][1], (starts[-1][1] if starts else 0) + steps))
    assert starts == [(0, 3), (3, 4), (4, 7), (7, 10), (10, 11)]
    whole, late = filled(graph), filled(graph)
    expected = whole.forward({"x": x})["output"]
    begun = late.forward({"x": x[4:]})["output"]
    expected[4:, fresh] = begun[:, fresh]
    np.testing.assert_allclose(np.concatenate(outputs), expected, rtol=1e-12)

    # The gradient of each piece by the definition, for rows that continue and rows that restart.
    weights = [whole.parameters[path].value for path in PATHS]
    for (start, stop), got in zip(starts, result, strict=True):
        on = by_definition(weights, x, np.where(fresh & (start >= 4), 0, STEPS), y, start, stop, k2)
        if start >= 4:
            late_x, late_y = np.zeros_like(x), np.zeros_like(y)
            late_x[: STEPS - 4], late_y[: STEPS - 4] = x[4:], y[4:]
            lengths = np.where(fresh, STEPS - 4, 0)
            more = by_definition(weights, late_x, lengths, late_y, start - 4, stop - 4, k2)
            on = [a + b for a, b in zip(on, more, strict=True)]
        for a, b in zip(got, on, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_stream():
    def peak(steps):
        def read():
            rng = np.random.default_rng(0)
            for _ in range(steps // 50):
                x = rng.standard_normal((50, 2, 1))
                yield x, 0.5 * x

        model = Model(echo_graph())
        config = {**SETTINGS, "epochs": 1, "tbptt": (20, 50)}
        model.fit(Stream(read), **config)  # what is made once is there now
        tracemalloc.start()
        try:
            model.fit(Stream(read), **config)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(6000) < 1.3 * peak(600)


def test_stream_validation_carries_state():
    x, y = echo(120)
    model = Model(echo_graph())
    history = model.fit(Stream(x, y, batch=2), validation_data=Stream(*echo(50, seed=1)), tbptt=(10, 10), **SETTINGS)
    assert history.best.validation_loss is not None
    whole = model.evaluate(x[:, None], y[:, None])["loss"]
    np.testing.assert_allclose(model.evaluate(Stream(x, y))["loss"], whole, rtol=1e-10)


def test_iterator_stream_is_read_once():
    x, y = echo(30)
    stream = Stream(iter([(x[:, None], y[:, None])]))
    model = Model(echo_graph())
    assert len(model.fit(stream, tbptt=(10, 10), **{**SETTINGS, "epochs": 1})) == 1
    with pytest.raises(graphnet.StateError, match="read already"):
        model.fit(stream, tbptt=(10, 10), **SETTINGS)


def test_stream_run_is_reproducible():
    x, y = echo(90)
    losses = {Model(echo_graph()).fit(Stream(x, y, batch=2), tbptt=(8, 20), **SETTINGS).best.loss for _ in range(2)}
    assert len(losses) == 1


# ---------------------------------------------------------------------- refusals
def over_time(layer):
    g = Builder("net")
    return g.build(layer(g.input("x", "time, batch, feature=1"), name="net"))


def test_tbptt_refuses_unsuitable_graphs():
    x, y = echo(30, rows=2)
    g = Builder("net")
    last = g.build(Last()(LSTM(1, 3, 1)(g.input("x", "time, batch, feature=1"), name="lstm"), name="last"))
    with pytest.raises(ShapeError, match="an output at each step"):
        Model(last).fit(x, y[0], tbptt=(5, 5), **SETTINGS)
    both = over_time(Bidirectional(gru_cell(3), None, 1))
    with pytest.raises(ConfigError, match="backwards"):
        Model(both).fit(x, y, tbptt=(5, 5), **SETTINGS)
    with pytest.raises(ConfigError, match="backwards"):
        Model(both).fit(Stream(x, y, batch=None), tbptt=(5, 5), **SETTINGS)
    with pytest.raises(ConfigError, match="needs tbptt"):
        Model(echo_graph()).fit(Stream(x, y, batch=None), **SETTINGS)
    with pytest.raises(ConfigError, match="held out"):
        Model(echo_graph()).fit(Stream(x, y, batch=None), tbptt=(5, 5), validation=0.2, **SETTINGS)
    with pytest.raises(ConfigError, match="a Stream takes no"):
        Model(echo_graph()).fit(Stream(x, y, batch=None), y, tbptt=(5, 5), **SETTINGS)
    with pytest.raises(DataError, match="empty"):
        Model(echo_graph()).fit(Stream([]), tbptt=(5, 5), **SETTINGS)


@pytest.mark.parametrize("value", [(0, 5), (5,), 5, (5, 5, 5), (2.5, 3), (True, 2), "55"])
def test_tbptt_takes_two_whole_numbers(value):
    with pytest.raises(ConfigError, match="tbptt"):
        TrainingConfig(tbptt=value)


def test_tbptt_stands_in_model_files(tmp_path):
    model = Model(echo_graph(), TrainingConfig(tbptt=(50, 80), batching="length", batch_major=True))
    model.save(tmp_path / "m")
    assert "tbptt: [50, 80]" in (tmp_path / "m" / "model.yaml").read_text()
    again = graphnet.load(tmp_path / "m").config
    assert (again.tbptt, again.batching, again.batch_major) == ((50, 80), "length", True)


def test_classes_at_each_step_train_in_pieces():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((40, 6, 1))
    labels = (np.cumsum(x[..., 0], axis=0) > 0).astype(np.int64)
    g = Builder("sign")
    graph = g.build(LSTM(1, 8, 2)(g.input("x", "time, batch, feature=1"), name="lstm"))
    model = Model(graph)
    settings = {**SETTINGS, "loss": CrossEntropy(), "epochs": 8, "weights_initializer": UniformRandom()}
    history = model.fit(x, labels, lengths=[40, 33, 1, 0, 40, 12], tbptt=(10, 15), **settings)
    assert history.epochs[-1].loss < history.epochs[0].loss


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stream(np.zeros((5, 1)), np.zeros((4, 1))), "differ in steps"),
        (lambda: Stream(np.zeros((2, 1)), np.zeros((2, 1)), batch=3), "too few steps"),
        (lambda: Stream(np.zeros((5, 1))), "no targets"),
        (lambda: Stream([], np.zeros((5, 1))), "pieces have their own targets"),
        (lambda: Stream(7), "not a stream"),
        (lambda: Stream("nothing.npy", "there.npy"), "cannot be read"),
        (lambda: Stream(np.zeros((5, 1)), np.zeros((5, 1)), batch=0), "batch must be a positive integer"),
        (lambda: Stream(np.array(["a"]), np.zeros(1)), "not a series of numbers"),
        (lambda: list(Stream([(np.zeros((2, 1, 1)), np.zeros((3, 1, 1)))]).pieces(2)), "steps and rows differ"),
        (lambda: list(Stream([np.zeros((2, 1, 1))]).pieces(2)), "invalid piece"),
        (lambda: list(Stream([(np.zeros((2, n, 1)),) * 2 for n in (1, 2)]).pieces(2)), "pieces differ in shape"),
        (lambda: list(Stream([(*(np.zeros((2, 3, 1)),) * 2, [True])]).pieces(2)), "each row"),
    ],
)
def test_stream_errors_name_the_problem(make, message):
    with pytest.raises(graphnet.GraphnetError, match=message):
        make()


def test_batch_count_is_zero_if_unknown():
    import io

    from graphnet.training.progress import TerminalBar

    x, y = echo(60)
    stream = io.StringIO()
    model = Model(echo_graph())
    model.fit(Stream(lambda: [(x[:, None], y[:, None])]), tbptt=(10, 10), callbacks=[TerminalBar(stream)], **SETTINGS)
    assert "best epoch" in stream.getvalue()
