"""Sequences as people have them: masks, lengths, lists, batch-major arrays, batches of similar length."""

import numpy as np
import pytest

import graphnet
from graphnet import Builder, ConfigError, DtypeError, Last, Model, ShapeError
from graphnet.data.examples import examples
from graphnet.data.sequences import packing_of
from graphnet.losses import MeanSquaredError
from graphnet.optimizers import Sgd
from graphnet.training import TrainingConfig
from graphnet_recurrent import GRU, LSTM

RNG = np.random.default_rng(11)
T, B, F, OUT = 7, 6, 3, 2
MASK = RNG.random((T, B)) < 0.6
MASK[:, 2] = False
MASK[:, 4] = True
X = RNG.standard_normal((T, B, F))
Y = RNG.standard_normal((T, B, OUT))
SETTINGS = {"loss": MeanSquaredError(), "optimizer": Sgd(0.05), "epochs": 3, "dtype": "float64", "seed": 2}


def over_time():
    g = Builder("steps")
    return Model(g.build(LSTM(F, 5, OUT)(g.input("x", f"time, batch, feature={F}"), name="lstm")))


def at_the_end():
    g = Builder("end")
    x = GRU(F, 5, OUT)(g.input("x", f"time, batch, feature={F}"), name="gru")
    return Model(g.build(Last()(x, name="last")))


def rows(array, mask=MASK):
    return [array[mask[:, b], b] for b in range(array.shape[1])]


def weights(model):
    return [p.value for p in model.runner.parameters.values()]


def trained(make, *data, **options):
    model = make()
    history = model.fit(*data, **{**SETTINGS, **options})
    return model, [record.loss for record in history.epochs]


def same(a, b):
    assert a[1] == b[1]
    for one, other in zip(weights(a[0]), weights(b[0]), strict=True):
        np.testing.assert_array_equal(one, other)


# ---------------------------------------------------------------------- masks
def test_mask_trains_like_list_of_valid_steps():
    spoilt = np.where(MASK[:, :, None], X, np.nan)
    masked = trained(over_time, spoilt, np.where(MASK[:, :, None], Y, np.inf), mask=MASK)
    same(masked, trained(over_time, rows(X), rows(Y)))
    figures = masked[0].evaluate(spoilt, Y, mask=MASK)
    np.testing.assert_allclose(figures["loss"], masked[0].evaluate(rows(X), rows(Y))["loss"], rtol=1e-12)


def test_mask_with_one_target_per_row():
    targets = RNG.standard_normal((B, OUT))
    same(trained(at_the_end, X, targets, mask=MASK), trained(at_the_end, rows(X), targets))


def test_predictions_have_the_places_of_the_mask():
    model, _ = trained(over_time, rows(X), rows(Y))
    result = model.predict(X, mask=MASK)
    assert result.shape == Y.shape and not result[~MASK].any()
    for b, row in enumerate(model.predict(rows(X))):
        np.testing.assert_array_equal(result[MASK[:, b], b], row)
    by_name = model.predict({"x": X}, mask={"x": MASK.astype(int)})
    np.testing.assert_array_equal(by_name, result)


def test_a_mask_without_gaps_is_lengths():
    lengths = np.array([7, 1, 0, 3, 7, 2])
    mask = np.arange(T)[:, None] < lengths
    same(trained(over_time, X, Y, mask=mask), trained(over_time, rows(X, mask), rows(Y, mask)))
    model, _ = trained(over_time, X, Y, lengths=lengths)
    np.testing.assert_array_equal(model.predict(X, mask=mask), model.predict(X, lengths=lengths))


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"mask": MASK[:-1]}, ShapeError, "does not fit"),
        ({"mask": MASK[:, 0]}, ShapeError, "two axes"),
        ({"mask": np.full((T, B), 0.3)}, DtypeError, "must be boolean"),
        ({"mask": MASK, "lengths": np.full(B, T)}, ConfigError, "lengths and a mask"),
        ({"mask": {"z": MASK}}, ShapeError, "not an input with padded sequences"),
    ],
)
def test_mask_that_does_not_fit_is_refused(options, kind, message):
    model = over_time()
    with pytest.raises(kind, match=message):
        model.fit(X, Y, **options, **SETTINGS)
    with pytest.raises(kind, match=message):
        model.predict(X, **options)
    assert model.history is None
    with pytest.raises(ShapeError, match="a mask without a padded array"):
        model.fit(rows(X), rows(Y), mask=MASK, **SETTINGS)
    with pytest.raises(ShapeError, match="targets do not fit the mask"):
        model.fit(X, Y[:-1], mask=MASK, **SETTINGS)


def test_packing_round_trips():
    packing = packing_of(MASK)
    packed = packing.pack(X)
    for b, row in enumerate(rows(X)):
        np.testing.assert_array_equal(packed[: len(row), b], row)
        assert not packed[len(row) :, b].any()
    np.testing.assert_array_equal(packing.unpack(packed), np.where(MASK[:, :, None], X, 0))
    np.testing.assert_array_equal(packing.lengths, MASK.sum(0))


# ---------------------------------------------------------------------- axes
def test_batch_major_swaps_all_padded_arrays():
    first, second = np.swapaxes(X, 0, 1), np.swapaxes(Y, 0, 1)
    lengths = np.array([7, 1, 0, 3, 7, 2])
    for options, turned in (({}, {}), ({"lengths": lengths}, {"lengths": lengths}), ({"mask": MASK}, {"mask": MASK.T})):
        plain = trained(over_time, X, Y, **options)
        other = trained(over_time, first, second, batch_major=True, **turned)
        same(plain, other)
        expected = plain[0].predict(X, **options)
        np.testing.assert_array_equal(other[0].predict(first, **turned), expected.swapaxes(0, 1))
        assert other[0].evaluate(first, second, **turned) == plain[0].evaluate(X, Y, **options)


def test_batch_major_ignores_inputs_without_time():
    targets = RNG.standard_normal((B, OUT))
    plain, other = trained(at_the_end, X, targets), trained(at_the_end, X.swapaxes(0, 1), targets, batch_major=True)
    same(plain, other)
    np.testing.assert_array_equal(other[0].predict(X.swapaxes(0, 1)), plain[0].predict(X))


def test_lists_are_lists_either_way():
    same(trained(over_time, rows(X), rows(Y)), trained(over_time, rows(X), rows(Y), batch_major=True))


def test_wrong_axis_order_is_refused():
    model = Model(over_time().graph, TrainingConfig(batch_major=True))
    with pytest.raises(ShapeError):
        model.predict(np.zeros((F, B, T)))


# ---------------------------------------------------------------------- batches
def many(count, seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 30, count)
    return [rng.standard_normal((n, F)) for n in lengths]


@pytest.mark.parametrize(("count", "size"), [(50, 8), (48, 8), (5, 8), (9, 1)])
def test_batching_by_length_reduces_padding(count, size):
    data = examples(over_time().runner, many(count, 1), dtype="float64")
    result, padding = {}, {}
    for by_length in (False, True):
        batches = list(data.batches(size, np.random.default_rng(3), by_length=by_length))
        assert [b.rows for b in batches[:-1]] == [size] * (len(batches) - 1)
        result[by_length] = sorted(n for b in batches for n in b.lengths["x"].tolist())
        padding[by_length] = sum(b.inputs["x"][..., 0].size - int(b.lengths["x"].sum()) for b in batches)
    assert result[True] == result[False] == sorted(data.inputs["x"].counts.tolist())
    if count > 2 * size > 2:
        assert padding[True] < 0.4 * padding[False]


def test_batching_by_length_order_follows_seed():
    data = examples(over_time().runner, many(60, 4), dtype="float64")

    def order(rng):
        return [b.lengths["x"].tolist() for b in data.batches(6, rng, by_length=True)]

    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    first, second = order(rng), order(rng)
    assert first != second
    assert [first, second] == [order(again), order(again)]
    still = order(None)
    assert still == sorted(still)


def test_batching_by_length_from_model_file():
    sequences = many(40, 6)
    targets = np.array([[s.sum(), len(s) / 30] for s in sequences])
    model = at_the_end()
    model.fit(sequences, targets, batching="length", batch_size=5, **SETTINGS)
    losses = [record.loss for record in model.history.epochs]
    assert losses[-1] < losses[0]
    assert model.config.changed(epochs=4).batching == "length"
    with pytest.raises(ConfigError, match="batching"):
        TrainingConfig(batching="size")


def test_rows_without_steps_are_rows():
    model, _ = trained(over_time, rows(X), rows(Y))
    result = model.predict([X[:3, 0], X[:0, 0], X[:, 1]])
    assert [len(part) for part in result] == [3, 0, 7]
    end, _ = trained(at_the_end, rows(X), RNG.standard_normal((B, OUT)))
    alone = end.predict([X[:0, 0]])
    np.testing.assert_array_equal(end.predict([X[:3, 0], X[:0, 0]])[1:], alone)


# ---------------------------------------------------------------------- state of a model
def test_stateful_predict_continues_and_resets_rows():
    model, _ = trained(over_time, X, Y)
    whole = model.predict(X)
    parts = [model.predict(X[a:b], stateful=True) for a, b in ((0, 2), (2, 3), (3, 7))]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12)
    assert model.state.rows == B
    np.testing.assert_array_equal(model.predict(X), whole)  # without the state
    model.reset_state([0, 5])
    result = model.predict(X[:2], stateful=True)
    np.testing.assert_allclose(result[:, [0, 5]], whole[:2, [0, 5]], rtol=1e-12)
    assert not np.allclose(result[:, 1], whole[:2, 1])
    with pytest.raises(graphnet.StateError, match="another number of rows"):
        model.predict(X[:, :3], stateful=True)
    model.reset_state()
    np.testing.assert_allclose(model.predict(X[:, :3], stateful=True), whole[:, :3], rtol=1e-12)
    assert model.state.rows == 3


def test_broken_state_file_is_refused(tmp_path):
    model, _ = trained(over_time, X, Y)
    model.predict(X, stateful=True)
    model.save(tmp_path / "a")
    path = tmp_path / "a" / "state.safetensors"
    assert graphnet.load(tmp_path / "a").state == model.state
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(graphnet.FileError, match="state.safetensors"):
        graphnet.load(tmp_path / "a")
    other = at_the_end()
    other.predict(X, stateful=True)
    other.save(tmp_path / "b")
    path.write_bytes((tmp_path / "b" / "state.safetensors").read_bytes())
    with pytest.raises(graphnet.FileError, match="not a state of this model"):
        graphnet.load(tmp_path / "a")


def test_targets_are_needed_but_for_a_stream():
    for call in (over_time().fit, over_time().evaluate):
        with pytest.raises(ConfigError, match="targets are missing"):
            call(X)


def test_state_must_be_state_or_mapping():
    model, _ = trained(over_time, X, Y)
    model.predict(X[:3], stateful=True)
    arrays = dict(model.state.arrays)
    runner = graphnet.Runner(model.graph)
    result = runner.forward({"x": X[3:]}, state=arrays, phase=graphnet.Phase.test)["output"]
    np.testing.assert_array_equal(result, model.predict(X[3:], stateful=True))
    with pytest.raises(ConfigError, match="not a state"):
        runner.forward({"x": X}, state=3)
    with pytest.raises(graphnet.UnknownNameError, match="unknown state"):
        runner.forward({"x": X}, state={"lstm/h": np.zeros((B, 5))})
    with pytest.raises(graphnet.StateError, match="another shape"):
        runner.forward({"x": X}, state={"lstm/scan/h": np.zeros((B, 4))})
