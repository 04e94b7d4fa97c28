"""Weights and masks of the targets of streams: the same whatever the stream is made of, and as a closed form says."""

import numpy as np
import pytest

import graphnet
from graphnet import Builder, FullyConnected, Model, Trainer, TrainingConfig
from graphnet.data.datasets.pieces import Regrouped
from graphnet.datasets import Stream
from graphnet.io.run_folder import RunFolder
from graphnet.losses import CrossEntropy, MeanSquaredError
from graphnet.optimizers import Adam, Sgd
from graphnet_recurrent import RNN

RNG = np.random.default_rng(21)
STEPS = 36
X, T = RNG.normal(size=(STEPS, 2)), RNG.normal(size=(STEPS, 1))
W, KEPT = RNG.uniform(0.1, 3.0, STEPS), RNG.random(STEPS) > 0.3
KEPT[5:10] = False  # a whole piece without a target
SETTINGS = {"tbptt": (5, 8), "epochs": 2, "dtype": "float64", "loss": MeanSquaredError(), "optimizer": Adam(0.05)}


def model():
    g = Builder("m")
    hidden = RNN(2, 3, 1, 4)(g.input("x", "time, batch, feature=2"), name="rnn")
    return Model(g.build(y=hidden))


def run(stream, **settings):
    m = model()
    history = m.fit(stream, **{**SETTINGS, **settings})
    return [record.loss for record in history.epochs], {n: p.value for n, p in m.runner.parameters.items()}


def same(one, other):
    np.testing.assert_allclose(one[0], other[0], rtol=1e-12)
    assert all(np.allclose(one[1][name], other[1][name], rtol=1e-12, atol=1e-14) for name in one[1])


def pieces(size, rows, weights=W, kept=KEPT, fresh_at=None):
    """The stream in pieces, as mappings."""

    def cut(array):
        return array.reshape(rows, STEPS // rows, *array.shape[1:]).swapaxes(0, 1)

    for start in range(0, STEPS // rows, size):
        part = slice(start, start + size)
        piece = {"inputs": cut(X)[part], "targets": cut(T)[part]}
        piece |= {} if weights is None else {"sample_weight": cut(weights)[part]}
        piece |= {} if kept is None else {"target_mask": cut(kept)[part]}
        yield piece | ({"fresh": np.ones(rows, bool)} if start == fresh_at else {})


@pytest.mark.parametrize("rows", [1, 3])
def test_arrays_and_pieces_train_alike(rows, tmp_path):
    arrays = run(Stream(X, T, batch=rows, sample_weight=W, target_mask=KEPT))
    for size in (4, 5, 7):
        same(arrays, run(Stream(lambda size=size: pieces(size, rows))))
    np.save(tmp_path / "w.npy", W)
    same(arrays, run(Stream(X, T, batch=rows, sample_weight=tmp_path / "w.npy", target_mask=KEPT.tolist())))
    same(arrays, run(Stream(X, T, batch=rows, sample_weight={"y": W}, target_mask={"y": KEPT})))
    plain = run(Stream(X, T, batch=rows))
    assert not np.allclose(arrays[0], plain[0])
    same(plain, run(Stream(X, T, batch=rows, sample_weight=np.full(STEPS, 2.5), target_mask=np.ones(STEPS, bool))))


def test_masked_targets_may_hold_anything():
    spoilt = np.where(KEPT[:, None], T, np.nan)
    same(run(Stream(X, T, batch=2, target_mask=KEPT)), run(Stream(X, spoilt, batch=2, target_mask=KEPT)))


def test_loss_is_the_weighted_mean():
    m = model()
    stream = Stream(X, T, sample_weight=W, target_mask=KEPT)
    m.fit(stream, **{**SETTINGS, "optimizer": Sgd(0.01)})
    outputs = m.predict(X[:, None])[:, 0]
    weights = np.where(KEPT, W, 0.0)
    expected = (weights * (outputs[:, 0] - T[:, 0]) ** 2).sum() / weights.sum()
    assert m.evaluate(stream)["loss"] == pytest.approx(expected, rel=1e-9)
    held_out = m.fit(
        stream, validation_data=stream, warm_start=True, **{**SETTINGS, "optimizer": Sgd(0.0), "epochs": 1}
    )
    assert held_out.epochs[0].validation_loss == pytest.approx(expected, rel=1e-9)


def test_classes_and_batch_axis():
    labels = RNG.integers(0, 3, (12, 4))
    kept = RNG.random((12, 4)) > 0.4
    x = RNG.normal(size=(12, 4, 2))
    g = Builder("m")
    m = Model(g.build(FullyConnected(2, 3)(g.input("x", "time, batch, feature=2"))))
    settings = {"tbptt": (3, 3), "epochs": 2, "optimizer": Sgd(0.1), "dtype": "float64"}
    history = m.fit(Stream(x, labels, batch=None, target_mask=kept), metrics=["accuracy"], **settings)
    other = Model(m.graph)
    ignored = other.fit(
        Stream(x, np.where(kept, labels, -1), batch=None), loss=CrossEntropy(ignore_index=-1), metrics=["accuracy"],
        **settings,
    )  # fmt: skip
    assert history.epochs[-1].loss == pytest.approx(ignored.epochs[-1].loss, rel=1e-12)
    assert history.epochs[-1].metrics == ignored.epochs[-1].metrics


def test_a_resumed_run_is_equal(tmp_path):
    source = lambda: list(pieces(7, 2, fresh_at=7))  # noqa: E731
    whole = Trainer(model().graph, TrainingConfig(**{**SETTINGS, "epochs": 4}))
    whole.fit(Stream(source))
    Trainer(model().graph, TrainingConfig(**SETTINGS), callbacks=[RunFolder(tmp_path / "run")]).fit(Stream(source))
    resumed = Trainer.resume(tmp_path / "run", epochs=4)
    resumed.fit(Stream(source))
    assert resumed.history == whole.history
    changed = Stream(lambda: pieces(7, 2, weights=2 * W))
    assert len(Trainer.resume(tmp_path / "run", epochs=5).fit(changed)) == 5  # what a function returns is not known
    for kind, other in (("sample_weight", 2 * W), ("target_mask", ~KEPT)):
        given = {"sample_weight": W, "target_mask": KEPT}
        folder = tmp_path / kind
        Trainer(model().graph, TrainingConfig(**SETTINGS), callbacks=[RunFolder(folder)]).fit(Stream(X, T, **given))
        with pytest.raises(graphnet.StateError, match="data"):
            Trainer.resume(folder, epochs=3).fit(Stream(X, T, **{**given, kind: other}))


def test_unread_pieces_of_earlier_checkpoints_have_no_weights():
    items = [(X[:4, None], T[:4, None]), (X[4:9, None], T[4:9, None])]
    reader = Regrouped(items, 3)
    next(reader)
    unread = reader.unread
    unread["parts"] = [parts[:2] for parts in unread["parts"]]
    later = Regrouped(items, 3)
    later.go_on(unread)
    for one, other in zip(reader, later, strict=True):
        assert np.array_equal(one.inputs, other.inputs) and other.sample_weight is None


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: run(Stream(X, T, sample_weight=W[:-1])), graphnet.ShapeError, "sample_weight: 35"),
        (lambda: run(Stream(X, T, sample_weight=-W)), graphnet.DataError, "negative"),
        (lambda: run(Stream(X, T, target_mask=W)), graphnet.DtypeError, "boolean"),
        (lambda: run(Stream(X, T, sample_weight={"z": W})), graphnet.ShapeError, "'z'"),
        (lambda: Stream(lambda: pieces(4, 1), sample_weight=W), graphnet.ConfigError, "of their own|their own targets, weights"),
        (lambda: Stream(X, T, sample_weight="no.npy"), graphnet.FileError, "no.npy"),
        (lambda: run(Stream([{"inputs": X[:, None]}])), graphnet.DataError, "invalid piece.*mapping with inputs"),
        (lambda: run(Stream([{"inputs": X[:, None], "targets": T[:, None], "weights": W}])), graphnet.DataError, "invalid piece"),
        (lambda: model().fit(Stream(X, T), sample_weight=W, **SETTINGS), graphnet.ConfigError, "Stream.*sample_weight=.*target_mask="),
    ],
)  # fmt: skip
def test_what_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
