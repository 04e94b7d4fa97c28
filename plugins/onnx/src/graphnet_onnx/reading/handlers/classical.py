"""The operators of classical models (ai.onnx.ml), which skl2onnx writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphnet import Affine, Concatenate, FileError
from graphnet_activations import SoftMax
from graphnet_onnx.layers import Reduce
from graphnet_onnx.reading import layout
from graphnet_onnx.reading.generic import generic
from graphnet_onnx.reading.handlers.dense import dense
from graphnet_onnx.reading.handlers.elementwise import emit
from graphnet_onnx.reading.handlers.pairs import pair
from graphnet_onnx.reading.handlers.registry import handles
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.values import Dropped, Known, Term
from graphnet_recurrent import Sigmoid

ML = "ai.onnx.ml"


def labels(node: NodeView, *names: str) -> tuple[Any, ...]:
    """The names of the classes of a classifier: texts or numbers."""
    for name in names:
        if node.get(name):
            return tuple(node.get(name))
    return ()


@handles("Scaler", domain=ML)
def scaler(scope: Scope, node: NodeView) -> None:
    """``(x - offset) · scale``."""
    term = scope.term(node, 0)
    for op, name in (("Sub", "offset"), ("Mul", "scale")):
        values = np.array(node.get(name) or [], np.float32)
        if values.size:
            if values.size not in (1, scope.conversion.value(term.dims[-1]) or values.size):
                raise FileError(f"{name} does not fit the input", where=node.place, expected=term.dims[-1],
                                received=values.size)  # fmt: skip
            term = pair(scope, replace(node, name=f"{node.name}_{name}"), op, term, Known(values))
    scope.set(node.outputs[0], term)
    scope.note(node, "offset and scale")


@handles("LinearRegressor", domain=ML)
def linear_regressor(scope: Scope, node: NodeView) -> None:
    """A dense layer."""
    targets = node.get("targets", 1)
    result = _linear(scope, node, targets, 1)
    post = node.get("post_transform", "NONE")
    if post not in ("NONE", ""):
        raise scope.refused(node, f"post_transform {post}")
    scope.set(node.outputs[0], result)
    scope.note(node, f"{result.value.ref.source}: FullyConnected")


def _linear(scope: Scope, node: NodeView, rows: int, least: int) -> Term:
    """The scores of a linear model whose coefficients are attributes."""
    coefficients = np.array(node.get("coefficients") or [], np.float32)
    shift = np.array(node.get("intercepts") or [0.0] * max(rows, 1), np.float32)
    if rows < least or coefficients.size == 0 or coefficients.size % rows or shift.size != rows:
        raise FileError("coefficients and intercepts do not fit", where=node.place, expected=f"{rows} rows",
                        received=f"{coefficients.size} coefficients, {shift.size} intercepts")  # fmt: skip
    term = scope.term(node, 0)
    weights = np.ascontiguousarray(coefficients.reshape(rows, -1).T)
    if scope.conversion.value(term.dims[-1]) not in (None, len(weights)):
        raise FileError("coefficients do not fit the input", where=node.place, expected=term.dims[-1],
                        received=len(weights))  # fmt: skip
    return dense(scope, term, weights, shift, node.name or "linear")


@handles("LinearClassifier", domain=ML)
def linear_classifier(scope: Scope, node: NodeView) -> None:
    """The label, which is left out, and the scores or probabilities."""
    classes = labels(node, "classlabels_strings", "classlabels_ints")
    shift = node.get("intercepts") or []
    count = len(node.get("coefficients") or [])
    rows = len(shift) or (len(classes) if count else 0)
    term = _linear(scope, node, rows, 1)
    post = node.get("post_transform", "NONE")
    value = term.value
    if post == "SOFTMAX":
        value = scope.apply(SoftMax(-1), value)
    elif post == "LOGISTIC":
        value = scope.apply(Sigmoid(), value)
    elif post != "NONE":
        raise scope.refused(node, f"post_transform {post}")
    if rows == 1 and len(classes) == 2:  # ONNX gives both classes: 1 - p and p, or -score and score
        other = scope.apply(Affine(-1.0, 1.0 if post != "NONE" else 0.0), value)
        value = scope.apply(Concatenate(), other, value)
        atom = term.axes[-1][0]
        term = replace(term, sizes=dict(term.sizes) | {atom: 2})
    scope.set(node.outputs[0], Dropped("the label, which is the class of the largest score", tuple(map(str, classes))))
    if len(node.outputs) > 1:
        scope.set(node.outputs[1], term.at(value, dtype=np.dtype(np.float32)))
        remember(scope, node.outputs[1], classes)
    scope.note(node, f"FullyConnected and {post}")


def remember(scope: Scope, name: str, classes: tuple[Any, ...]) -> None:
    """The classes of an output, whatever its name becomes until the end."""
    if classes:
        scope.conversion.classes[name] = tuple(classes)


@handles("ZipMap", domain=ML)
def zip_map(scope: Scope, node: NodeView) -> None:
    """The probabilities themselves; the classes are their names."""
    classes = labels(node, "classlabels_strings", "classlabels_int64s")
    term = scope.term(node, 0)
    scope.set(node.outputs[0], term)
    remember(scope, node.outputs[0], classes)
    scope.note(node, f"the classes {', '.join(map(str, classes))}"[:200])


@handles("Normalizer", domain=ML)
def normalizer(scope: Scope, node: NodeView) -> None:
    """Each row divided by its norm; a row of zeros stays."""
    from graphnet import Absolute, Divide, Maximum, ScalarPower, Sqrt

    term = layout.with_last(scope.term(node, 0), -1, scope.move)
    kind, x = node.get("norm", "MAX"), term.value
    if kind == "MAX":
        total = scope.apply(Reduce("max", -1, True), x)
    elif kind == "L1":
        total = scope.apply(Reduce("sum", -1, True), scope.apply(Absolute(), x))
    elif kind == "L2":
        total = scope.apply(Sqrt(), scope.apply(Reduce("sum", -1, True), scope.apply(ScalarPower(2), x)))
    else:
        raise FileError("an unknown norm", where=node.place, expected="MAX, L1 or L2", received=kind)
    if kind != "MAX":  # the norm of a row of zeros is 0, and so is the row after division by any other number
        from graphnet_onnx.reading.spreading import spread

        total = scope.apply(Maximum(), total, spread(scope, np.array([1e-30]), total, parameter=False))
    scope.set(node.outputs[0], term.at(scope.apply(Divide(), x, total, name=node.name)))
    scope.note(node, f"norm {kind}")


@handles("ArrayFeatureExtractor", domain=ML)
def array_feature_extractor(scope: Scope, node: NodeView) -> None:
    """The labels of classes, which are left out; or some columns."""
    table, positions = node.inputs[0], node.inputs[1]
    if isinstance(table, Known):
        names = tuple(map(str, table.array.reshape(-1).tolist()))
        scope.set(node.outputs[0], Dropped("the label, which is the class of the largest score", names))
        scope.note(node, "left out: the label")
        return
    if isinstance(table, Term) and isinstance(positions, Known):
        from graphnet_onnx.reading.handlers.gathering import gather

        flat = Known(positions.array.reshape(-1).astype(np.int64))
        gather(scope, replace(node, op="Gather", inputs=[table, flat], attributes={"axis": -1}, domain="", opset=13))
        return
    generic(scope, node)


@handles("Imputer", domain=ML)
def imputer(scope: Scope, node: NodeView) -> None:
    """Not computed: graphnet's arrays have no missing numbers."""
    raise scope.refused(node, "it replaces missing numbers; do that before the model")


@handles("FeatureVectorizer", domain=ML)
def feature_vectorizer(scope: Scope, node: NodeView) -> None:
    """Several inputs side by side."""
    from graphnet_onnx.reading.handlers.parts import concat

    terms = [layout.unsqueezed(v, [1]) if isinstance(v, Term) and len(v.groups) == 1 else v for v in node.inputs]
    concat(scope, replace(node, op="Concat", inputs=list(terms), attributes={"axis": -1}))


@handles("Binarizer", domain=ML)
def binarizer(scope: Scope, node: NodeView) -> None:
    """1 above a threshold, else 0."""
    from graphnet_onnx.layers import OnnxOperator

    term, limit = scope.term(node, 0), float(node.get("threshold", 0.0))
    rank = len(term.axes)
    entries = (("value", "float32", tuple(range(rank)), (-1,) * (rank - term.rows)), ("array", "float32", (), (limit,)))
    rows = tuple(range(term.rows))
    emit(scope, node, term, OnnxOperator("Greater", 13, entries, rows, (-1,) * (rank - term.rows)))
