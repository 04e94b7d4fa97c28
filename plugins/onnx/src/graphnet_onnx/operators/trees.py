"""Ensembles of decision trees, of the domain ai.onnx.ml."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import ConfigError
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.machine_learning import ML, real_numbers, transformed
from graphnet_onnx.operators.table import operator

#: The comparisons of branches by the numbers of TreeEnsemble.
BRANCHES: tuple[Any, ...] = (np.less_equal, np.less, np.greater_equal, np.greater, np.equal, np.not_equal, np.isin)


@operator("TreeEnsemble", domain=ML)
def tree_ensemble(context: Context, x: Any) -> Any:
    """The weights of the leaves that each row reaches, added, averaged, or the least or greatest of them, by target."""
    targets, kind = int(context["n_targets"]), int(context["aggregate_function"])
    roots = context["tree_roots"]
    start = {2: np.inf, 3: -np.inf}.get(kind, 0.0)
    result = np.full((len(x), targets), start, x.dtype)
    weights, places = context["leaf_weights"], context["leaf_targetids"]
    sets = _memberships(context)
    for root in roots:
        leaves = np.array([_leaf(context, row, int(root), sets) for row in x])
        rows, columns = np.arange(len(x)), np.asarray(places)[leaves]
        function = {2: np.minimum, 3: np.maximum}.get(kind, np.add)
        function.at(result, (rows, columns), weights[leaves] / (len(roots) if kind == 0 else 1))
    return transformed(context, result) if isinstance(context.get("post_transform"), str) else result


def _memberships(context: Context) -> dict[int, Any]:
    """The sets of values of the nodes that ask for membership, in their order; NaN ends each."""
    values = context.get("membership_values")
    if values is None:
        return {}
    ends = np.flatnonzero(np.isnan(values))
    parts = [part[~np.isnan(part)] for part in np.split(values, ends)]
    nodes = np.flatnonzero(np.asarray(context["nodes_modes"]) == 6)
    return dict(zip(nodes.tolist(), parts, strict=False))


def _leaf(context: Context, row: Any, node: int, sets: dict[int, Any]) -> int:
    """The leaf that a row reaches from a root."""
    modes, splits, features = context["nodes_modes"], context["nodes_splits"], context["nodes_featureids"]
    tracks = context.get("nodes_missing_value_tracks_true")
    for _ in range(len(features) + 1):
        value = row[features[node]]
        holds = bool(BRANCHES[int(modes[node])](value, sets.get(node, splits[node])))
        holds = holds or bool(tracks is not None and tracks[node] and np.isnan(value))
        side = "true" if holds else "false"
        is_leaf, after = context[f"nodes_{side}leafs"][node], int(context[f"nodes_{side}nodeids"][node])
        if is_leaf:
            return after
        node = after
    raise context.failure("the nodes of a tree form a circle", ConfigError)


#: The comparisons of branches by the names of versions 1 to 3.
MODES: dict[str, Any] = {
    "BRANCH_LEQ": np.less_equal,
    "BRANCH_LT": np.less,
    "BRANCH_GTE": np.greater_equal,
    "BRANCH_GT": np.greater,
    "BRANCH_EQ": np.equal,
    "BRANCH_NEQ": np.not_equal,
}


def _either(context: Context, name: str, default: Any = ()) -> Any:
    """A list of numbers, or the tensor that takes its place for float64."""
    tensor = context.get(f"{name}_as_tensor")
    return context.get(name, default) if tensor is None else tensor


def reached(context: Context, x: Any) -> dict[tuple[int, int], Any]:
    """For each leaf, as (tree, node), which rows reach it."""
    trees, nodes, modes = context["nodes_treeids"], context["nodes_nodeids"], context["nodes_modes"]
    place = {pair: number for number, pair in enumerate(zip(trees, nodes, strict=True))}
    features, values = context["nodes_featureids"], _either(context, "nodes_values")
    after = {side: context[f"nodes_{side}nodeids"] for side in ("true", "false")}
    missing = context.get("nodes_missing_value_tracks_true") or [0] * len(nodes)
    leaves: dict[tuple[int, int], Any] = {}
    waiting = [(place[tree, nodes[trees.index(tree)]], np.ones(len(x), bool)) for tree in dict.fromkeys(trees)]
    seen: set[int] = set()
    while waiting:
        number, rows = waiting.pop()
        if number in seen:
            raise context.failure("a node of a tree is reached in two ways", ConfigError)
        seen.add(number)
        if modes[number] == "LEAF":
            leaves[trees[number], nodes[number]] = rows
            continue
        if modes[number] not in MODES:
            raise context.failure(
                "unknown mode of a node", ConfigError, expected=", ".join(MODES), received=modes[number]
            )
        column = x[:, features[number]]
        holds = MODES[modes[number]](column, x.dtype.type(values[number])) | (np.isnan(column) & bool(missing[number]))
        for side, part in (("true", rows & holds), ("false", rows & ~holds)):
            waiting.append((place[trees[number], after[side][number]], part))
    return leaves


def _scores(context: Context, x: Any, prefix: str, weights: str, targets: int) -> Any:
    """The weights of the leaves that rows reach, aggregated for each target."""
    leaves, kind = reached(context, x), context.get("aggregate_function", "SUM")
    if kind not in ("SUM", "AVERAGE", "MIN", "MAX"):
        raise context.failure("unknown aggregate_function", ConfigError, received=kind)
    start, function = {"MIN": (np.inf, np.minimum), "MAX": (-np.inf, np.maximum)}.get(kind, (0.0, np.add))
    scores = np.full((len(x), targets), start, x.dtype)
    entries = zip(*(context[f"{prefix}_{name}"] for name in ("treeids", "nodeids", "ids")), strict=True)
    for (tree, node, target), weight in zip(entries, _either(context, weights), strict=True):
        rows = leaves.get((tree, node))
        if rows is not None:
            scores[rows, target] = function(scores[rows, target], x.dtype.type(weight))
    scores[np.isinf(scores)] = 0
    if kind == "AVERAGE":
        scores /= len(set(context["nodes_treeids"]))
    base = _either(context, "base_values")
    return scores + np.array(base, x.dtype) if len(base) == targets else scores


@operator("TreeEnsembleRegressor", domain=ML)
def tree_regressor(context: Context, x: Any) -> Any:
    """The weights of the leaves that each row reaches, aggregated by target, in float32."""
    values = real_numbers(x)
    return transformed(context, _scores(context, values, "target", "target_weights", int(context["n_targets"])))


@operator("TreeEnsembleClassifier", domain=ML)
def tree_classifier(context: Context, x: Any) -> tuple[Any, Any]:
    """The label with the highest sum of weights, and these sums; with one sum of two labels, that of the second one."""
    values = real_numbers(x)
    texts, numbers = context.get("classlabels_strings"), context.get("classlabels_int64s")
    labels = np.array(texts, object) if texts else np.array(numbers or [], np.int64)
    count = len(labels)
    scores = _scores(context, values, "class", "class_weights", count)
    if count != 2 or len(set(context["class_ids"])) != 1:
        scores = transformed(context, scores)
        return labels[scores.argmax(1)], scores.astype(np.float32)
    one = scores[:, context["class_ids"][0]]
    base = _either(context, "base_values")
    one = one + values.dtype.type(base[0]) if len(base) == 1 else one
    if context["post_transform"] == "NONE":  # a probability
        return labels[(one > 0.5).astype(int)], np.stack([1 - one, one], 1).astype(np.float32)
    scores = transformed(context, np.stack([-one, one], 1))
    return labels[(one > 0).astype(int)], scores.astype(np.float32)
