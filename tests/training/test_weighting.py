"""Weights of examples, steps and classes, masks of targets, ignored targets and weights of losses in training."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from graphnet import Builder, FullyConnected, Model
from graphnet.core.errors import ConfigError, DataError, DtypeError, ShapeError
from graphnet.losses import BinaryCrossEntropy, CrossEntropy, Huber, MeanSquaredError
from graphnet.metrics import Accuracy, MeanAbsoluteError
from graphnet.optimizers import Sgd

RNG = np.random.default_rng(8)
ROWS = 12
X = RNG.normal(size=(ROWS, 3))
Y = RNG.integers(0, 4, ROWS)
T = RNG.normal(size=(ROWS, 2))
W = np.round(RNG.uniform(0, 3, ROWS), 1)
SEQUENCES = [RNG.normal(size=(n, 3)) for n in (4, 2, 5, 3)]
STEPS = [RNG.integers(0, 4, len(s)) for s in SEQUENCES]
SETTINGS = {"optimizer": Sgd(0.1), "epochs": 2, "batch_size": 5, "dtype": "float64", "shuffle": False}


def model(outputs=4, over_time=False):
    g = Builder("m")
    x = g.input("x", "time, batch, feature=3" if over_time else "batch, feature=3")
    return Model(g.build(y=FullyConnected(3, outputs)(x)))


def run(inputs, targets, outputs=4, over_time=None, **settings):
    """The losses of the epochs, and the weights afterwards."""
    m = model(outputs, over_time=isinstance(inputs, list) if over_time is None else over_time)
    history = m.fit(inputs, targets, **{**SETTINGS, **settings})
    return m, [r.loss for r in history.epochs], next(iter(m.runner.parameters.values())).value


def same(first, second, rtol=1e-12):
    np.testing.assert_allclose(first[1], second[1], rtol=rtol)
    np.testing.assert_allclose(first[2], second[2], rtol=rtol)


def test_weights_against_a_loop():
    _, losses, weights = run(X, Y, sample_weight=W, metrics=Accuracy())
    m = model()
    m.fit(X, Y, **{**SETTINGS, "epochs": 1, "optimizer": Sgd(0.0)})
    w = next(iter(m.runner.parameters.values())).value.copy()
    expected = []
    for _ in range(2):
        total = 0.0
        for rows in (slice(0, 5), slice(5, 10), slice(10, 12)):
            x = np.concatenate([X[rows], np.ones((len(X[rows]), 1))], axis=1)
            p = np.exp(x @ w)
            p /= p.sum(axis=1, keepdims=True)
            own, shares = p[np.arange(len(x)), Y[rows]], W[rows]
            total += -(shares * np.log(own)).sum()
            error = (p - np.eye(4)[Y[rows]]) * shares[:, None] / shares.sum()
            w = w - 0.1 * x.T @ error
        expected.append(total / W.sum())
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    np.testing.assert_allclose(weights, w, rtol=1e-12)


def test_whole_weights_are_repeated_examples():
    counts = RNG.integers(0, 4, ROWS)
    one = {"batch_size": 100}
    rows = np.repeat(np.arange(ROWS), counts)
    same(run(X, Y, sample_weight=counts, **one), run(X[rows], Y[rows], **one))
    same(run(X, T, 2, loss=Huber(), sample_weight=counts, **one), run(X[rows], T[rows], 2, loss=Huber(), **one))


def test_class_weights_are_those_of_the_loss():
    table = [0.5, 2.0, 1.0, 0.0]
    expected = run(X, Y, loss=CrossEntropy(class_weight=table))
    same(run(X, Y, class_weight=table), expected)
    same(run(X, Y, class_weight={0: 0.5, 1: 2, 3: 0}), expected)
    same(run(X, Y, sample_weight=np.array(table)[Y]), expected)
    names = np.array(list("abcd"))
    same(run(X, names[Y], class_weight={"a": 0.5, "b": 2, "d": 0}), expected)
    same(run(X, np.eye(4)[Y], class_weight=np.array(table)), expected)
    same(run(X, Y, class_weight=table, sample_weight=W), run(X, Y, sample_weight=np.array(table)[Y] * W))


def test_balanced_classes():
    labels = np.where(Y == 3, 1, Y)
    weights = dict(zip(np.unique(labels).tolist(), compute_class_weight("balanced", classes=np.unique(labels), y=labels),
                       strict=True))  # fmt: skip
    same(run(X, labels, class_weight="balanced"), run(X, labels, class_weight=weights))
    yes = Y > 1
    weights = compute_class_weight("balanced", classes=np.array([False, True]), y=yes)
    binary = {"loss": BinaryCrossEntropy(), "outputs": 1}
    same(run(X, yes, class_weight="balanced", **binary), run(X, yes, sample_weight=weights[yes.astype(int)], **binary))
    same(run(X, yes, class_weight={True: 3.0}, **binary), run(X, yes, sample_weight=np.where(yes, 3.0, 1.0), **binary))


def test_held_out_examples_have_no_class_weights():
    one = {"validation": 0.4, "epochs": 1, "seed": 4}
    m = model()
    history = m.fit(X, Y, **{**SETTINGS, **one, "optimizer": Sgd(0.0)}, class_weight=[5, 1, 1, 1])
    plain = model().fit(X, Y, **{**SETTINGS, **one, "optimizer": Sgd(0.0)})
    assert history.epochs[0].validation_loss == plain.epochs[0].validation_loss
    assert history.epochs[0].loss != plain.epochs[0].loss


@pytest.mark.parametrize("batch_major", [False, True])
def test_weights_and_masks_of_steps(batch_major):
    weights = [np.round(RNG.uniform(0, 2, len(s)), 1) for s in SEQUENCES]
    kept = [RNG.random(len(s)) < 0.7 for s in SEQUENCES]
    spoiled = [np.where(k, y, -9) for k, y in zip(kept, STEPS, strict=True)]
    both = [w * k for w, k in zip(weights, kept, strict=True)]
    expected = run(SEQUENCES, STEPS, sample_weight=both, batch_size=2)
    settings = {"batch_size": 2, "sample_weight": weights, "target_mask": kept}
    same(run(SEQUENCES, spoiled, **settings), expected)
    lengths = [len(s) for s in SEQUENCES]

    def padded(parts, fill=0):
        whole = np.full((5, 4, *parts[0].shape[1:]), fill, parts[0].dtype)
        for i, part in enumerate(parts):
            whole[: len(part), i] = part
        return whole.swapaxes(0, 1) if batch_major else whole

    arrays = {"sample_weight": padded(weights), "target_mask": padded(kept, True)}
    common = {"lengths": lengths, "batch_size": 2, "over_time": True, "batch_major": batch_major}
    same(run(padded(SEQUENCES), padded(spoiled), **arrays, **common), expected)
    if not batch_major:  # arrays beside lists
        same(run(SEQUENCES, spoiled, batch_size=2, **arrays), expected)
        same(run(SEQUENCES, STEPS, batch_size=2, tbptt=(9, 9), sample_weight=both), expected)
    mask = padded([np.ones(n, bool) for n in lengths])
    same(run(padded(SEQUENCES), padded(spoiled), **arrays, **{**common, "lengths": None, "mask": mask}), expected)


def test_one_weight_a_sequence():
    shares = np.array([2.0, 0.0, 1.0, 0.5])
    steps = [np.full(len(s), w) for s, w in zip(SEQUENCES, shares, strict=True)]
    same(
        run(SEQUENCES, STEPS, sample_weight=shares, batch_size=2),
        run(SEQUENCES, STEPS, sample_weight=steps, batch_size=2),
    )
    kept = shares > 0
    same(run(SEQUENCES, STEPS, target_mask=kept, batch_size=2),
         run(SEQUENCES, STEPS, sample_weight=kept.astype(float), batch_size=2))  # fmt: skip


def test_mask_of_elements_and_metrics():
    mask = RNG.random(T.shape) < 0.6
    spoiled = np.where(mask, T, np.nan)
    settings = {"loss": MeanSquaredError(), "metrics": MeanAbsoluteError(), "outputs": 2}
    m, losses, _ = run(X, spoiled, target_mask=mask, **settings)
    difference = m.predict(X) - T
    result = m.evaluate(X, spoiled, target_mask=mask)
    assert result["loss"] == pytest.approx((difference[mask] ** 2).mean())
    assert result["mean_absolute_error"] == pytest.approx(np.abs(difference[mask]).mean())
    weighted = m.evaluate(X, T, sample_weight=W)
    assert weighted["loss"] == pytest.approx(np.average((difference**2).mean(1), weights=W))
    assert weighted["mean_absolute_error"] == pytest.approx(np.abs(difference).mean())
    assert len(losses) == 2


def test_ignored_targets_are_masked():
    kept = np.arange(ROWS) % 3 > 0
    kept[5:10] = False  # a whole batch without a target
    labels = np.where(kept, Y, -1)
    ignoring = {"loss": CrossEntropy(ignore_index=-1), "metrics": Accuracy()}
    first = run(X, labels, **ignoring)
    same(first, run(X, Y, target_mask=kept, metrics=Accuracy()))
    assert first[0].evaluate(X, labels)["accuracy"] == pytest.approx((first[0].predict(X).argmax(1) == Y)[kept].mean())
    counts = first[0].confusion_matrix(X, labels).counts
    assert counts.sum() == kept.sum()
    with pytest.raises(DataError, match="ignore_index=-1"):
        run(X, labels)


def test_weights_of_several_losses():
    g = Builder("two")
    x = g.input("x", "batch, feature=3")
    m = Model(g.build(kind=FullyConnected(3, 4)(x), size=FullyConnected(3, 2)(x)))
    losses = {"kind": CrossEntropy(), "size": MeanSquaredError()}
    settings = {**SETTINGS, "loss": losses}
    history = m.fit(X, {"kind": Y, "size": T}, loss_weights={"size": 0.25}, **settings)
    kind, size = (p.value for p in m.runner.parameters.values())
    other = Model(g.build(kind=FullyConnected(3, 4)(x), size=FullyConnected(3, 2)(x)))
    other.fit(X, {"kind": Y, "size": T}, loss_weights={"kind": 0, "size": 0.25}, **settings)
    other_kind, other_size = (p.value for p in other.runner.parameters.values())
    np.testing.assert_allclose(size, other_size, rtol=1e-12)
    assert not np.allclose(kind, other_kind)
    result, plain = m.evaluate(X, {"kind": Y, "size": T}), m.predict(X)
    own = -np.log(np.exp(plain["kind"])[np.arange(ROWS), Y] / np.exp(plain["kind"]).sum(1)).mean()
    assert result["loss"] == pytest.approx(own + 0.25 * ((plain["size"] - T) ** 2).mean())
    assert history.epochs[0].loss > 0
    for weights in ({"other": 1}, {"size": -1}, {"size": "1"}, 0.5):
        with pytest.raises(ConfigError, match="loss_weights"):
            m.fit(X, {"kind": Y, "size": T}, loss_weights=weights, loss=losses)
    m.fit(X, {"kind": Y, "size": T}, sample_weight={"size": W}, target_mask={"kind": Y > 0}, **settings)


BAD = [
    ({"sample_weight": W[:-1]}, ShapeError, "12"),
    ({"sample_weight": -W}, DataError, "negative"),
    ({"sample_weight": np.full(ROWS, np.nan)}, DataError, "not finite"),
    ({"sample_weight": 2.0}, ShapeError, "each example"),
    ({"sample_weight": {"z": W}}, ShapeError, "'z'"),
    ({"target_mask": W}, DtypeError, "boolean"),
    ({"target_mask": np.zeros(ROWS, bool)}, DataError, "no target counts"),
    ({"class_weight": [1, 2]}, ConfigError, "4 numbers"),
    ({"class_weight": {7: 1.0}}, ConfigError, "'7'"),
    ({"class_weight": "equal"}, ConfigError, "balanced"),
    ({"class_weight": {0: -1}}, ConfigError, "class_weight"),
]


@pytest.mark.parametrize(("settings", "error", "text"), BAD, ids=[str(list(b[0]))[:30] + b[2] for b in BAD])
def test_what_is_refused(settings, error, text):
    with pytest.raises(error, match=text):
        run(X, Y, **settings)


def test_class_weight_needs_classes():
    with pytest.raises(ConfigError, match="loss of classes"):
        run(X, T, 2, loss=MeanSquaredError(), class_weight={0: 1})


def validation_losses(value, inputs=X, targets=Y, **settings):
    m = model(over_time=isinstance(inputs, list) or inputs.ndim == 3)
    history = m.fit(inputs, targets, validation_data=value, **{**SETTINGS, **settings})
    return m, [record.validation_loss for record in history.epochs]


def log_losses(scores, labels):
    """-log softmax of the label, one for each row."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return -np.log(np.take_along_axis(shifted, labels[..., None], -1)[..., 0] / shifted.sum(axis=-1))


def test_validation_data_with_weights_and_masks():
    held, labels, weights = X[::-1] + 0.5, Y[::-1], W + 0.5
    for value in ((held, labels, weights), {"inputs": held, "targets": labels, "sample_weight": weights}):
        m, losses = validation_losses(value, batch_size=20, epochs=1)
        each = log_losses(m.predict(held), labels)
        assert losses[0] == pytest.approx((weights * each).sum() / weights.sum(), rel=1e-9)
    kept = np.arange(ROWS) % 3 > 0
    value = {"inputs": held, "targets": labels, "sample_weight": weights, "target_mask": kept}
    m, losses = validation_losses(value, batch_size=20, epochs=1)
    each = log_losses(m.predict(held), labels)
    assert losses[0] == pytest.approx((weights * each)[kept].sum() / weights[kept].sum(), rel=1e-9)
    assert validation_losses((held, labels, weights.tolist()))[1] == validation_losses((held, labels, weights))[1]


def test_third_part_of_validation_data_for_sequences():
    padded = np.zeros((5, 4, 3))
    steps = np.zeros((5, 4), int)
    for i, (sequence, labels) in enumerate(zip(SEQUENCES, STEPS, strict=True)):
        padded[: len(sequence), i], steps[: len(labels), i] = sequence, labels
    lengths = [len(sequence) for sequence in SEQUENCES]
    plain = validation_losses((SEQUENCES, STEPS), SEQUENCES, STEPS)[1]
    for third in (lengths, np.array(lengths), {"x": lengths}):  # whole numbers of padded sequences are their lengths
        assert validation_losses((padded, steps, third), SEQUENCES, STEPS)[1] == pytest.approx(plain)
    named = {"inputs": padded, "targets": steps, "lengths": lengths}
    assert validation_losses(named, SEQUENCES, STEPS)[1] == pytest.approx(plain)
    ones = [np.ones(n) for n in lengths]
    assert validation_losses((SEQUENCES, STEPS, ones), SEQUENCES, STEPS)[1] == pytest.approx(plain)
    per_step = [np.arange(1.0, n + 1) for n in lengths]
    m, weighted = validation_losses((SEQUENCES, STEPS, per_step), SEQUENCES, STEPS, epochs=1, batch_size=9)
    each = [log_losses(scores, labels) for scores, labels in zip(m.predict(SEQUENCES), STEPS, strict=True)]
    total = sum((w * e).sum() for w, e in zip(per_step, each, strict=True)) / sum(w.sum() for w in per_step)
    assert weighted[0] == pytest.approx(total, rel=1e-9)


def test_validation_data_of_a_split():
    from graphnet.datasets import Split

    assert validation_losses(Split({"x": X}, Y))[1] == validation_losses((X, Y))[1]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ({"inputs": X}, ConfigError, "invalid validation_data.*dict with inputs"),
        ({"inputs": X, "targets": Y, "weights": W}, ConfigError, "unknown part 'weights'"),
        ((X, Y, W, W), ConfigError, r"\(inputs, targets, sample_weight\)"),
        ((X, Y, -W), DataError, "negative"),
        ((X, Y, W[:-1]), ShapeError, "12"),
    ],
)  # fmt: skip
def test_validation_data_that_are_refused(value, error, text):
    with pytest.raises(error, match=text):
        validation_losses(value)


@pytest.mark.parametrize("inputs", [X, SEQUENCES])
def test_weights_that_are_all_zero_are_refused(inputs):
    targets, weights = (Y, 0 * W) if inputs is X else (STEPS, [np.zeros(len(s)) for s in STEPS])
    with pytest.raises(DataError, match=r"sample_weight.*no target counts"):
        run(inputs, targets, sample_weight=weights)


@pytest.mark.parametrize("weights", [[0, 0, 0, 0], dict.fromkeys(range(4), 0.0)])
def test_class_weights_that_are_all_zero_are_refused(weights):
    with pytest.raises(ConfigError, match="no class counts"):
        run(X, Y, class_weight=weights)
