"""Layers that nobody wrote a converter for: their numpy rules are recorded, and what cannot be is refused."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import onnx
import pytest
import scipy.special as special
from exported import ENGINES, assert_close, checked_file

from graphnet import Builder, Layer, Phase, Runner, Sequential, Shape
from graphnet_onnx import ExportError, converter, to_onnx

TABLE = np.array([[0.5, -1.0, 2.0, 0.25], [1.5, 0.0, -0.5, 1.0], [3.0, 2.5, -2.0, 0.125]])


class Rule(Layer):
    """A rule of RULES on values (batch, 3, 4)."""

    name: str
    rules: ClassVar[dict] = {}

    def infer(self, x):
        with np.errstate(all="ignore"):
            made = self.rules[self.name](np.zeros([2 if n is None else n for n in x.sizes]) + 0.5)
        return Shape(tuple(["batch", "a", "b", "c"][: made.ndim]), (x.sizes[0], *made.shape[1:]))

    def apply(self, x):
        return self.rules[self.name](x), x

    def pull(self, x, error):
        raise NotImplementedError


def rule(function):
    Rule.rules[function.__name__] = function
    return function


def in_place(x):
    y = np.zeros_like(x)
    y[:, 1:] = x[:, :-1]
    y[:, 0, 1] = 7.0
    y *= 2.0
    y[:, 1:] -= x[:, :1]
    y[:, 1] = y[:, 0]
    y[x > 0.9] = 0.0
    return y


Rule.rules |= {
    "in_place": in_place,
    "shifted": lambda x: x + np.roll(x, 1, axis=1),
    "outer": lambda x: x[:, :, :, None] * x[:, :, None, :].sum(1, keepdims=True),
    "einsum": lambda x: np.einsum("bij,bkj->bik", x, x),
    "einsum_implicit": lambda x: np.einsum("bij,j", x, TABLE[0].astype(x.dtype)),
    "matmul_stack": lambda x: x @ np.swapaxes(x, 1, 2),
    "matmul_constant": lambda x: x @ TABLE.T.astype(x.dtype),
    "vector": lambda x: x @ TABLE[1].astype(x.dtype),
    "tensordot": lambda x: np.tensordot(x, TABLE.astype(x.dtype), axes=([2], [1])),
    "softmax": lambda x: (
        np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)
    ),
    "statistics": lambda x: (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-3),
    "std": lambda x: np.std(x, axis=-1, ddof=1),
    "norm": lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "extremes": lambda x: np.stack([x.max(1), x.min(1), np.maximum(x[:, 0], 0.1), np.fmin(x[:, 1], x[:, 2])], axis=1),
    "positions": lambda x: (x.argmax(-1) + x.argmin(axis=2) * 0.5).astype(x.dtype),
    "gathered": lambda x: x[:, [2, 0, 0], :],
    "pairs": lambda x: x[:, [0, 2, 1, 1], [3, 0, 1, 2]] + x[np.arange(x.shape[0]), 1],
    "along": lambda x: np.take_along_axis(x, np.argsort(x, axis=-1), -1),
    "sorted": lambda x: np.sort(x, axis=1),
    "reversed": lambda x: x[:, ::-1, ::2],
    "new_axes": lambda x: x[:, None, 1:, -1],
    "split": lambda x: np.concatenate(np.split(x, [1, 3], axis=-1)[::-1], -1) + np.hstack(np.split(x, 3, axis=1)),
    "transposed": lambda x: np.moveaxis(x, 1, 2).reshape(x.shape[0], -1),
    "by_shape": lambda x: x.reshape(x.shape[0] * x.shape[1], 4).sum(-1).reshape(x.shape[0], x.shape[1]),
    "mean_of_batch": lambda x: x - x.sum(0) / x.shape[0],
    "rows": lambda x: x + np.arange(x.shape[0], dtype=x.dtype)[:, None, None] * 0.5,
    "ones": lambda x: np.ones((x.shape[0], 2), x.dtype) * x[:, 0, :2],
    "repeated": lambda x: np.repeat(x, 2, axis=-1) + np.tile(x, (1, 1, 2)),
    "padded": lambda x: np.pad(x, ((0, 0), (1, 0), (0, 2))),
    "clipped": lambda x: np.clip(x, -0.5, 0.5) + x.clip(0.0, None),
    "choices": lambda x: np.where((x > 0) & (x < 1), x**2, np.where(x < -1, -x, 0.5 * x)),
    "booleans": lambda x: np.where(
        np.any(x > 1, axis=-1, keepdims=True) | ~np.all(x > -1, axis=-1, keepdims=True), x, -x
    ),
    "counts": lambda x: (
        x * ((x > 0).sum(-1, keepdims=True) + np.count_nonzero(x > 0.5, -1, keepdims=True)).astype(x.dtype)
    ),
    "integers": lambda x: (np.floor(x * 10).astype(np.int64) % 3 + np.rint(x).astype(int) // 2).astype(x.dtype),
    "remainder": lambda x: np.remainder(x, 0.3) + x // 0.7,
    "squeezed": lambda x: np.squeeze(x[:, :1], 1) + np.expand_dims(x[:, 1, 2], -1),
    "quaternion": lambda x: np.stack([x[..., 0] * x[..., 1] - x[..., 2] * x[..., 3], x[..., 0] + x[..., 3]], -1),
    "flipped": lambda x: np.flip(x, 1) + np.broadcast_to(x[:, :1], x.shape),
    "windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 3), (1, 2)).sum((-1, -2)),
    "windows_of_rows": lambda x: np.concatenate([np.lib.stride_tricks.sliding_window_view(x, 2, 0).mean(-1), x[:1]], 0),
    "differences": lambda x: np.diff(x, axis=1) + np.diff(x, n=2, axis=-1)[:, :1, :1],
    "error_functions": lambda x: special.erf(x) + special.erfc(x * 2) * special.expit(x) + special.ndtr(x),
    "filled": lambda x: np.full_like(x, 0.5) + np.ones_like(x) * np.empty_like(x, shape=()).ndim,
    "outer_ufunc": lambda x: x * np.multiply.outer(TABLE[:, 0], TABLE[0]).astype(x.dtype),
    "reduced": lambda x: np.add.reduce(x, axis=1) + np.maximum.reduce(x, axis=1),
    "not_a_number": lambda x: np.nan_to_num(1e3 / x) + np.where(np.isfinite(x / 0.5), x, x.dtype.type(0)),
}
#: Elementwise functions, with an interval on which they are defined.
FUNCTIONS = {
    **dict.fromkeys(("exp", "expm1", "tanh", "sinh", "cosh", "sin", "cos", "tan", "arctan", "arcsinh", "square"), (-1.4, 1.4)),
    **dict.fromkeys(("absolute", "sign", "floor", "ceil", "rint", "trunc", "cbrt", "negative", "exp2"), (-3.3, 3.3)),
    **dict.fromkeys(("log", "log1p", "log2", "log10", "sqrt", "reciprocal"), (0.1, 4.0)),
    **dict.fromkeys(("arcsin", "arccos", "arctanh"), (-0.95, 0.95)),
    "arccosh": (1.1, 5.0),
}  # fmt: skip
Rule.rules |= {name: getattr(np, name) for name in FUNCTIONS}
Rule.rules |= {
    "arctan2": lambda x: np.arctan2(x, x[:, ::-1]),
    "hypot": lambda x: np.hypot(x, x[:, ::-1]),
    "copysign": lambda x: np.copysign(x, x[:, ::-1]),
    "logaddexp": lambda x: np.logaddexp(x, x[:, ::-1]),
    "power": lambda x: np.power(np.abs(x), x[:, ::-1]),
    "heaviside": lambda x: np.heaviside(x, 0.5),
}


if hasattr(np, "matvec"):  # numpy 2.2
    Rule.rules["vector_products"] = lambda x: (
        np.matvec(x, x[:, 0]) + np.vecdot(x, x[:, :1]) + np.vecmat(x[:, 0, :3], x)[:, :3]
    )


@pytest.mark.parametrize("name", sorted(Rule.rules))
def test_rule(name):
    runner = Runner(Sequential(Rule(name), shape="batch, a=3, b=4"), backend="reference")
    low, high = FUNCTIONS.get(name, (-1.7, 1.7))
    for dtype in ("float32", "float64"):
        data = checked_file(runner, dtype=dtype)
        for rows, engine in ((2, "onnxruntime"), (7, "onnxruntime"), (5, "reference")):
            x = np.random.default_rng(rows).uniform(low, high, (rows, 3, 4)).astype(dtype)
            with np.errstate(all="ignore"):
                expected = runner.forward({"x": x}, phase=Phase.test, keep=False)["output"]
            assert_close(engine, ENGINES[engine](data, {"x": x}, ["output"])[0], expected, dtype)


@pytest.mark.parametrize("name", ["expm1", "log1p"])
def test_small_numbers_keep_their_digits(name):
    data = checked_file(Sequential(Rule(name), shape="batch, a=3, b=4"), dtype="float64")
    x = np.array([1e-300, -1e-18, 3e-9, -1e-4, 0.1, 0.0, 1e-5, -0.5, 0.7, 30.0, 1e-16, 2e-3]).reshape(1, 3, 4)
    actual = ENGINES["onnxruntime"](data, {"x": x}, ["output"])[0]
    np.testing.assert_allclose(actual, getattr(np, name)(x), rtol=5e-15)


# ---------------------------------------------------------------------- rules that make arrays
def filled(rows, width, dtype):
    return np.full((rows, width), 0.25, dtype)


def encoding(steps, width, dtype):
    """Sines and cosines of positions (Vaswani et al. 2017)."""
    angles = np.arange(steps)[:, None] / 10.0 ** (np.arange(width // 2) / width)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(dtype)


class Makes(Rule):
    """Rules that make arrays, in methods and functions of their module."""

    rules: ClassVar[dict] = {}

    def apply(self, x):
        return getattr(self, self.name)(x), x

    def infer(self, x):
        return x

    def buffer(self, x):
        y = np.zeros(x.shape, x.dtype)
        y[:, 1:, :2] = x[:, :-1, 1:3]
        y[:, 0] += 1.0
        return y

    def empty(self, x):
        y = np.empty((x.shape[0], 3, 4), dtype=x.dtype)
        y[:] = np.asarray(x) * 2.0
        return y

    def helper(self, x):
        return x * filled(x.shape[0], 4, x.dtype)[:, None]

    def positions(self, x):
        return x + encoding(x.shape[0], 4, x.dtype)[:, None]

    def causal(self, x):
        scores = np.einsum("aij,bij->ab", x, x)
        mask = np.arange(scores.shape[1]) <= np.arange(x.shape[0])[:, None]
        powers = np.exp(np.where(np.tri(x.shape[0]) > 0, scores, -1e9))
        weights = np.where(mask, powers, 0.0).astype(x.dtype)
        return np.einsum("ab,bij->aij", weights / weights.sum(-1, keepdims=True), x)

    def listed(self, x):
        return np.moveaxis(np.array([x[:, i] * (i + 1.0) for i in range(3)]), 0, 1).astype(x.dtype)

    def identity(self, x):
        return (np.einsum("ab,bij->aij", np.eye(x.shape[0]), x) + np.identity(3)[:, :1]).astype(x.dtype)

    def distances(self, x):
        return x * np.linspace(0.0, 1.0, x.shape[0]).reshape(-1, 1, 1).astype(x.dtype)

    def counted(self, x):
        return x + np.arange(1, 2 * x.shape[0], 2, dtype=x.dtype)[:, None, None] + np.triu(x)[:, :, :1]


@pytest.mark.parametrize(
    "name", ["buffer", "empty", "helper", "positions", "causal", "listed", "identity", "distances", "counted"]
)
def test_rule_that_makes_arrays(name):
    runner = Runner(Sequential(Makes(name), shape="batch, a=3, b=4"), backend="reference")
    for dtype in ("float32", "float64"):
        data = checked_file(runner, dtype=dtype)
        for rows, engine in ((2, "onnxruntime"), (9, "onnxruntime"), (5, "reference")):
            x = np.random.default_rng(rows).uniform(-1.7, 1.7, (rows, 3, 4)).astype(dtype)
            expected = runner.forward({"x": x}, phase=Phase.test, keep=False)["output"]
            assert_close(engine, ENGINES[engine](data, {"x": x}, ["output"])[0], expected, dtype)


# ---------------------------------------------------------------------- what cannot be recorded
REFUSED = {
    "branches on the numbers": lambda x: x if x.sum() > 0 else -x,
    "reads a number": lambda x: x * float(x[0, 0, 0]),
    "as a plain array": lambda x: TABLE[x.astype(int)] + x,
    "rows or steps of an array one by one": lambda x: np.stack([row * 2.0 for row in x]),
    "selects elements by a mask": lambda x: x * len(x[x > 0]),
    "np.linalg.inv": lambda x: np.linalg.inv(x),
    "depends on the number of rows": lambda x: x * len(x),
    "of which there is a view": lambda x: _through_view(x),
    "an array of which there": lambda x: _stale_view(x),
    "ZeroDivisionError": lambda x: x * (1 // 0),
}  # fmt: skip


def _through_view(x):
    y = x * 1.0
    part = y[:, 0]
    part += 1.0
    return y


def _stale_view(x):
    y = x * 1.0
    part = y[:, 0]
    y[:, 0] = 2.0
    return y + part[:, None]


class Refused(Rule):
    """A rule that cannot be recorded."""

    rules: ClassVar[dict] = REFUSED

    def infer(self, x):
        return x


@pytest.mark.parametrize("reason", REFUSED)
def test_refused(reason):
    with pytest.raises(ExportError) as raised:
        to_onnx(Sequential({"odd": Refused(reason)}, shape="batch, a=3, b=3"))
    text = str(raised.value)
    assert "odd: Refused cannot be written as operators of ONNX" in text
    assert reason in text
    assert "export_onnx" in text


# ---------------------------------------------------------------------- converters
class Loops(Layer):
    """x · 2, in a rule that cannot be recorded."""

    scale: float = 2.0

    def apply(self, x):
        return np.array([[value * self.scale for value in row] for row in x], x.dtype), None

    def pull(self, saved, error):
        return error * self.scale


class Own(Loops):
    """The same with a method."""

    def export_onnx(self, x):
        return x.op("Mul", self.scale, shape=x.shape)


class Registered(Loops):
    """The same with a converter."""


@converter(Registered)
def _registered(layer, x):
    return x * layer.scale


class Different(Registered):
    """A subclass with another rule, to which the converter does not apply."""

    def apply(self, x):
        return x - 1.0, None


@pytest.mark.parametrize(("layer", "expected"), [(Own(3.0), 3.0), (Registered(-2.0), -2.0), (Different(), 0.0)])
def test_converters(layer, expected):
    x = np.ones((2, 3))
    data = checked_file(Sequential(layer, shape="batch, feature=3"), dtype="float64")
    np.testing.assert_array_equal(ENGINES["onnxruntime"](data, {"x": x}, ["output"])[0], x * expected)


def test_layer_without_a_converter_is_refused():
    with pytest.raises(ExportError, match="Loops cannot be written"):
        to_onnx(Sequential(Loops(), shape="batch, feature=3"))


def test_equal_layers_are_one_function():
    builder = Builder("several")
    x = builder.input("x", "batch, a=3, b=4")
    for name in ("exp", "tanh", "exp", "exp"):
        x = Rule(name)(x)
    proto = onnx.load_from_string(checked_file(builder.build(x)))
    assert sorted(function.name for function in proto.functions) == ["Rule", "Rule_2"]
    assert [node.op_type for node in proto.graph.node][:4] == ["Rule", "Rule_2", "Rule", "Rule"]
