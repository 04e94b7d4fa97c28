"""The weight protocol of layers: get, set, initialize, update, regularize."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphnet.core.describe import weights
from graphnet.core.describe.layer import Layer
from graphnet.core.errors import GraphnetError
from graphnet.core.run.runner import Runner
from graphnet.optimizers import Sgd
from graphnet.regularizers import L1_Regularizer
from graphnet.testing.buffers import Arrays, BufferSnapshot
from graphnet.testing.check import check
from graphnet.testing.checks.standalone import backward, forward, initialized_layer, random_errors, require_default_axes
from graphnet.testing.derivatives import check_slope
from graphnet.testing.failures import short
from graphnet.testing.harness import Harness

RATE = 0.013


def _items(values: Any) -> list[tuple[str, np.ndarray]]:
    """Return one array, or the arrays of a dictionary, with their names."""
    return list(values.items()) if isinstance(values, dict) else [("", values)]


def _map(values: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    return {n: change(a) for n, a in values.items()} if isinstance(values, dict) else change(values)


@check("weights")
def weights_round_trip(harness: Harness) -> None:
    """get_weights and set_weights copy, match each other and the gradient, and refuse other shapes."""
    require_default_axes(harness)
    _check_before_backward(harness)
    layer, values = initialized_layer(harness), harness.values(6)
    rng = np.random.default_rng(8)
    before = layer.get_weights()
    outputs = forward(harness, layer, values)
    new = _map(before, lambda a: a + 0.1 * rng.standard_normal(a.shape).astype(a.dtype))
    layer.set_weights(new)
    for (name, actual), (_, desired) in zip(_items(layer.get_weights()), _items(new), strict=True):
        harness.assert_close(actual, desired, f"get_weights after set_weights {name}".rstrip(), 1e-6)
    expected = _map(new, np.array)
    for _, array in (*_items(new), *_items(layer.get_weights())):
        if array.flags.writeable:
            array += 1.0
    for (name, actual), (_, desired) in zip(_items(layer.get_weights()), _items(expected), strict=True):
        harness.assert_close(
            actual,
            desired,
            f"the weights share memory with an array that was passed in or returned {name}".rstrip(),
            1e-6,
        )
    layer.set_weights(before)
    for actual, desired in zip(forward(harness, layer, values), outputs, strict=True):
        harness.assert_close(actual, desired, "the output after set_weights(get_weights())")
    wrong = _map(before, lambda a: np.zeros((*a.shape[:-1], a.shape[-1] + 1)) if a.ndim else np.zeros(2))
    try:
        layer.set_weights(wrong)
    except GraphnetError as error:
        harness.expect(True, short(error))
        for (name, actual), (_, desired) in zip(_items(layer.get_weights()), _items(before), strict=True):
            harness.assert_close(
                actual, desired, f"set_weights raises an error but changes the weights {name}".rstrip(), 0.0
            )
    except Exception as error:
        harness.expect(False, "set_weights with another shape", expected="a ShapeError", received=type(error).__name__)
    else:
        harness.expect(
            False, "set_weights accepts an array of another shape", expected="a ShapeError", received="no error"
        )
    _check_gradient(harness, layer, values)


def _check_before_backward(harness: Harness) -> None:
    """Before the first backward, reading the gradient is an error; set_weights keeps the dtype of the weights."""
    try:
        initialized_layer(harness).get_gradient_weights()
    except GraphnetError as error:
        harness.expect(
            bool(error.where),
            f"get_gradient_weights before backward: the error does not name the place: {short(error)}",
        )
    except Exception as error:
        harness.expect(
            False, "get_gradient_weights before backward", expected="a StateError", received=type(error).__name__
        )
    else:
        harness.expect(
            False, "get_gradient_weights before the first backward", expected="a StateError", received="an array"
        )
    if getattr(harness.make(), "dtype", None) == "float64":
        single = harness.prepare(Runner(harness.graph(harness.make(dtype="float32")), backend="reference"))
        layer = next(iter(single.graph.nodes.values())).layer
        layer.set_weights(_map(layer.get_weights(), lambda a: a.astype("float64")))
        for name, array in _items(layer.get_weights()):
            unchanged = array.dtype == "float32"
            harness.expect(unchanged, f"set_weights changes the dtype of the weights {name}", received=array.dtype)


def _check_gradient(harness: Harness, layer: Layer, values: Arrays) -> None:
    """get_gradient_weights returns the derivative with respect to the array of set_weights."""
    if "derivative" not in harness.capabilities:
        return
    if "truncation" in harness.capabilities:
        layer = _untruncated_layer(harness)
    rng = np.random.default_rng(9)
    base, buffers = layer.get_weights(), BufferSnapshot(weights.owners(layer).values())
    outputs = forward(harness, layer, values)
    errors = random_errors(outputs)
    buffers.restore()
    forward(harness, layer, values)
    backward(layer, errors)
    for _, array in _items(layer.get_gradient_weights()):
        if array.flags.writeable:
            array += 1.0
    gradient = layer.get_gradient_weights()
    direction = _map(base, lambda a: rng.standard_normal(a.shape))
    pairs = list(zip(_items(gradient), _items(direction), strict=True))
    for (name, a), (_, b) in pairs:
        harness.expect(
            a.shape == b.shape,
            f"get_gradient_weights {name} has another shape than get_weights",
            expected=b.shape,
            received=a.shape,
        )
    claimed = sum(float((a * b).sum()) for (_, a), (_, b) in pairs)

    def at(step: float) -> float:
        moved = {n: a + step * b for (n, a), (_, b) in zip(_items(base), _items(direction), strict=True)}
        layer.set_weights(moved if isinstance(base, dict) else moved[""])
        buffers.restore()
        return float(sum((y * e).sum() for y, e in zip(forward(harness, layer, values), errors, strict=True)))

    correct, derivative = check_slope(
        at, claimed, max(1.0, *(np.abs(a).max() * np.sqrt(a.size) for _, a in _items(gradient))), 3e-5
    )
    harness.expect(
        correct,
        "get_gradient_weights is not the derivative",
        expected=f"{derivative:.6g} along a direction",
        received=f"{claimed:.6g}",
    )


def _untruncated_layer(harness: Harness) -> Layer:
    """Return a layer with weights whose gradients are not truncated."""
    runner = harness.untruncated_runner(harness.values())
    layer: Layer = runner.graph.nodes[next(iter(runner.graph.nodes))].layer
    return layer


class _Constant:
    """An initializer that returns one number in every element."""

    def __init__(self, value: float) -> None:
        self.value = value

    def initialize(self, weights_shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        """Return an array of the given shape."""
        return np.full(weights_shape, self.value)


@check("weights")
def initializes(harness: Harness) -> None:
    """Initial weights depend only on the seed; initialize fills weights and biases with the initializers' arrays."""
    first, second = (weights.named(harness.make_initialized(seed=5)) for _ in range(2))
    for name, parameter in first.items():
        harness.assert_close(second[name].value, parameter.value, f"initial weights {name!r} for the same seed", 0.0)
    layer = initialized_layer(harness)
    layer.initialize(_Constant(0.25), _Constant(-0.5))
    for name, parameter in weights.named(layer).items():
        spec, value = parameter.spec, parameter.value
        bias = -0.5 if spec.value is None else spec.value
        expected = np.full(spec.shape, 0.25)
        if spec.kind == "constant":
            expected = np.full(spec.shape, 0.0 if spec.value is None else spec.value)
        elif spec.kind == "bias":
            expected = np.full(spec.shape, bias)
        elif spec.bias_rows:
            expected[-spec.bias_rows :] = bias
        harness.assert_close(value, expected, f"initialize, {name!r}", 1e-6)


@check("weights")
def optimizer_step(harness: Harness) -> None:
    """With an optimizer, backward computes the error with the weights of forward, then updates each array once."""
    require_default_axes(harness)
    values = harness.values(6)
    plain, trained = initialized_layer(harness), initialized_layer(harness)
    trained.set_optimizer(Sgd(RATE))
    optimizers = [id(p.optimizer) for p in weights.named(trained).values()]
    distinct = len(set(optimizers)) == len(optimizers)
    harness.expect(distinct, "two weight arrays share one optimizer", expected="a copy for each")
    trained.delta = 0.5
    outputs = forward(harness, plain, values)
    forward(harness, trained, values)
    errors = random_errors(outputs)
    expected, actual = backward(plain, errors), backward(trained, errors)
    for a, b in zip(actual, expected, strict=True):
        if b is not None:
            harness.assert_close(a, b, "the error of a backward with an optimizer")
    updated = weights.named(trained)
    for name, parameter in weights.named(plain).items():
        harness.assert_close(
            updated[name].value,
            parameter.value - 0.5 * RATE * parameter.gradient,  # type: ignore[operator]
            f"{name!r} after one step of Sgd({RATE}) with delta 0.5",
            1e-6,
        )


@check("weights")
def regularization(harness: Harness) -> None:
    """calculate_regularization_loss returns the regularizer's norm of all weights except separate biases, 0 without an
    optimizer."""
    layer = initialized_layer(harness)
    harness.assert_close(
        np.array(layer.calculate_regularization_loss()), np.array(0.0), "the regularization loss without an optimizer"
    )
    optimizer = Sgd(RATE)
    optimizer.add_regularizer(L1_Regularizer(0.3))
    layer.set_optimizer(optimizer)
    expected = sum(0.3 * np.abs(p.value).sum() for p in weights.named(layer).values() if p.spec.kind != "bias")
    harness.assert_close(
        np.array(layer.calculate_regularization_loss()), np.array(expected), "the regularization loss", 1e-6
    )
