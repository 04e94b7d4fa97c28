"""Files of models run by onnxruntime and by ONNX's reference evaluator, beside graphnet."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

from graphnet import Builder, Phase, Runner
from graphnet.plugins import manager
from graphnet.testing.case_inputs import CaseInputs, free_axes
from graphnet_onnx import to_onnx
from graphnet_onnx.writing.export import serialized

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
onnxruntime.set_default_logger_severity(3)


def onnxruntime_outputs(data, inputs, names):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options).run(names, inputs)


def reference_outputs(data, inputs, names):
    return ReferenceEvaluator(data).run(names, inputs)


ENGINES = {"onnxruntime": onnxruntime_outputs, "reference": reference_outputs}


def checked_file(model, **options):
    data = serialized(to_onnx(model, **options))
    onnx.checker.check_model(data, full_check=True)
    return data


def assert_close(name, actual, expected, dtype):
    assert actual.shape == expected.shape, name
    assert actual.dtype == dtype or expected.dtype.kind != "f", name
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    np.testing.assert_allclose(actual / scale, expected / scale, rtol=0, atol=TOLERANCE[dtype], err_msg=name)


def assert_equal_to_graphnet(data, graph, inputs, dtype, engines=tuple(ENGINES), lengths=None, given=None):
    """The engines agree with graphnet on the outputs of a graph."""
    expected = Runner(graph, backend="reference").forward(inputs, phase=Phase.test, keep=False, lengths=lengths)
    names = [f"{name}_final" if name in graph.inputs else name for name in graph.outputs]
    feed = {**inputs, **({} if lengths is None else {"lengths": np.asarray(lengths, np.int64)}), **(given or {})}
    for engine in engines:
        for name, actual in zip(graph.outputs, ENGINES[engine](data, feed, names), strict=True):
            assert_close(f"{engine}, {name}", actual, expected[name], dtype)


def shipped_cases():
    """Every conformance case of the layers that graphnet and its plugins ship."""
    return [case for entry in manager().registry.entries("cases") for case in entry.object()]


def case_graph(case):
    """A graph of the layer of a case, without its optional inputs, and the values for its inputs."""
    layer = case.layer(**case.config)
    values = CaseInputs(case, layer)
    builder = Builder("case")
    inputs = [
        builder.input(name, free_axes(shape), integer=name in values.integer)
        for name, shape in values.shapes.items()
        if name not in values.optional
    ]
    node = builder.add(layer, *inputs, name="node")
    return builder.build(**{port: node[port] for port in layer.output_ports()}), values
