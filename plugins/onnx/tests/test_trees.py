"""Ensembles of trees against onnxruntime."""

import numpy as np
import onnx
import pytest
from onnx import helper

from graphnet_onnx import backend

runtime = pytest.importorskip("onnxruntime")
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT")


def trees(rng, count, features, mode):
    """The attributes of full trees of depth 2: nodes 0 to 2 branch, 3 to 6 are leaves."""
    nodes = {
        "nodes_treeids": np.repeat(np.arange(count), 7).tolist(),
        "nodes_nodeids": np.tile(np.arange(7), count).tolist(),
        "nodes_featureids": rng.integers(0, features, 7 * count).tolist(),
        "nodes_values": rng.normal(size=7 * count).tolist(),
        "nodes_modes": ([mode] * 3 + ["LEAF"] * 4) * count,
        "nodes_truenodeids": [1, 3, 5, 0, 0, 0, 0] * count,
        "nodes_falsenodeids": [2, 4, 6, 0, 0, 0, 0] * count,
        "nodes_missing_value_tracks_true": rng.integers(0, 2, 7 * count).tolist(),
    }
    leaves = [(tree, leaf) for tree in range(count) for leaf in range(3, 7)]
    return nodes, leaves


def agrees(operator, attributes, x, outputs, kinds):
    node = helper.make_node(operator, ["x"], outputs, domain="ai.onnx.ml", **attributes)
    results = [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(outputs, kinds, strict=True)]
    graph = helper.make_graph([node], "trees", [helper.make_tensor_value_info("x", 1, x.shape)], results)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    expected = runtime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    for a, e in zip(backend.GraphnetRep(model).run([x]), expected, strict=True):
        assert a.shape == e.shape and (a.dtype == e.dtype or e.dtype == object)
        if e.dtype.kind == "f":
            np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)
        else:
            assert a.tolist() == e.tolist()


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
@pytest.mark.parametrize("mode", MODES)
def test_regressor(aggregate, mode):
    rng = np.random.default_rng(4)
    nodes, leaves = trees(rng, 3, 4, mode)
    x = rng.normal(size=(9, 4)).astype(np.float32)
    x[2, 1] = np.nan
    each = [(tree, leaf, target) for tree, leaf in leaves for target in range(2)]
    targets = {"target_treeids": [e[0] for e in each], "target_nodeids": [e[1] for e in each]}
    targets |= {"target_ids": [e[2] for e in each], "target_weights": rng.normal(size=len(each)).tolist()}
    attributes = {**nodes, **targets, "n_targets": 2, "aggregate_function": aggregate, "base_values": [0.5, -1.0]}
    agrees("TreeEnsembleRegressor", attributes, x, ["y"], [onnx.TensorProto.FLOAT])


@pytest.mark.parametrize(("classes", "ids"), [(3, (0, 1, 2)), (4, (0, 1, 2, 3)), (2, (0,))], ids=str)
@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("texts", [False, True])
def test_classifier(classes, ids, transform, texts):
    if len(ids) == 1 and transform == "SOFTMAX":
        pytest.skip("onnxruntime does not transform a single sum, ONNX's reference evaluator does")
    rng = np.random.default_rng(6)
    nodes, leaves = trees(rng, 3, 4, "BRANCH_LEQ")
    x = rng.normal(size=(9, 4)).astype(np.float32)
    each = [(tree, leaf, target) for tree, leaf in leaves for target in ids]
    weights = {"class_treeids": [e[0] for e in each], "class_nodeids": [e[1] for e in each]}
    weights |= {"class_ids": [e[2] for e in each], "class_weights": (rng.random(len(each)) / 3).tolist()}
    labels = (
        {"classlabels_strings": ["a", "b", "c", "d"][:classes]}
        if texts
        else {"classlabels_int64s": [4, 7, 9, 1][:classes]}
    )
    kinds = [onnx.TensorProto.STRING if texts else onnx.TensorProto.INT64, onnx.TensorProto.FLOAT]
    attributes = {**nodes, **weights, **labels, "post_transform": transform}
    agrees("TreeEnsembleClassifier", attributes, x, ["label", "scores"], kinds)
