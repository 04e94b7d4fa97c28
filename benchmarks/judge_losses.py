"""Losses, metrics, schedules and training in float64 against torch and scikit-learn: the difference of each case.

python benchmarks/judge_losses.py
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import sklearn.metrics as sk
import torch
import torch.nn.functional as F
from torch.optim import lr_scheduler as R
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from graphnet import Builder, FullyConnected, Model
from graphnet import losses as L
from graphnet import metrics as M
from graphnet import optimizers as O
from graphnet import schedules as S

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


def schedule(name: str, ours: S.Schedule, theirs: Any, figures: Any = None) -> None:
    """Compare 60 factors; a schedule of results is shown ``figures``."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    other, factors, expected = theirs(optimizer), [], []
    for position in range(60):
        factors.append(ours.factor(position, 60))
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if figures is None:
            other.step()
        else:
            other.step(figures[position])
            ours.observe(figures[position], False)
    add(f"schedule: {name}", factors, expected)


def schedules() -> None:
    schedule("cosine", S.Cosine(60, 0.1), lambda o: R.CosineAnnealingLR(o, 60, eta_min=0.1))
    schedule("restarts", S.CosineRestarts(5, 2, 0.05), lambda o: R.CosineAnnealingWarmRestarts(o, 5, 2, eta_min=0.05))
    schedule("steps", S.StepDecay(7, 0.3), lambda o: R.StepLR(o, 7, 0.3))
    schedule("milestones", S.Milestones([3, 10, 30], 0.3), lambda o: R.MultiStepLR(o, [3, 10, 30], 0.3))
    schedule("exponential", S.ExponentialDecay(0.9), lambda o: R.ExponentialLR(o, 0.9))
    schedule("linear", S.LinearDecay(30, 0.2), lambda o: R.LinearLR(o, 1.0, 0.2, 30))
    schedule("warm-up", S.Warmup(15, 0.1), lambda o: R.LinearLR(o, 0.1, 1.0, 15))
    schedule("warm-up, cosine", S.Warmup(15, 0.1, S.Cosine(by="step")),
             lambda o: R.SequentialLR(o, [R.LinearLR(o, 0.1, 1.0, 15), R.CosineAnnealingLR(o, 45)], [15]))  # fmt: skip
    schedule("one cycle", S.OneCycle(), lambda o: R.OneCycleLR(o, 1.0, 60, cycle_momentum=False))
    figures = 1.0 / (1.0 + np.arange(60) / 8.0) + 0.05 * rng.random(60)
    schedule("plateau", S.OnPlateau(0.5, 2, 1, 0.01, 0.01),
             lambda o: R.ReduceLROnPlateau(o, factor=0.5, patience=2, cooldown=1, threshold=0.01, min_lr=0.01),
             figures.tolist())  # fmt: skip


def training(name: str, ours: dict[str, Any], optimizer: Any, pace: Any = None, every: int = 1, clip: float = 0.0,
             average: float | None = None, weight: Any = None) -> None:  # fmt: skip
    """Train two layers for 3 epochs of 8 batches of 8 rows, from the same weights; compare the weights afterwards."""
    inputs, classes = X[:60].repeat(2, 0)[:64] * 0.5, np.resize(Y, 64)
    g = Builder("m")
    graph = g.build(
        y=FullyConnected(4, K)(FullyConnected(K, 4)(g.input("x", f"batch, feature={K}"), name="a"), name="b")
    )
    model = Model(graph)
    common = {"epochs": 3, "batch_size": 8, "shuffle": False, "dtype": "float64"}
    model.fit(inputs, classes, optimizer=O.Sgd(0.0), **{**common, "epochs": 1})
    start = [p.value.copy() for p in model.runner.parameters.values()]
    net = torch.nn.Sequential(torch.nn.Linear(K, 4, dtype=torch.float64), torch.nn.Linear(4, K, dtype=torch.float64))
    for layer, value in zip(net, start, strict=True):
        layer.weight.data, layer.bias.data = tensor(value[:-1].T.copy()), tensor(value[-1].copy())
    model.fit(inputs, classes, **common, **ours, validation_data=(inputs[:8], classes[:8]))
    other = optimizer(net)
    scheduler = None if pace is None else pace(other)
    mean = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(average)) if average else None
    best: tuple[float, list[Any]] = (np.inf, [])
    for _ in range(3):
        for number in range(8):
            rows = slice(8 * number, 8 * number + 8)
            loss = F.cross_entropy(net(tensor(inputs[rows])), tensor(classes[rows]), weight=weight)
            (loss / every).backward()
            if (number + 1) % every == 0:
                if clip:
                    scale_down(net, clip)
                other.step()
                other.zero_grad()
                if scheduler is not None:
                    scheduler.step()
                if mean is not None:
                    mean.update_parameters(net)
        trained = net if mean is None else mean.module
        with torch.no_grad():
            held = float(F.cross_entropy(trained(tensor(inputs[:8])), tensor(classes[:8]), weight=weight))
        if held < best[0]:
            best = held, [p.detach().numpy().copy() for p in trained.parameters()]
    found = [part for p in model.runner.parameters.values() for part in (p.value[:-1].T, p.value[-1])]
    add(f"training: {name}", np.concatenate([a.ravel() for a in found]), np.concatenate([a.ravel() for a in best[1]]))


def scale_down(net: Any, limit: float) -> None:
    """``clip_grad_norm_`` without the 1e-6 that it adds to the norm."""
    norm = float(torch.sqrt(sum((p.grad**2).sum() for p in net.parameters())))
    for p in net.parameters():
        p.grad *= min(1.0, limit / norm)


def adam_w(net: Any, **options: Any) -> Any:
    return torch.optim.AdamW(net.parameters(), **options)


def undecayed(net: Any) -> Any:
    weights, biases = [p for p in net.parameters() if p.ndim == 2], [p for p in net.parameters() if p.ndim == 1]
    groups = [{"params": weights}, {"params": biases, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.02, weight_decay=0.3)


def trainings() -> None:
    decayed = {"optimizer": O.AdamW(0.02, weight_decay=0.3)}
    training("SGD", {"optimizer": O.Sgd(0.1)}, lambda n: torch.optim.SGD(n.parameters(), 0.1))
    training("Adam", {"optimizer": O.Adam(0.02)}, lambda n: torch.optim.Adam(n.parameters(), 0.02))
    training("AdamW", decayed, lambda n: adam_w(n, lr=0.02, weight_decay=0.3))
    training("no decay of biases", {**decayed, "decay_biases": False}, undecayed)
    training(
        "learning rates of groups",
        {"optimizer": O.Adam(0.02), "parameter_groups": {"a/*": {"learning_rate": 0.005}}},
        lambda n: torch.optim.Adam([{"params": n[0].parameters(), "lr": 0.005}, {"params": n[1].parameters()}], 0.02),
    )
    training("frozen", {"optimizer": O.Adam(0.02), "frozen": "a"}, lambda n: torch.optim.Adam(n[1].parameters(), 0.02))
    training("one cycle", {"optimizer": O.Sgd(0.3), "schedule": S.OneCycle()},
             lambda n: torch.optim.SGD(n.parameters(), 0.3),
             lambda o: R.OneCycleLR(o, 0.3, 24, cycle_momentum=False))  # fmt: skip
    warm = S.Warmup(6, 0.1, S.Cosine(by="step"))
    training("warm-up and cosine by step", {"optimizer": O.Adam(0.05), "schedule": warm},
             lambda n: torch.optim.Adam(n.parameters(), 0.05),
             lambda o: R.SequentialLR(o, [R.LinearLR(o, 0.1, 1.0, 6), R.CosineAnnealingLR(o, 18)], [6]))  # fmt: skip
    training("4 batches an update", {"optimizer": O.Adam(0.02), "accumulate": 4},
             lambda n: torch.optim.Adam(n.parameters(), 0.02), every=4)  # fmt: skip
    training("clipping, 2 batches an update", {"optimizer": O.Sgd(0.5), "accumulate": 2, "clip_norm": 0.2},
             lambda n: torch.optim.SGD(n.parameters(), 0.5), every=2, clip=0.2)  # fmt: skip
    training("average of weights", {"optimizer": O.Adam(0.05), "average": 0.9},
             lambda n: torch.optim.Adam(n.parameters(), 0.05), average=0.9)  # fmt: skip
    training("class weights", {"optimizer": O.Adam(0.05), "loss": L.CrossEntropy(class_weight=W)},
             lambda n: torch.optim.Adam(n.parameters(), 0.05), weight=tensor(W))  # fmt: skip


def main() -> int:
    losses()
    metrics()
    schedules()
    trainings()
    for name, difference in results:
        print(f"{name:<36} {difference:8.1e}{'' if difference <= BOUND else '  above the bound'}")
    wrong = sum(difference > BOUND for _, difference in results)
    print(f"{len(results) - wrong} of {len(results)} within {BOUND:g}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
