"""Losses and metrics in float64 against torch and scikit-learn: the largest relative difference of each case.

python benchmarks/judge_losses.py
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import sklearn.metrics as sk
import torch
import torch.nn.functional as F

from graphnet import losses as L
from graphnet import metrics as M

BOUND = 1e-9
rng = np.random.default_rng(7)
N, K = 61, 5
X = 2.0 * rng.normal(size=(N, K))
Y = rng.integers(0, K, N)
Y[Y == 3] = 1  # a class without targets
Q = rng.dirichlet(np.ones(K), N)
Q[0] = np.eye(K)[2]
W = rng.uniform(0.2, 3.0, K)
SHARES = rng.uniform(0.0, 2.0, N)
SHARES[:3] = 0.0
IGNORED = np.where(rng.random(N) < 0.3, -1, Y)
B = rng.integers(0, 2, (N, K))
T = rng.normal(size=(N, K))
results: list[tuple[str, float]] = []


def tensor(array: Any) -> torch.Tensor:
    return torch.tensor(np.asarray(array))


def loss(name: str, ours: L.Loss, target: Any, theirs: Any, prediction: Any = X, **options: Any) -> None:
    """Compare value and gradient; ``theirs`` maps a prediction tensor to a scalar."""
    x = tensor(prediction).requires_grad_()
    expected = theirs(x)
    expected.backward()
    value, error = ours.value_and_error(prediction, target, **options)
    assert ours.value(prediction, target, **options) == value
    add(name, [value, *error.ravel()], [float(expected.detach()), *x.grad.numpy().ravel()])


def metric(name: str, ours: M.Metric, target: Any, expected: float, prediction: Any = X, weights: Any = None) -> None:
    """Compare a result from three batches of different size."""
    for rows in (slice(0, 7), slice(7, 40), slice(40, None)):
        ours.update(prediction[rows], target[rows], weights=None if weights is None else weights[rows])
    add(name, [ours.result()], [expected])


def add(name: str, ours: Any, theirs: Any) -> None:
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    results.append((name, float(np.max(np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs))))))


def cross_entropy(target: Any, **options: Any) -> Any:
    return lambda x: F.cross_entropy(x, tensor(target), **options)


def losses() -> None:
    loss("cross entropy", L.CrossEntropy(), Y, cross_entropy(Y))
    loss("cross entropy, sum", L.CrossEntropy("sum"), Y, cross_entropy(Y, reduction="sum"))
    loss("label smoothing", L.CrossEntropy(label_smoothing=0.1), Y, cross_entropy(Y, label_smoothing=0.1))
    loss("class weights", L.CrossEntropy(class_weight=W), Y, cross_entropy(Y, weight=tensor(W)))
    loss("class weights, sum", L.CrossEntropy("sum", class_weight=W), Y,
         cross_entropy(Y, weight=tensor(W), reduction="sum"))  # fmt: skip
    loss("class weights, smoothing", L.CrossEntropy(class_weight=W, label_smoothing=0.2), Y,
         cross_entropy(Y, weight=tensor(W), label_smoothing=0.2))  # fmt: skip
    loss("ignored", L.CrossEntropy(ignore_index=-1), IGNORED, cross_entropy(IGNORED, ignore_index=-1))
    loss("ignored, weights, smoothing", L.CrossEntropy(ignore_index=-1, class_weight=W, label_smoothing=0.3), IGNORED,
         cross_entropy(IGNORED, ignore_index=-1, weight=tensor(W), label_smoothing=0.3))  # fmt: skip
    loss("soft targets", L.CrossEntropy(), Q, cross_entropy(Q))
    loss("soft targets, weights, smoothing", L.CrossEntropy(class_weight=W, label_smoothing=0.2), Q,
         cross_entropy(Q, weight=tensor(W), label_smoothing=0.2))  # fmt: skip
    loss("one-hot with class weights", L.CrossEntropy(class_weight=W), np.eye(K)[Y],
         cross_entropy(np.eye(K)[Y], weight=tensor(W)))  # fmt: skip
    loss("sample weights", L.CrossEntropy(), Y,
         lambda x: (F.cross_entropy(x, tensor(Y), reduction="none") * tensor(SHARES)).sum() / SHARES.sum(),
         weights=SHARES)  # fmt: skip
    loss("binary cross entropy", L.BinaryCrossEntropy(), B,
         lambda x: F.binary_cross_entropy_with_logits(x, tensor(B).double()))  # fmt: skip
    loss("binary, soft", L.BinaryCrossEntropy("sum"), Q,
         lambda x: F.binary_cross_entropy_with_logits(x, tensor(Q), reduction="sum"))  # fmt: skip
    loss("binary, positive weights", L.BinaryCrossEntropy(positive_weight=W), B,
         lambda x: F.binary_cross_entropy_with_logits(x, tensor(B).double(), pos_weight=tensor(W)))  # fmt: skip
    loss("mean squared error", L.MeanSquaredError(), T, lambda x: F.mse_loss(x, tensor(T)))
    loss("mean absolute error", L.MeanAbsoluteError(), T, lambda x: F.l1_loss(x, tensor(T)))
    loss("Huber", L.Huber(), T, lambda x: F.huber_loss(x, tensor(T)))
    loss("Huber, delta, sum", L.Huber("sum", delta=0.4), T,
         lambda x: F.huber_loss(x, tensor(T), delta=0.4, reduction="sum"))  # fmt: skip
    loss("KL divergence", L.KLDivergence(), Q,
         lambda x: F.kl_div(F.log_softmax(x, 1), tensor(Q), reduction="batchmean"))  # fmt: skip
    sides = tensor(2.0 * B - 1.0)
    loss("hinge", L.Hinge(), B, lambda x: torch.clamp(1 - sides * x, min=0).mean())
    add("hinge (scikit-learn)", [L.Hinge().value(X[:, 0], B[:, 0])], [sk.hinge_loss(B[:, 0], X[:, 0])])
    add("multiclass hinge", [L.MulticlassHinge().value(X, Y)], [sk.hinge_loss(Y, X, labels=range(K))])
    mask = rng.random((N, K)) < 0.6
    loss("mask of elements", L.Huber(), T, lambda x: F.huber_loss(x[tensor(mask)], tensor(T[mask])), mask=mask)


def metrics() -> None:
    best, yes = X.argmax(1), X > 0
    probability = torch.softmax(tensor(X), 1).numpy()
    metric("accuracy", M.Accuracy(), Y, sk.accuracy_score(Y, best))
    metric("accuracy, weights", M.Accuracy(), Y, sk.accuracy_score(Y, best, sample_weight=SHARES), weights=SHARES)
    kinds = {"precision": (M.Precision, sk.precision_score), "recall": (M.Recall, sk.recall_score),
             "f1": (M.F1, sk.f1_score)}  # fmt: skip
    for name, (ours, theirs) in kinds.items():
        for average in ("macro", "micro", "weighted"):
            options: dict[str, Any] = {"average": average, "zero_division": 0}
            metric(f"{name}, {average}", ours(average), Y, theirs(Y, best, **options))
            metric(f"{name}, {average}, labels", ours(average, binary=True), B, theirs(B, yes, **options))
        metric(f"{name}, weights", ours(), Y, theirs(Y, best, average="macro", zero_division=0, sample_weight=SHARES),
               weights=SHARES)  # fmt: skip
        metric(f"{name}, binary", ours(binary=True), B[:, 0], theirs(B[:, 0], yes[:, 0]), X[:, 0])
    for k in (1, 2, 4):
        metric(f"top {k}", M.TopKAccuracy(k), Y, sk.top_k_accuracy_score(Y, X, k=k, labels=range(K)))
    tied = np.round(X)
    metric("AUC", M.AUC(binary=True), B[:, 0], sk.roc_auc_score(B[:, 0], X[:, 0]), X[:, 0])
    metric("AUC, ties", M.AUC(binary=True), B, sk.roc_auc_score(B, tied), tied)
    metric("AUC, ties, weights", M.AUC(binary=True), B, sk.roc_auc_score(B, tied, sample_weight=SHARES), tied, SHARES)
    every = rng.integers(0, K, N)
    metric("AUC, classes", M.AUC(), every, sk.roc_auc_score(every, probability, multi_class="ovr"))
    metric("R2", M.R2(), T, sk.r2_score(T, X))
    metric("R2, weights", M.R2(), T, sk.r2_score(T, X, sample_weight=SHARES), weights=SHARES)
    constant = np.where(np.arange(K) == 1, 3.0, T)
    metric("R2, constant column", M.R2(), constant, sk.r2_score(constant, X))
    metric("R2, one column", M.R2(), 1e6 + T[:, 0], sk.r2_score(1e6 + T[:, 0], 1e6 + X[:, 0]), 1e6 + X[:, 0])
    metric("perplexity", M.Perplexity(), Y, float(torch.exp(F.cross_entropy(tensor(X), tensor(Y)))))
    metric("mean absolute error, metric", M.MeanAbsoluteError(), T, sk.mean_absolute_error(T, X))
    metric("root mean squared error", M.RootMeanSquaredError(), T[:, 0], sk.root_mean_squared_error(T[:, 0], X[:, 0]),
           X[:, 0])  # fmt: skip
    matrix = M.ConfusionMatrix()
    matrix.update(X, Y)
    add("confusion matrix", matrix.counts, sk.confusion_matrix(Y, best, labels=range(K)))
    matrix = M.ConfusionMatrix()
    matrix.update(X, Y, weights=SHARES)
    add("confusion matrix, weights", matrix.counts,
        sk.confusion_matrix(Y, best, labels=range(K), sample_weight=SHARES))  # fmt: skip


def main() -> int:
    losses()
    metrics()
    for name, difference in results:
        print(f"{name:<36} {difference:8.1e}{'' if difference <= BOUND else '  above the bound'}")
    wrong = sum(difference > BOUND for _, difference in results)
    print(f"{len(results) - wrong} of {len(results)} within {BOUND:g}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
