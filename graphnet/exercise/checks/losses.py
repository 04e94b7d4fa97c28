"""SoftMax, as a layer and as a loss layer, and CrossEntropyLoss."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.exercise.matching import Variant, as_numbers, wrong_errors
from graphnet.exercise.probe import Probe

Array = npt.NDArray[Any]
ROWS, CLASSES = 5, 4
EPSILON = float(np.finfo(float).eps)


def _softmax(x: Array, axis: int = 1) -> Array:
    powers = np.exp(x - x.max(axis, keepdims=True))
    result: Array = powers / powers.sum(axis, keepdims=True)
    return result


def _labels(probe: Probe) -> Array:
    return np.eye(CLASSES)[probe.rng.integers(0, CLASSES, ROWS)]


def softmax(probe: Probe, cls: Any) -> None:
    """Check SoftMax: with labels it is the loss layer of the contract, otherwise a layer."""
    layer = probe.call("__init__", cls)
    forward = probe.method(layer, "forward")
    if forward is None:
        return
    try:
        needed = [p for p in inspect.signature(forward).parameters.values() if p.default is p.empty and p.kind < 2]
    except (TypeError, ValueError):
        needed = [None] * (2 if probe.contract else 1)  # type: ignore[list-item]
    (_loss_layer if len(needed) == 2 else _layer)(probe, cls)


def _function_variants(x: Array) -> list[Variant]:
    y, powers = _softmax(x), np.exp(x)
    shifted = np.exp(x - x.max(1, keepdims=True))
    return [
        Variant("wrong-axis", "the sum runs over the batch; it must run over the classes of a row", _softmax(x, 0)),
        Variant("wrong-axis", "the sum runs over the whole batch; it must run over the classes of a row", powers / powers.sum()),
        Variant("wrong-axis", "the sum runs over the whole batch; it must run over the classes of a row", shifted / shifted.sum()),
        Variant("wrong-axis", "the sum runs over the batch; it must run over the classes of a row", shifted / shifted.sum(0)),
        Variant("normalisation-missing", "the exponentials are not divided by their sum", powers),
        Variant("normalisation-missing", "the exponentials are not divided by their sum",
                np.exp(x - x.max(1, keepdims=True))),
        Variant("normalisation-missing", "the exponentials are not divided by their sum", np.exp(x - x.max())),
        Variant("exponential-missing", "the inputs are divided by their sum; the exponential is missing",
                x / x.sum(1, keepdims=True)),
        Variant("wrong-activation", "computes the Sigmoid of each input", 1 / (1 + np.exp(-x))),
        Variant("logarithm", "returns the logarithm of the softmax", np.log(y)),
        Variant("classes-returned", "returns classes; probabilities are asked for", x.argmax(1)),
        Variant("activation-missing", "returns its input", x),
        Variant("sign", "computes the softmax of -x", _softmax(-x)),
        Variant("wrong-shift", "divides by the maximum of the row before the exponential; it must be subtracted",
                lambda: _softmax(x / x.max(1, keepdims=True))),
        Variant("wrong-shift", "the maximum is subtracted after the exponential",
                lambda: (powers - powers.max(1, keepdims=True)) / powers.sum(1, keepdims=True)),
        Variant("wrong-shift", "the shift is applied to the numerator only", shifted / powers.sum(1, keepdims=True)),
        Variant("wrong-shift", "the shift is applied to the denominator only", powers / shifted.sum(1, keepdims=True)),
        Variant("square", "the exponentials are divided by the root of the sum of their squares",
                powers / np.sqrt((powers**2).sum(1, keepdims=True))),
        Variant("mean", "the exponentials are divided by their mean", powers / powers.mean(1, keepdims=True)),
    ]  # fmt: skip


def _finite(probe: Probe, y: Any, method: str) -> None:
    numbers = as_numbers(y)
    if numbers is not None and not np.isfinite(numbers).all():
        words = "gives NaN or infinity for large inputs: subtract the maximum of the row before the exponential"
        probe.fault("overflow", words, method)


def _layer(probe: Probe, cls: Any) -> None:
    def outputs() -> None:
        layer, x = probe.call("__init__", cls), probe.rng.normal(size=(ROWS, CLASSES))
        y = probe.do(layer, "forward", x)
        probe.compare("forward", y, _softmax(x), _function_variants(x), {"batch": ROWS}, "the output")
        _finite(probe, probe.do(layer, "forward", x + 1e4), "forward")

    def errors() -> None:
        layer = probe.call("__init__", cls)
        first, x = probe.rng.normal(size=(2, ROWS, CLASSES))
        probe.do(layer, "forward", first)
        probe.do(layer, "forward", x)
        y, e = _softmax(x), probe.rng.normal(size=(ROWS, CLASSES))
        inner = (e * y).sum(1, keepdims=True)
        old = _softmax(first)
        variants = [
            Variant("missing-sum", "computes y · error: the sum over the classes is missing", y * e),
            Variant("missing-sum", "computes error · y · (1 - y), as for a Sigmoid: the sum over the classes is missing",
                    e * y * (1 - y)),
            Variant("sign", "the sum over the classes is added; it must be subtracted", y * (e + inner)),
            Variant("wrong-axis", "the sum runs over the batch; it must run over the classes of a row",
                    y * (e - (e * y).sum(0, keepdims=True))),
            Variant("wrong-axis", "the sum runs over the whole batch; it must run over the classes of a row",
                    y * (e - (e * y).sum())),
            Variant("missing-factor", "the errors are summed without the activations", y * (e - e.sum(1, keepdims=True))),
            Variant("missing-factor", "the result is not multiplied by the activations", e - inner),
            Variant("mean", "the sum over the classes is a mean", y * (e - inner / CLASSES)),
            Variant("wrong-derivative", "computes y - error, the combined derivative of softmax and cross entropy", y - e),
            Variant("derivative-missing", "returns the error unchanged", e),
            Variant("state-not-stored", "backward uses the activations of an earlier forward",
                    old * (e - (e * old).sum(1, keepdims=True))),
            Variant("input-instead-of-activation", "uses the input instead of the activations",
                    x * (e - (e * x).sum(1, keepdims=True))),
        ]  # fmt: skip
        actual = probe.do(layer, "backward", e)
        total = (e * y).sum(1, keepdims=True) + 0 * e
        terms = {"y · error": y * e, "y · Σ error · y": y * total, "Σ error · y": total, "error": e, "y": y, "y² · error": y * y * e,
                 "y · Σ error": y * e.sum(1, keepdims=True), "Σ error": e.sum(1, keepdims=True) + 0 * e, "y²": y * y}  # fmt: skip
        variants += wrong_errors(e, lambda e: y * (e - (e * y).sum(1, keepdims=True)))
        probe.compare("backward", actual, y * (e - inner), variants, {"batch": ROWS}, "the error for the input", terms)

    probe.stages(outputs, errors)


def _loss_variants(p: Array, labels: Array) -> list[Variant]:
    logs = np.log(p)
    own = (labels * logs).sum()
    return [
        Variant("sign", "the minus of the loss is missing", own),
        Variant("wrong-logarithm", "uses the logarithm of base 2; it is the natural one", -own / np.log(2)),
        Variant("wrong-logarithm", "uses the logarithm of base 10; it is the natural one", -own / np.log(10)),
        Variant("labels-missing", "sums the logarithms of all classes; only the labels' count", -logs.sum()),
        Variant("missing-sum", "returns the loss of each row; the sum over the batch is asked for", -(labels * logs).sum(1)),
        Variant("missing-sum", "returns the loss of the first row only", -(labels[0] * logs[0]).sum()),
        Variant("missing-sum", "returns the loss of the last row only", -(labels[-1] * logs[-1]).sum()),
        Variant("mean", "is the mean over all numbers", -(labels * logs).mean()),
        Variant("logarithm-missing", "the logarithm is missing", -(labels * p).sum()),
        Variant("logarithm-missing", "the logarithm is missing", (labels * p).sum()),
        Variant("labels-swapped", "also counts log(1 - p) of the other classes",
                -(own + ((1 - labels) * np.log(1 - p)).sum())),
        Variant("wrong-loss", "is a squared error", ((p - labels) ** 2).sum()),
        Variant("wrong-loss", "is half a squared error", 0.5 * ((p - labels) ** 2).sum()),
    ]  # fmt: skip


def _loss_of(labels: Array, wrong: Variant) -> float:
    """The cross entropy of what a wrong softmax returns."""
    return float(-(labels * np.log(wrong.result())).sum())


def _loss_layer(probe: Probe, cls: Any) -> None:
    def loss() -> None:
        layer, x, labels = probe.call("__init__", cls), probe.rng.normal(size=(ROWS, CLASSES)), _labels(probe)
        value = probe.do(layer, "forward", x, labels)
        p = _softmax(x)
        variants = [
            *_loss_variants(p, labels),
            *(
                Variant(wrong.code, wrong.message, partial(_loss_of, labels, wrong))
                for wrong in _function_variants(x)
                if np.shape(wrong.result()) == x.shape
            ),
            Variant("output-returned", "returns the probabilities; forward returns the loss", p),
        ]
        probe.compare("forward", value, -(labels * np.log(p)).sum(), variants, {"batch": ROWS}, "the loss")
        _finite(probe, probe.do(layer, "forward", x + 1e4, labels), "forward")

    def errors() -> None:
        layer, labels = probe.call("__init__", cls), _labels(probe)
        first, x = probe.rng.normal(size=(2, ROWS, CLASSES))
        probe.do(layer, "forward", first, labels)
        probe.do(layer, "forward", x, labels)
        p = _softmax(x)
        variants = [
            *(Variant(wrong.code, wrong.message, wrong.result() - labels) for wrong in _function_variants(x)
              if np.shape(wrong.result()) == x.shape),
            Variant("labels-missing", "returns the probabilities: the labels are not subtracted", p),
            Variant("missing-factor", "computes -label / p, the derivative of the cross entropy alone", -labels / p),
            Variant("state-not-stored", "uses the probabilities of an earlier forward", _softmax(first) - labels),
            Variant("labels-wrong", "subtracts 1 from every class", p - 1),
            Variant("input-instead-of-activation", "subtracts the labels from the input, not from the probabilities", x - labels),
        ]  # fmt: skip
        actual = probe.do(layer, "backward", labels)
        terms = {"p": p, "label": labels, "label · p": labels * p, "label / p": labels / p, "p²": p * p, "1": 1 + 0 * p,
                 "label · p²": labels * p * p}  # fmt: skip
        probe.compare("backward", actual, p - labels, variants, {"batch": ROWS}, "the error for the input", terms)

    def predict() -> None:
        layer, x = probe.call("__init__", cls), probe.rng.normal(size=(ROWS, CLASSES))
        actual = probe.do(layer, "predict", x)
        probe.compare("predict", actual, _softmax(x), _function_variants(x), what="the prediction")

    probe.stages(loss, errors, predict)


def cross_entropy(probe: Probe, cls: Any) -> None:
    """Check CrossEntropyLoss on probabilities."""

    def draw() -> tuple[Array, Array]:
        return _softmax(probe.rng.normal(size=(ROWS, CLASSES))), _labels(probe)

    def loss() -> None:
        layer, (p, labels) = probe.call("__init__", cls), draw()
        variants = [*_loss_variants(p, labels),
                    Variant("softmax-twice", "applies a softmax; its input is probabilities",
                            -(labels * np.log(_softmax(p))).sum())]  # fmt: skip
        right = -(labels * np.log(p)).sum()
        probe.compare("forward", probe.do(layer, "forward", p, labels), right, variants, {"batch": ROWS}, "the loss")
        wrong = np.roll(labels, 1, axis=1)
        value = as_numbers(probe.do(layer, "forward", wrong, labels))
        if value is not None and not np.isfinite(value).all():
            words = "the loss of a probability of 0 is not finite: add the machine epsilon before the logarithm"
            probe.fault("epsilon-missing", words, "forward")
        elif value is not None and value.shape == () and float(value) < 1.0 and not probe.faults:
            probe.fault("epsilon", "the loss of a probability of 0 is not large", "forward")

    def errors() -> None:
        layer, (first, labels), (p, _) = probe.call("__init__", cls), draw(), draw()
        probe.do(layer, "forward", first, labels)
        probe.do(layer, "forward", p, labels)
        variants = [
            Variant("labels-missing", "computes -1 / p for every class; only the labels' count", -1 / p),
            Variant("wrong-derivative", "computes p - label, the combined derivative of softmax and cross entropy", p - labels),
            Variant("wrong-derivative", "computes -label · p; it is -label / p", -labels * p),
            Variant("wrong-derivative", "computes -label · log(p); it is -label / p", -labels * np.log(p)),
            Variant("wrong-derivative", "computes -p / label", lambda: np.where(labels > 0, -p, 0.0)),
            Variant("factor", "returns the negative labels: the division by p is missing", -labels),
            Variant("state-not-stored", "uses the prediction of an earlier forward", -labels / first),
            Variant("labels-swapped", "also counts the classes that are not the label",
                    -labels / p + (1 - labels) / (1 - p)),
            Variant("factor", "divides by p²", -labels / p**2),
        ]  # fmt: skip
        actual = probe.do(layer, "backward", labels)
        terms = {"label / p": labels / p, "label": labels, "1 / p": 1 / p, "label · p": labels * p, "p": p, "p²": p * p, "1": 1 + 0 * p,
                 "label / (1 - p)": labels / (1 - p), "1 / (1 - p)": 1 / (1 - p), "label · log(p)": labels * np.log(p)}  # fmt: skip
        right = -labels / p
        probe.compare("backward", actual, right, variants, {"batch": ROWS}, "the error for the prediction", terms)

    probe.stages(loss, errors)
