"""Numbers that are not finite: what is blamed and what is not, skipping, saving, checking every node, warnings."""

import os
import stat
import warnings
from typing import Any

import numpy as np
import pytest

from graphnet import Builder, Dropout, FullyConnected, Layer, NonFiniteError
from graphnet.data.datasets import Stream
from graphnet.layers import BatchNormalization
from graphnet.losses import MeanSquaredError
from graphnet.optimizers import Adam, Sgd
from graphnet.regularizers import L2_Regularizer
from graphnet.training import Callback, Trainer, TrainingConfig
from graphnet.training.nonfinite.worse import TrainingWarning
from graphnet_recurrent import LSTM

CALLS = {"count": 0, "at": -1}


class MeanAbsoluteLoss(MeanSquaredError):
    """Has no squares."""

    def rule(self, prediction: Any, target: Any) -> tuple[Any, Any]:
        return np.abs(prediction - target), np.sign(prediction - target)


class NanAtCall(Layer):
    """NaN in row 2 of its n-th call: not a function of its input."""

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, None]:
        y = np.array(x)
        CALLS["count"] += 1
        if CALLS["count"] == CALLS["at"]:
            y[2] = np.nan
        return y, None

    def pull(self, saved: None, error: Any) -> Any:
        return error


class MaskedSoftmax(Layer):
    """Of the first two features, after the third was set to -inf; NaN where the first is above 100."""

    def apply(self, x: Any) -> tuple[Any, Any]:
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        y = np.where(x[..., :1] > 100, np.nan, e / e.sum(axis=-1, keepdims=True))
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        return y * (error - (error * y).sum(axis=-1, keepdims=True))


class HideLast(Layer):
    """-inf in the last feature."""

    def apply(self, x: Any) -> tuple[Any, None]:
        return np.where(np.arange(x.shape[-1]) == x.shape[-1] - 1, -np.inf, x), None

    def pull(self, saved: None, error: Any) -> Any:
        return np.where(np.arange(error.shape[-1]) == error.shape[-1] - 1, 0.0, error)


class Exponential(Layer):
    def apply(self, x: Any) -> tuple[Any, Any]:
        y = np.exp(x)
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        return error * y


class Reciprocal(Layer):
    """``1 / (1 + x)``: 0 for infinity."""

    def apply(self, x: Any) -> tuple[Any, Any]:
        y = 1.0 / (1.0 + x)
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        return -error * y * y


class Logarithm(Layer):
    def apply(self, x: Any) -> tuple[Any, Any]:
        return np.log(x), x

    def pull(self, x: Any, error: Any) -> Any:
        return np.where(x > 0, error / x, 0.0)


class Impute(Layer):
    """Zeros in place of NaN."""

    def apply(self, x: Any) -> tuple[Any, Any]:
        return np.where(np.isnan(x), 0.0, x), np.isnan(x)

    def pull(self, missing: Any, error: Any) -> Any:
        return np.where(missing, 0.0, error)


def network(*layers: Layer, last: int = 3, dtype: str = "float64") -> Any:
    g = Builder("g")
    h = FullyConnected(3, 3, dtype=dtype)(g.input("x", "batch, feature=3"), name="first")
    for layer in layers:
        h = layer(h, name=type(layer).__name__.lower())
    return g.build(y=FullyConnected(last, 2, dtype=dtype)(h, name="last"))


def settings(**changes: Any) -> TrainingConfig:
    values = {"loss": MeanSquaredError(), "optimizer": Sgd(1e-3), "batch_size": 4, "epochs": 2, "shuffle": False}
    return TrainingConfig(**{"dtype": "float64", **values, **changes})


def data(rows: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 3)), rng.normal(size=(rows, 2))


def failure(graph: Any, x: Any, y: Any, **changes: Any) -> NonFiniteError:
    with pytest.raises(NonFiniteError) as caught:
        Trainer(graph, settings(**changes)).fit(x, y)
    return caught.value


# ---------------------------------------------------------------------- what is blamed
def identity(graph: Any, scale: float = 1.0) -> None:
    """The first layer returns its input, scaled."""
    first = graph.nodes["first"].layer
    first.params["weights"].value = np.concatenate([np.eye(3) * scale, np.zeros((1, 3))])


def fit_from(graph: Any, x: Any, y: Any, **changes: Any) -> NonFiniteError:
    with pytest.raises(NonFiniteError) as caught:
        Trainer(graph, settings(**changes)).fit(x, y, warm_start=True)
    return caught.value


def test_infinities_that_a_layer_masks_are_not_blamed():
    graph = network(HideLast(), MaskedSoftmax())
    identity(graph)
    x, y = data()
    x[6, 0] = 200.0
    error = fit_from(graph, x, y)
    assert (error.kind, error.subject, error.row, error.example) == ("forward", "maskedsoftmax", 2, 6)


def test_masked_infinities_alone_are_no_error():
    graph = network(HideLast(), MaskedSoftmax())
    history = Trainer(graph, settings()).fit(*data())
    assert np.isfinite(history.epochs[-1].loss)
    Trainer(graph, settings(detect_anomaly=True)).fit(*data())


def test_overflow_that_shows_in_the_gradient_only():
    graph = network(Exponential(), Reciprocal())
    identity(graph)
    x, y = data()
    x[5, 1] = 800.0  # exp overflows, 1 / (1 + inf) is 0, and the error is 0 times infinity
    error = fit_from(graph, x, y)
    assert (error.kind, error.subject, error.row, error.batch) == ("forward", "exponential", 1, 2)
    assert "a gradient is not finite" in str(error)


def test_row_of_batch_normalization_is_the_one_that_came_in():
    x, y = data()
    x[9, 2] = np.nan
    error = failure(network(BatchNormalization(3)), x, y)
    assert (error.kind, error.subject, error.row, error.example, error.batch) == ("input", "x", 1, 9, 3)


def test_weights_that_were_not_finite_before():
    graph = network()
    identity(graph)
    graph.nodes["first"].layer.params["weights"].value = np.full((4, 3), np.nan)
    error = fit_from(graph, *data())
    assert (error.kind, error.subject) == ("weight", "first/weights")


def test_update_names_weights_and_element():
    graph = network(dtype="float32")
    x, y = data()
    y[0] *= 1e6
    error = failure(graph, x.astype("f4"), y.astype("f4"), optimizer=Sgd(3e38), dtype="float32", batch_size=12)
    assert error.kind == "update"
    assert error.subject in ("first/weights", "last/weights")
    assert len(error.element) == 2
    assert f"at {list(error.element)}" in str(error)


def test_moments_name_weights_and_element():
    x, y = data()
    x[1] = 1e25  # so is its gradient, whose square is no number of float32
    error = failure(network(dtype="float32"), x, y, optimizer=Adam(1e-3), loss=MeanAbsoluteLoss(), dtype="float32")
    assert (error.kind, error.batch, len(error.element)) == ("update", 1, 2)


def test_regularizer_names_weights():
    class Bad(L2_Regularizer):
        def norm(self, weights: Any) -> float:
            return float("nan") if weights.shape == (4, 2) else 0.0

    error = failure(network(), *data(), regularizer=Bad(1e-3))
    assert (error.kind, error.subject) == ("regularizer", "last/weights")


def test_same_dropout_masks_when_a_batch_runs_again():
    graph = network(Dropout(0.5), Exponential())
    identity(graph)
    x, y = data(40)
    x[:, 0] = 600.0  # overflows where the mask keeps it and scales it by 2
    rows = set()
    for seed in range(3):
        trainer = Trainer(graph, settings(seed=seed, batch_size=40))
        with pytest.raises(NonFiniteError) as caught:
            trainer.fit(x, y, warm_start=True)
        assert (caught.value.subject, caught.value.step) == ("exponential", None)
        rows.add(caught.value.row)
    assert len(rows) > 1


def test_layer_that_depends_on_its_calls_is_named_while_it_runs():
    x, y = data()
    for detect in (True,):
        CALLS.update(count=0, at=3)
        error = failure(network(NanAtCall()), x, y, detect_anomaly=detect, backend="reference")
        assert error.batch == 3
        assert (error.subject, error.row) == ("nanatcall", 2)


def test_what_does_not_arise_again_is_said():
    class Clock(Layer):
        def apply(self, x: Any) -> tuple[Any, None]:
            with open(os.devnull, "rb"):  # nothing that could be put back
                seen.append(x.shape)
            return (np.full_like(x, np.nan) if len(seen) == 2 else np.array(x)), None

        def pull(self, saved: None, error: Any) -> Any:
            return error

    class Opaque(list):
        __slots__ = ()

    seen = Opaque()
    error = failure(network(Clock()), *data(), backend="reference")
    assert (error.kind, error.subject, error.batch) == ("unknown", None, 2)
    assert "output 'y' was not finite, first at [0, 0]" in str(error)
    assert "detect_anomaly" in str(error)


def test_every_node_is_checked_where_the_loss_is_finite():
    x, y = data()
    x[3, 1] = np.nan
    g = Builder("g", dtype="float64")
    imputed = g.build(y=FullyConnected(3, 2)(Impute()(g.input("x", "batch, feature=3"))))
    Trainer(imputed, settings(detect_anomaly=True)).fit(x, y)  # NaN in the input, which the graph replaces
    graph = network(Logarithm(), Impute())
    identity(graph)
    x, y = np.abs(data()[0]), y
    x[6, 2] = -1.0
    history = Trainer(graph, settings()).fit(x, y, warm_start=True)
    assert np.isfinite(history.epochs[-1].loss)
    identity(graph)
    error = fit_from(graph, x, y, detect_anomaly=True)
    assert (error.kind, error.subject, error.row, error.example) == ("forward", "logarithm", 2, 6)
    assert "a value is NaN" in str(error)


# ---------------------------------------------------------------------- skipping
class Losses(Callback):
    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def on_batch_end(self, run: Any, epoch: int, batch: int, loss: float) -> None:
        self.seen.append((epoch, batch))


def weights_of(trainer: Trainer) -> list[np.ndarray]:
    return [p.value.copy() for p in trainer.runner.parameters.values()] + [*trainer.runner.buffers.values()]


def test_skipped_batch_leaves_no_trace():
    x, y = data(12)
    bad = x.copy()
    bad[5] = np.nan
    layers = (BatchNormalization(3), Dropout(0.5))
    kept = np.r_[0:4, 8:12]  # the batches without the second one
    plain = Trainer(network(*layers), settings(optimizer=Adam(0.01)))
    plain.fit(x[kept], y[kept])
    skipping = Trainer(network(*layers), settings(optimizer=Adam(0.01), on_nan="skip"))
    with pytest.warns(TrainingWarning) as caught:
        history = skipping.fit(bad, y)
    places = [
        f"a batch was skipped: epoch {epoch}, batch 2: the training loss is not finite: NaN is in the input 'x', row 1"
        for epoch in (1, 2)
    ]
    assert [str(each.message).startswith(place) for each, place in zip(caught, places, strict=True)] == [True, True]
    for a, b in zip(weights_of(plain), weights_of(skipping), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [record.skipped_batches for record in history.epochs] == [1, 1]
    assert [record.loss for record in history.epochs] == [record.loss for record in plain.history.epochs]
    assert history.epochs[0].flat()["skipped_batches"] == 1


def test_skipped_piece_of_a_stream_goes_on_from_the_state_before():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(12, 2, 3)), rng.normal(size=(12, 2, 2))
    bad = x.copy()
    bad[5] = np.nan

    def trainer(**changes: Any) -> Trainer:
        g = Builder("g", dtype="float64")
        built = g.build(y=FullyConnected(4, 2)(LSTM(3, 4, None)(g.input("x", "time, batch, feature=3"))))
        return Trainer(built, settings(tbptt=(4, 6), optimizer=Adam(0.01), **changes))

    kept = np.r_[0:4, 8:12]
    plain, skipping = trainer(), trainer(on_nan="skip")
    plain.fit(Stream(x[kept], y[kept], batch=None))
    with pytest.warns(TrainingWarning, match="step 5 .step 1 of this piece., row 0"):
        skipping.fit(Stream(bad, y, batch=None))
    for a, b in zip(weights_of(plain), weights_of(skipping), strict=True):
        np.testing.assert_array_equal(a, b)
    for name, array in plain.state.arrays.items():
        np.testing.assert_array_equal(skipping.state.arrays[name], array)


def test_epoch_without_a_whole_batch_ends_the_run():
    x, y = data()
    x[:] = np.nan
    losses = Losses()
    trainer = Trainer(network(), settings(on_nan="skip"), callbacks=[losses])
    with pytest.warns(TrainingWarning), pytest.raises(NonFiniteError, match="every batch of epoch 1 was skipped"):
        trainer.fit(x, y)
    assert trainer.history.stopped == "failed"
    assert losses.seen == [(1, 1), (1, 2), (1, 3)]


def test_update_that_fails_is_skipped():
    x, y = data()
    x[0] = 1e25
    config = settings(optimizer=Adam(1e-3), on_nan="skip", loss=MeanAbsoluteLoss(), dtype="float32")
    with pytest.warns(TrainingWarning, match="second moment"):
        history = Trainer(network(dtype="float32"), config).fit(x, y)
    assert history.epochs[0].skipped_batches == 1


# ---------------------------------------------------------------------- the file
def test_bad_batch_is_saved_only_if_asked_and_never_over_a_file(tmp_path):
    x, y = data()
    x[5, 0] = np.nan
    failure(network(), x, y)
    assert [*tmp_path.iterdir()] == []
    path = tmp_path / "bad.npz"
    path.write_bytes(b"mine")
    error = failure(network(), x, y, save_bad_batch=str(path))
    assert path.read_bytes() == b"mine"
    saved = tmp_path / "bad-2.npz"
    assert str(saved) in error.__notes__[0]
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    with np.load(saved, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["inputs/x"], x[4:8])
        np.testing.assert_array_equal(file["targets/y"], y[4:8])
        np.testing.assert_array_equal(file["positions"], [4, 5, 6, 7])
        assert file["weights/first/weights"].shape == (4, 3)
        assert '"batch": 2' in str(file["about"])


def test_folder_that_does_not_exist_does_not_hide_the_error(tmp_path):
    x, y = data()
    x[5, 0] = np.nan
    error = failure(network(), x, y, save_bad_batch=str(tmp_path / "none" / "bad.npz"))
    assert "not saved" in error.__notes__[0]
    assert error.subject == "x"


# ---------------------------------------------------------------------- worse
def test_run_that_ends_worse_than_it_began_warns():
    with pytest.warns(TrainingWarning, match="ended worse than it began: the training loss was .* in epoch 1"):
        Trainer(network(), settings(optimizer=Sgd(0.7), epochs=3)).fit(*data())


def test_run_that_improves_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Trainer(network(), settings(optimizer=Sgd(1e-2), epochs=5)).fit(*data())


@pytest.mark.parametrize("value", ["go on", 1, None])
def test_invalid_settings_are_refused(value):
    with pytest.raises(ValueError, match="on_nan"):
        TrainingConfig(on_nan=value)
