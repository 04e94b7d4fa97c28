"""Operators of the domain ai.onnx.ml that exported pipelines use."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphnet import ConfigError
from graphnet_onnx.operators.activations import logistic
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.indexing import indices_within
from graphnet_onnx.operators.table import operator

ML = "ai.onnx.ml"


def real_numbers(x: Any) -> Any:
    """Numbers to compute with: float64 as it is, others in float32."""
    return x if x.dtype.char in "fd" else x.astype(np.float32)


@operator("Scaler", domain=ML)
def scaler(context: Context, x: Any) -> Any:
    """``(x - offset) · scale``, in float32."""
    values = real_numbers(x)
    offset, scale = (
        np.array(context.get(name, default), values.dtype) for name, default in (("offset", 0), ("scale", 1))
    )
    return (values - offset) * scale


@operator("Normalizer", domain=ML)
def normalizer(context: Context, x: Any) -> Any:
    """Each row divided by its norm: greatest magnitude, sum of magnitudes, or root of the sum of squares."""
    values, kind = real_numbers(x), context["norm"]
    norms: dict[str, Any] = {
        "MAX": lambda v: np.abs(v).max(-1, keepdims=True),
        "L1": lambda v: np.abs(v).sum(-1, keepdims=True),
        "L2": lambda v: np.sqrt(np.square(v).sum(-1, keepdims=True)),
    }
    if kind not in norms:
        raise context.failure("unknown norm", ConfigError, expected=", ".join(norms), received=kind)
    norm = norms[kind](values)
    return values / np.where(norm == 0, 1, norm)


@operator("Binarizer", domain=ML)
def binarizer(context: Context, x: Any) -> Any:
    """1 above the threshold, else 0."""
    return (x > context["threshold"]).astype(x.dtype)


@operator("ArrayFeatureExtractor", domain=ML)
def array_feature_extractor(context: Context, x: Any, indices: Any) -> Any:
    """Entries of the last axis; of a vector, as one row."""
    chosen = x[..., indices_within(context, indices.ravel(), x.shape[-1])]
    return chosen.reshape(1, -1) if x.ndim == 1 else chosen


@operator("LinearRegressor", domain=ML)
def linear_regressor(context: Context, x: Any) -> Any:
    """``x · coefficients + intercepts`` for each target."""
    values, targets = real_numbers(x), int(context["targets"])
    scores = values @ np.array(context["coefficients"], values.dtype).reshape(targets, -1).T
    if context.get("intercepts"):
        scores = scores + np.array(context["intercepts"], values.dtype)
    return transformed(context, scores)


@operator("LinearClassifier", domain=ML)
def linear_classifier(context: Context, x: Any) -> tuple[Any, Any]:
    """The label with the highest score in each row, and the scores."""
    values = real_numbers(x)
    weights = np.array(context["coefficients"], values.dtype).reshape(-1, values.shape[-1])
    scores = values.reshape(-1, values.shape[-1]) @ weights.T
    if context.get("intercepts"):
        scores = scores + np.array(context["intercepts"], values.dtype)
    texts, numbers = context.get("classlabels_strings"), context.get("classlabels_ints")
    labels = np.array(texts, object) if texts else np.array(numbers or range(max(len(weights), 2)), np.int64)
    if len(weights) > 1:
        scores = transformed(context, scores)
        return labels[scores.argmax(1)], scores
    one = scores[:, 0]
    positive = one > 0
    if context["post_transform"] == "LOGISTIC":
        scores = np.stack([logistic(-one), logistic(one)], 1)
    elif len(labels) == 2:
        scores = transformed(context, np.stack([-one, one], 1))
    else:
        scores = transformed(context, scores)
        return np.where(positive, labels[0], np.zeros((), labels.dtype)), scores
    return labels[positive.astype(int)], scores


def transformed(context: Context, scores: Any) -> Any:
    """Scores after the node's ``post_transform``."""
    kind = context.get("post_transform", "NONE")
    if kind == "NONE":
        return scores
    if kind == "LOGISTIC":
        return logistic(scores)
    if kind in ("SOFTMAX", "SOFTMAX_ZERO"):
        e = np.exp(scores - scores.max(-1, keepdims=True))
        if kind == "SOFTMAX_ZERO":
            e = np.where(np.abs(scores) > 1e-7, e, 0)
        total = e.sum(-1, keepdims=True)
        return np.where(total == 0, 0.5, e / np.where(total == 0, 1, total)).astype(scores.dtype)
    if kind == "PROBIT":
        return np.vectorize(_probit, [scores.dtype])(scores)
    raise context.failure("unknown post_transform", ConfigError, received=kind)


def _probit(share: float) -> float:
    """The inverse of the normal distribution function, by bisection."""
    if not 0 < share < 1:
        return math.copysign(math.inf, share - 0.5) if share in (0, 1) else math.nan
    low, high = -40.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erfc(-middle / math.sqrt(2)) / 2 < share else (low, middle)
    return (low + high) / 2


@operator("ZipMap", domain=ML)
def zip_map(context: Context, x: Any) -> Any:
    """For each row a dictionary of labels and numbers."""
    labels = context.get("classlabels_strings") or context.get("classlabels_int64s") or []
    rows = x.reshape(-1, x.shape[-1]) if x.ndim else x.reshape(1, 1)
    context.require(
        rows.shape[1] == len(labels), "one label for each column", expected=rows.shape[1], received=len(labels)
    )
    return ([dict(zip(labels, row.tolist(), strict=True)) for row in rows],)


@operator("FeatureVectorizer", domain=ML)
def feature_vectorizer(context: Context, *arrays: Any) -> Any:
    """The arrays side by side, in float32, each cut or padded with zeros to its declared width."""
    parts = []
    for array, width in zip(arrays, context["inputdimensions"], strict=True):
        columns = array.reshape(len(array), -1)[:, :width]
        parts.append(np.pad(columns, [(0, 0), (0, width - columns.shape[1])]))
    return np.concatenate(parts, 1)


@operator("Imputer", domain=ML)
def imputer(context: Context, x: Any) -> Any:
    """Numbers in place of missing ones: NaN, or a value that stands for them."""
    suffix = "int64" if x.dtype.kind == "i" else "float"
    values = context.get(f"imputed_value_{suffix}s")
    mark = context.get(f"replaced_value_{suffix}")
    missing = np.isnan(x) if suffix == "float" and (mark is None or math.isnan(mark)) else x == mark
    return np.where(missing, np.array(values, x.dtype), x)


@operator("LabelEncoder", domain=ML)
def label_encoder(context: Context, x: Any) -> Any:
    """The value of each key, or the default."""
    kinds = ("strings", "int64s", "floats", "tensor")
    keys = next((context[f"keys_{k}"] for k in kinds if f"keys_{k}" in context.attributes), None)
    kind = next((k for k in kinds if f"values_{k}" in context.attributes), None)
    if keys is None or kind is None:
        raise context.failure("keys and values are needed", ConfigError, expected="keys_* and values_*")
    values = context[f"values_{kind}"]
    default = context.get(f"default_{kind.rstrip('s')}")
    dtypes: dict[str, Any] = {"strings": object, "int64s": np.int64, "floats": np.float32}
    dtype = values.dtype if kind == "tensor" else dtypes[kind]
    pairs = dict(zip(np.asarray(keys).ravel().tolist(), np.asarray(values).ravel().tolist(), strict=True))
    other = np.asarray(default).reshape(-1)[0] if default is not None else None
    return np.array([pairs.get(item, other) for item in x.ravel().tolist()], dtype).reshape(x.shape)


@operator("OneHotEncoder", domain=ML)
def one_hot_encoder(context: Context, x: Any) -> Any:
    """1 at each category along a new last axis, 0 elsewhere."""
    categories = context.get("cats_strings") or context.get("cats_int64s") or []
    result = np.stack([x == category for category in categories], -1)
    if not context["zeros"]:
        context.require(result.any(-1).all(), "a value is none of the categories", expected=categories)
    return result.astype(np.float32)
