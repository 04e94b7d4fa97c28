"""Operators with random attributes and shapes against onnxruntime, beyond the cases of ONNX."""

import numpy as np
import onnx
import pytest
from onnx import helper

from graphnet_onnx import backend

runtime = pytest.importorskip("onnxruntime")


class Draw:
    """Random numbers, shapes and arrays."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def int(self, low, high):
        return int(self.rng.integers(low, high))

    def ints(self, count, low, high):
        return [self.int(low, high) for _ in range(count)]

    def array(self, *shape):
        return self.rng.normal(size=shape).astype(np.float32)

    def one(self, *choices):
        return choices[self.int(0, len(choices))]


def conv(d):
    axes, groups = d.int(1, 4), d.int(1, 3)
    channels, kernels, kernel = groups * d.int(1, 3), groups * d.int(1, 3), d.ints(axes, 1, 4)
    attributes = {"group": groups, "strides": d.ints(axes, 1, 4), "dilations": d.ints(axes, 1, 3)}
    if d.int(0, 2):
        attributes["pads"] = d.ints(2 * axes, 0, 3)
    elif max(attributes["dilations"]) == 1:
        attributes["auto_pad"] = d.one("SAME_UPPER", "SAME_LOWER", "VALID")
    x, w = d.array(2, channels, *d.ints(axes, 6, 10)), d.array(kernels, channels // groups, *kernel)
    return "Conv", [x, w, d.array(kernels)][: d.int(2, 4)], attributes, 1


def conv_transpose(d):
    axes, groups = d.int(1, 3), d.int(1, 3)
    channels, kernels, strides = groups * d.int(1, 3), d.int(1, 3), d.ints(axes, 1, 4)
    attributes = {"group": groups, "strides": strides, "dilations": d.ints(axes, 1, 3)}
    attributes |= {"output_padding": [d.int(0, s) for s in strides]} if d.int(0, 2) else {}
    x, w = d.array(2, channels, *d.ints(axes, 3, 6)), d.array(channels, kernels, *d.ints(axes, 2, 4))
    return "ConvTranspose", [x, w, d.array(kernels * groups)][: d.int(2, 4)], attributes, 1


def pool(d):
    operator, axes = d.one("MaxPool", "AveragePool", "LpPool"), d.int(1, 4)
    kernel = d.ints(axes, 1, 4)
    attributes = {"kernel_shape": kernel, "strides": d.ints(axes, 1, 4), "ceil_mode": d.int(0, 2)}
    attributes |= {"pads": [d.int(0, k) for k in kernel] * 2} if d.int(0, 2) else {}
    if operator == "AveragePool":
        attributes["count_include_pad"] = d.int(0, 2)
    elif d.int(0, 2):
        attributes["dilations"] = d.ints(axes, 1, 3)
    return operator, [d.array(2, 2, *d.ints(axes, 6, 10))], attributes, d.int(1, 3) if operator == "MaxPool" else 1


def slices(d):
    rank = d.int(1, 4)
    count = d.int(1, rank + 1)
    axes = d.rng.permutation(rank)[:count] - rank * d.rng.integers(0, 2, count)
    ends = d.rng.choice([-(2**60), -8, -3, -1, 0, 1, 2, 5, 9, 2**60], count)
    steps = d.rng.choice([-3, -2, -1, 1, 2, 3], count)
    return "Slice", [d.array(*d.ints(rank, 1, 6)), d.rng.integers(-8, 9, count), ends, axes, steps], {}, 1


def top_k(d):
    x, axis = d.rng.integers(0, 4, (3, d.int(2, 7))).astype(np.float32), d.int(-2, 2)
    return "TopK", [x, np.array([d.int(1, x.shape[axis] + 1)])], {"axis": axis, "largest": d.int(0, 2)}, 2


def reduction(d):
    operator = d.one("ReduceSum", "ReduceMean", "ReduceMax", "ReduceProd", "ReduceL2", "ReduceLogSumExp")
    rank = d.int(1, 4)
    axes = np.array(d.rng.permutation(rank)[: d.int(0, rank + 1)], np.int64) - rank * d.int(0, 2)
    attributes = {"keepdims": d.int(0, 2), "noop_with_empty_axes": d.int(0, 2)}
    return operator, [d.array(*d.ints(rank, 1, 5)), axes][: d.int(1, 3)], attributes, 1


def gather(d):
    rank = d.int(1, 4)
    x, axis = d.array(*d.ints(rank, 2, 5)), d.int(-rank, rank)
    shape = d.ints(d.int(0, 3), 1, 4)
    if operator_is_elements := d.int(0, 2):
        shape = [*x.shape[: axis % rank], d.int(1, 5), *x.shape[axis % rank + 1 :]]
    indices = d.rng.integers(-x.shape[axis], x.shape[axis], shape)
    return "GatherElements" if operator_is_elements else "Gather", [x, np.array(indices)], {"axis": axis}, 1


def gemm(d):
    m, k, n, a_turned, b_turned = *d.ints(3, 1, 5), d.int(0, 2), d.int(0, 2)
    a, b = d.array(*((k, m) if a_turned else (m, k))), d.array(*((n, k) if b_turned else (k, n)))
    c = d.array(*d.one((n,), (1, n), (m, 1), (m, n), (1,), ()))
    attributes = {"transA": a_turned, "transB": b_turned, "alpha": d.one(1.0, 0.5), "beta": d.one(1.0, 2.0)}
    return "Gemm", [a, b, c][: d.int(2, 4)], attributes, 1


def recurrence(d):
    operator, direction = d.one("RNN", "GRU", "LSTM"), d.one("forward", "reverse", "bidirectional")
    gates, directions = {"RNN": 1, "GRU": 3, "LSTM": 4}[operator], 1 + (direction == "bidirectional")
    steps, rows, features, units = d.int(1, 6), d.int(1, 4), d.int(1, 4), d.int(1, 5)
    state = directions, rows, units
    optional = [d.array(directions, 2 * gates * units), d.rng.integers(1, steps + 1, rows).astype(np.int32)]
    optional += [d.array(*state)] + ([d.array(*state), d.array(directions, 3 * units)] if operator == "LSTM" else [])
    inputs = [d.array(steps, rows, features), d.array(directions, gates * units, features)]
    inputs += [d.array(directions, gates * units, units), *(a if d.int(0, 2) else None for a in optional)]
    attributes = {"hidden_size": units, "direction": direction} | ({"clip": 1.5} if d.int(0, 2) else {})
    attributes |= {"linear_before_reset": d.int(0, 2)} if operator == "GRU" else {}
    return operator, inputs, attributes, 3 if operator == "LSTM" else 2


def model_of(operator, inputs, attributes, outputs):
    """A model of one node."""
    names = [f"x{i}" if array is not None else "" for i, array in enumerate(inputs)]
    node = helper.make_node(operator, names, [f"y{i}" for i in range(outputs)], **attributes)
    given = {name: array for name, array in zip(names, inputs, strict=True) if name}
    declared = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in given.items()
    ]
    results = [helper.make_empty_tensor_value_info(f"y{i}") for i in range(outputs)]
    graph = helper.make_graph([node], "one", declared, results)
    version = 18 if operator == "LpPool" else 21
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model), given


FAMILIES = [conv, conv_transpose, pool, slices, top_k, reduction, gather, gemm, recurrence]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_random_attributes_and_shapes(family):
    draw, compared = Draw(23), 0
    for _ in range(12):
        model, inputs = model_of(*family(draw))
        try:
            session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            expected = session.run(None, inputs)
        except Exception:  # a combination that onnxruntime refuses
            continue
        for a, e in zip(backend.GraphnetRep(model).run(inputs), expected, strict=True):
            assert a.shape == e.shape and a.dtype == e.dtype, model.graph.node[0]
            np.testing.assert_allclose(a, e, rtol=2e-4, atol=2e-4, err_msg=str(model.graph.node[0]))
        compared += 1
    assert compared >= 8
