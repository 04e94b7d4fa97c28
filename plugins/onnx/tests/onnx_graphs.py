"""ONNX models for the tests of the import, and what other programs compute with them."""

from __future__ import annotations

import re

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from graphnet_onnx import load
from graphnet_onnx.reading.loading import load_bytes

OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads = OPTIONS.inter_op_num_threads = 1
OPTIONS.log_severity_level = 4
FLOAT, DOUBLE, INT64, INT32, BOOL = (
    TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL,
)  # fmt: skip


def node(op, inputs, outputs, domain="", name=None, **attributes):
    """A node; several inputs or outputs are separated by spaces, ``_`` stands for one that is left out."""
    split = [["" if part == "_" else part for part in text.split()] for text in (inputs, outputs)]
    return helper.make_node(op, *split, domain=domain, name=name, **attributes)


def graph(nodes, inputs, outputs, arrays=None, opset=17, functions=(), ml=0):
    """A model; ``inputs`` maps names to dims, or to (type, dims); ``outputs`` are names, with dims if these are given."""
    values = [
        helper.make_tensor_value_info(name, *(spec if isinstance(spec, tuple) else (FLOAT, spec)))
        for name, spec in inputs.items()
    ]
    ends = [helper.make_empty_tensor_value_info(name) for name in outputs]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (arrays or {}).items()]
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid("ai.onnx.ml", ml)] if ml else [])]
    opsets += [helper.make_opsetid(domain, 1) for domain in {function.domain for function in functions}]
    return helper.make_model(
        helper.make_graph(list(nodes), "test", values, ends, tensors), opset_imports=opsets, functions=list(functions),
        ir_version=9,
    )  # fmt: skip


def imported(proto, **options):
    """The model of graphnet."""
    return load_bytes(proto.SerializeToString(), **options)


def expected(proto, feed):
    """The outputs that onnxruntime computes, by name; where it has no kernel, ONNX's reference evaluator."""
    names = [value.name for value in proto.graph.output]
    try:
        session = onnxruntime.InferenceSession(proto.SerializeToString(), OPTIONS, providers=["CPUExecutionProvider"])
    except Exception:  # an operator or a type that onnxruntime does not have
        return dict(zip(names, ReferenceEvaluator(proto).run(names, feed), strict=True))
    return dict(zip(names, session.run(names, feed), strict=True))


def renamed(name):
    """The name of an output in graphnet."""
    name = re.sub(r"[^0-9A-Za-z_]+", "_", name).strip("_")
    return name if name[:1].isalpha() else f"output_{name}"


def predicted(model, feed):
    """The outputs of graphnet, by name."""
    inputs = {re.sub(r"\W", "_", name): array for name, array in feed.items()}
    result = model.predict(inputs if len(inputs) > 1 else next(iter(inputs.values())))
    return result if isinstance(result, dict) else {next(iter(model.graph.outputs)): result}


def check(proto, *feeds, tolerance=1e-5, **options):
    """Compare a model with ONNX's evaluator for several inputs; returns the model of graphnet."""
    model = imported(proto, **options)
    for feed in feeds:
        theirs, ours = {renamed(name): array for name, array in expected(proto, feed).items()}, predicted(model, feed)
        assert set(ours) <= set(theirs)
        for name, array in ours.items():
            assert array.shape == theirs[name].shape, name
            np.testing.assert_allclose(array, theirs[name], rtol=tolerance, atol=tolerance)
    return model


def numbers(*shape, seed=0, dtype=np.float32):
    """Random numbers."""
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


__all__ = [
    "BOOL", "DOUBLE", "FLOAT", "INT32", "INT64", "check", "expected", "graph", "imported", "load", "node", "numbers",
    "predicted",
]  # fmt: skip
