"""The protocol of weights: reading, writing, filling, updating."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphnet.core.describe import weights
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.store import Store
from graphnet.core.errors import GraphnetError
from graphnet.core.run.runner import Runner
from graphnet.optimizers import Sgd
from graphnet.regularizers import L1_Regularizer
from graphnet.testing.check import check, short
from graphnet.testing.checks.alone import alone, backward, errors_for, forward, ready
from graphnet.testing.subject import Arrays, Subject

RATE = 0.013


def _each(values: Any) -> list[tuple[str, np.ndarray]]:
    """One array, or a dictionary of them, by name."""
    return list(values.items()) if isinstance(values, dict) else [("", values)]


def _like(values: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    return {n: change(a) for n, a in values.items()} if isinstance(values, dict) else change(values)


@check("weights")
def weights_round_trip(s: Subject) -> None:
    """get_weights and set_weights copy, agree with each other and with the gradient, and refuse other shapes."""
    alone(s)
    _nothing_yet(s)
    layer, values = ready(s), s.values(6)
    rng = np.random.default_rng(8)
    before = layer.get_weights()
    outputs = forward(s, layer, values)
    new = _like(before, lambda a: a + 0.1 * rng.standard_normal(a.shape).astype(a.dtype))
    layer.set_weights(new)
    for (name, found), (_, wanted) in zip(_each(layer.get_weights()), _each(new), strict=True):
        s.agree(found, wanted, f"get_weights after set_weights {name}".rstrip(), 1e-6)
    kept = _like(new, np.array)
    for _, array in (*_each(new), *_each(layer.get_weights())):
        if array.flags.writeable:
            array += 1.0
    for (name, found), (_, wanted) in zip(_each(layer.get_weights()), _each(kept), strict=True):
        s.agree(found, wanted, f"the weights change with an array that was handed in or out {name}".rstrip(), 1e-6)
    layer.set_weights(before)
    for found, wanted in zip(forward(s, layer, values), outputs, strict=True):
        s.agree(found, wanted, "the output after set_weights(get_weights())")
    wrong = _like(before, lambda a: np.zeros((*a.shape[:-1], a.shape[-1] + 1)) if a.ndim else np.zeros(2))
    try:
        layer.set_weights(wrong)
    except GraphnetError as error:
        s.expect(True, short(error))
        for (name, found), (_, wanted) in zip(_each(layer.get_weights()), _each(before), strict=True):
            s.agree(found, wanted, f"a set_weights that is refused changes the weights {name}".rstrip(), 0.0)
    except Exception as error:
        s.expect(False, "set_weights with another shape", expected="a ShapeError", received=type(error).__name__)
    else:
        s.expect(False, "set_weights takes an array of another shape", expected="a ShapeError", received="no error")
    _gradient(s, layer, values)


def _nothing_yet(s: Subject) -> None:
    """Before the first backward there is no gradient; weights keep their dtype, whatever is put in."""
    try:
        ready(s).get_gradient_weights()
    except GraphnetError as error:
        s.expect(bool(error.where), f"no gradient yet: the error does not say where: {short(error)}")
    except Exception as error:
        s.expect(False, "get_gradient_weights before backward", expected="a StateError", received=type(error).__name__)
    else:
        s.expect(False, "get_gradient_weights before the first backward", expected="a StateError", received="an array")
    if getattr(s.make(), "dtype", None) == "float64":
        single = s.filled(Runner(s.graph(s.make(dtype="float32")), backend="reference"))
        layer = next(iter(single.graph.nodes.values())).layer
        layer.set_weights(_like(layer.get_weights(), lambda a: a.astype("float64")))
        for name, array in _each(layer.get_weights()):
            kept = array.dtype == "float32"
            s.expect(kept, f"set_weights changes the dtype of the weights {name}", received=array.dtype)


def _gradient(s: Subject, layer: Layer, values: Arrays) -> None:
    """get_gradient_weights is the derivative with respect to what set_weights sets."""
    if "derivative" not in s.capabilities:
        return
    if "truncation" in s.capabilities:
        layer = _whole(s)
    rng = np.random.default_rng(9)
    base, buffers = layer.get_weights(), _buffers(layer)
    outputs = forward(s, layer, values)
    errors = errors_for(outputs)
    _restore(buffers)
    forward(s, layer, values)
    backward(layer, errors)
    for _, array in _each(layer.get_gradient_weights()):
        if array.flags.writeable:
            array += 1.0
    gradient = layer.get_gradient_weights()
    direction = _like(base, lambda a: rng.standard_normal(a.shape))
    pairs = list(zip(_each(gradient), _each(direction), strict=True))
    for (name, a), (_, b) in pairs:
        s.expect(
            a.shape == b.shape,
            f"get_gradient_weights {name} is not shaped like get_weights",
            expected=b.shape,
            received=a.shape,
        )
    found = sum(float((a * b).sum()) for (_, a), (_, b) in pairs)

    def at(step: float) -> float:
        moved = {n: a + step * b for (n, a), (_, b) in zip(_each(base), _each(direction), strict=True)}
        layer.set_weights(moved if isinstance(base, dict) else moved[""])
        _restore(buffers)
        return float(sum((y * e).sum() for y, e in zip(forward(s, layer, values), errors, strict=True)))

    from graphnet.testing.derivatives import slope

    right, expected = slope(at, found, max(1.0, *(np.abs(a).max() * np.sqrt(a.size) for _, a in _each(gradient))), 3e-5)
    s.expect(
        right,
        "get_gradient_weights is not the derivative",
        expected=f"{expected:.6g} along a direction",
        received=f"{found:.6g}",
    )


def _whole(s: Subject) -> Layer:
    """A layer with weights whose gradients are not truncated."""
    runner = s.exact_runner(s.values())
    layer: Layer = runner.graph.nodes[next(iter(runner.graph.nodes))].layer
    return layer


def _buffers(layer: Layer) -> list[tuple[Store, Mapping[str, Any]]]:
    return [(owner.store, owner.store.buffers) for owner in weights.owners(layer).values()]


def _restore(kept: list[tuple[Store, Mapping[str, Any]]]) -> None:
    for store, buffers in kept:
        store.replace_buffers(buffers)


class _Told:
    """An initializer that fills with one number."""

    def __init__(self, value: float) -> None:
        self.value = value

    def initialize(self, weights_shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        """An array of the shape."""
        return np.full(weights_shape, self.value)


@check("weights")
def initializes(s: Subject) -> None:
    """Fresh weights follow from the seed, and initialize fills weights and biases with what the initializers give."""
    one, two = (weights.named(s.runner_of(s.make(seed=5))) for _ in range(2))
    for name, parameter in one.items():
        s.agree(two[name].value, parameter.value, f"fresh weights {name!r} of one seed", 0.0)
    layer = ready(s)
    layer.initialize(_Told(0.25), _Told(-0.5))
    for name, parameter in weights.named(layer).items():
        spec, value = parameter.spec, parameter.value
        bias = -0.5 if spec.value is None else spec.value
        expected = np.full(spec.shape, 0.25)
        if spec.kind == "constant":
            expected = np.full(spec.shape, spec.value or 0.0)
        elif spec.kind == "bias":
            expected = np.full(spec.shape, bias)
        elif spec.bias_rows:
            expected[-spec.bias_rows :] = bias
        s.agree(value, expected, f"initialize, {name!r}", 1e-6)


@check("weights")
def optimizer_step(s: Subject) -> None:
    """With an optimizer, backward returns the error of the weights that forward used, then updates each array once."""
    alone(s)
    values = s.values(6)
    plain, trained = ready(s), ready(s)
    trained.set_optimizer(Sgd(RATE))
    own = [id(p.optimizer) for p in weights.named(trained).values()]
    s.expect(len(set(own)) == len(own), "two weight arrays share one optimizer", expected="one of its own for each")
    trained.delta = 0.5
    outputs = forward(s, plain, values)
    forward(s, trained, values)
    errors = errors_for(outputs)
    expected, found = backward(plain, errors), backward(trained, errors)
    for a, b in zip(found, expected, strict=True):
        if b is not None:
            s.agree(a, b, "the error of a backward that also updates")
    updated = weights.named(trained)
    for name, parameter in weights.named(plain).items():
        s.agree(
            updated[name].value,
            parameter.value - 0.5 * RATE * parameter.gradient,  # type: ignore[operator]
            f"{name!r} after one step of Sgd({RATE}) with delta 0.5",
            1e-6,
        )


@check("weights")
def regularization(s: Subject) -> None:
    """calculate_regularization_loss is the regularizer's norm of all weights but lone biases; 0 without one."""
    layer = ready(s)
    s.agree(
        np.array(layer.calculate_regularization_loss()), np.array(0.0), "the regularization loss without an optimizer"
    )
    optimizer = Sgd(RATE)
    optimizer.add_regularizer(L1_Regularizer(0.3))
    layer.set_optimizer(optimizer)
    expected = sum(0.3 * np.abs(p.value).sum() for p in weights.named(layer).values() if p.spec.kind != "bias")
    s.agree(np.array(layer.calculate_regularization_loss()), np.array(expected), "the regularization loss", 1e-6)
