"""onnxruntime's operators LSTM, RNN and GRU; they have no backward pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from problems import Problem

from contenders.contender import Contender, Unavailable

#: The order of ONNX's gates as indices of our blocks: i o f c from i f g o; z r h from r z n.
ORDER = {"LSTM": (0, 3, 1, 2), "RNN": (0,), "GRU": (1, 0, 2)}


def make(problem: Problem) -> Contender:
    if problem.kind not in ORDER:
        raise Unavailable(f"no operator {problem.kind}")
    onnxruntime.set_default_logger_severity(4)  # unsupported operators are reported once, as skipped
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = problem.threads, 1
    model = _model(problem).SerializeToString()
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        session.run(None, {"x": problem.x})
    except Exception as refusal:  # its exceptions have no other common base class
        raise Unavailable(f"{problem.kind} in {problem.dtype}: {_short(str(refusal))}") from None
    return Contender(lambda: session.run(None, {"x": problem.x})[0][:, 0])


def _short(refusal: str) -> str:
    """Return the first line without onnxruntime's prefix."""
    return refusal.splitlines()[0].split(" : ")[-1].split("Status Message: ")[-1]


def _model(problem: Problem) -> Any:
    attributes = {"linear_before_reset": 1} if problem.kind == "GRU" else {}
    node = helper.make_node(problem.kind, ["x", "w", "r", "b"], ["y"], hidden_size=problem.units, **attributes)
    kind = getattr(TensorProto, "FLOAT" if problem.dtype == "float32" else "DOUBLE")
    time, batch, features = problem.x.shape
    graph = helper.make_graph(
        [node],
        "benchmark",
        [helper.make_tensor_value_info("x", kind, [time, batch, features])],
        [helper.make_tensor_value_info("y", kind, [time, 1, batch, problem.units])],
        [numpy_helper.from_array(array, name) for name, array in _weights(problem).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def _weights(problem: Problem) -> dict[str, np.ndarray]:
    p = problem.weights
    second = np.zeros_like(p["b"])
    if problem.kind == "GRU":
        second[:, -problem.units :] = p["q"]

    def ordered(array: np.ndarray) -> np.ndarray:
        blocks = np.split(array, len(ORDER[problem.kind]), axis=1)
        return np.concatenate([blocks[i] for i in ORDER[problem.kind]], axis=1)

    biases = np.concatenate([ordered(p["b"]), ordered(second)], axis=1)
    return {
        "w": np.ascontiguousarray(ordered(p["w"]).T[None]),
        "r": np.ascontiguousarray(ordered(p["u"]).T[None]),
        "b": biases,
    }
