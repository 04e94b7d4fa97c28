"""ONNX models of every kind that is imported, and damage of the messages inside them."""

from __future__ import annotations

import functools
import random
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

#: Numbers for fields of 64 bits.
NUMBERS = (0, -1, 1, 2, 3, 7, 16, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63), 10**6, -7)
TEXTS = ("", "x", "y", "W", "é∞", "a" * 3000, "\x00", "../w", "/etc/hostname", "LSTM", "Gemm", "Scan", "If", "Loop", "Conv",
         "Reshape", "ai.onnx.ml", "own", "bidirectional", "reverse", "SAME_UPPER", "NaN", "Softmax", "ConstantOfShape",
         "Expand", "Tile", "Range", "Pad", "Cast", "Identity", "Einsum", "location", "QLinearConv")  # fmt: skip


def _node(op: str, inputs: str, outputs: str, domain: str = "", **attributes: Any) -> Any:
    split = [["" if part == "_" else part for part in text.split()] for text in (inputs, outputs)]
    return helper.make_node(op, *split, domain=domain, **attributes)


def _model(
    nodes: list[Any], inputs: dict[str, Any], outputs: list[str], arrays: dict[str, Any], functions: Any = ()
) -> bytes:
    values = [
        helper.make_tensor_value_info(name, *(spec if isinstance(spec, tuple) else (TensorProto.FLOAT, spec)))
        for name, spec in inputs.items()
    ]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]
    opsets = [helper.make_opsetid(domain, version) for domain, version in (("", 17), ("ai.onnx.ml", 1), ("own", 1))]
    graph = helper.make_graph(nodes, "g", values, [helper.make_empty_tensor_value_info(n) for n in outputs], tensors)
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=9).SerializeToString()


@functools.cache
def models() -> tuple[bytes, ...]:
    """Whole models."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return rng.normal(size=shape).astype(np.float32)

    dense = [
        _node("Gemm", "x W b", "h", transB=1), _node("Relu", "h", "r"), _node("Dropout", "r ratio", "d"),
        _node("MatMul", "d V", "m"), _node("Add", "m v", "s"), _node("Softmax", "s", "y", axis=1),
        _node("ReduceMean", "s", "z", axes=[1]), _node("Clip", "z low", "c"), _node("Concat", "y c", "all", axis=1),
    ]  # fmt: skip
    arrays = {
        "W": draw(6, 4),
        "b": draw(6),
        "V": draw(6, 3),
        "v": draw(3),
        "ratio": np.float32(0.5),
        "low": np.float32(0),
    }
    sequences = [
        _node("Shape", "x", "s"), _node("Gather", "s zero", "n"), _node("Unsqueeze", "n first", "n1"),
        _node("Concat", "one n1 units", "size", axis=0), _node("ConstantOfShape", "size", "h"),
        _node("Transpose", "x", "t", perm=[1, 0, 2]),
        _node("GRU", "t W R B _ h", "Y Yh", hidden_size=4, direction="bidirectional", linear_before_reset=1),
        _node("Transpose", "Y", "Z", perm=[0, 2, 1, 3]), _node("Reshape", "Z flat", "F"), _node("Slice", "F a e", "l"),
        _node("Squeeze", "l first", "y"),
    ]  # fmt: skip
    gates = {
        "W": draw(2, 12, 3), "R": draw(2, 12, 4), "B": draw(2, 24), "zero": np.array(0), "first": np.array([0]),
        "one": np.array([2]), "units": np.array([4]), "flat": np.array([0, 0, -1]), "a": np.array([-1]), "e": np.array([2**31]),
    }  # fmt: skip
    images = [
        _node("Conv", "x W b", "c", pads=[1, 1, 1, 1], strides=[2, 1], group=1), _node("Relu", "c", "r"),
        _node("BatchNormalization", "r g b2 m q", "n"), _node("MaxPool", "n", "p", kernel_shape=[2, 2]),
        _node("Pad", "p pads", "e"), _node("Flatten", "e", "f"), _node("MatMul", "f M", "y"),
    ]  # fmt: skip
    kernels = {
        "W": draw(4, 2, 3, 3), "b": draw(4), "g": draw(4), "b2": draw(4), "m": draw(4), "q": np.abs(draw(4)),
        "pads": np.array([0, 0, 1, 0, 0, 0, 0, 1]), "M": draw(4 * 4 * 7, 2),
    }  # fmt: skip
    classes = [
        _node("Scaler", "x", "s", "ai.onnx.ml", offset=[1.0, 2.0, 3.0], scale=[2.0, 0.5, 1.0]),
        _node("LinearClassifier", "s", "label p", "ai.onnx.ml", classlabels_ints=[1, 2], coefficients=[1.0] * 6,
              intercepts=[0.5, 1.0], post_transform="LOGISTIC"),
        _node("Normalizer", "p", "n", "ai.onnx.ml", norm="L1"), _node("ZipMap", "n", "y", "ai.onnx.ml", classlabels_int64s=[1, 2]),
    ]  # fmt: skip
    body = helper.make_graph(
        [_node("Concat", "x h", "xh", axis=1), _node("twice", "xh", "t", "own"), _node("MatMul", "t W", "p"), _node("Tanh", "p", "n")],
        "body",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in ("h", "x")],
        [helper.make_empty_tensor_value_info("n"), helper.make_empty_tensor_value_info("p")],
    )  # fmt: skip
    twice = helper.make_function(
        "own", "twice", ["a"], ["b"], [_node("Add", "a a", "b")], [helper.make_opsetid("", 17)]
    )
    scan = [_node("Scan", "h0 x", "last y", body=body, num_scan_inputs=1, scan_input_axes=[0])]
    return (
        _model(dense, {"x": ["N", 4]}, ["all"], arrays),
        _model(sequences, {"x": ["batch", "time", 3]}, ["y", "Yh"], gates),
        _model(images, {"x": ["N", 2, 8, 7]}, ["y"], kernels),
        _model(classes, {"x": [None, 3]}, ["label", "y"], {}),
        _model(scan, {"x": ["T", "N", 2], "h0": ["N", 2]}, ["last", "y"], {"W": draw(4, 2)}, [twice]),
    )


def of_messages(rng: random.Random, data: bytes) -> bytes:
    """Change fields of messages: numbers, texts, types, and whole messages that are repeated, copied or removed."""
    model = ModelProto()
    model.ParseFromString(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        _change(rng, *rng.choice(_fields(model)))
    return model.SerializeToString()


def _fields(model: Any) -> list[tuple[Any, Any]]:
    """Every (message, field) of a model; the fields that are set, and a few that are not."""
    found, waiting = [], [model]
    while waiting:
        message = waiting.pop()
        present = message.ListFields()
        found += [(message, field) for field, _ in present]
        unset = [f for f in message.DESCRIPTOR.fields if f.name in ("dims", "raw_data", "data_location", "external_data",
                 "ref_attr_name", "domain", "segment", "sparse_initializer", "functions", "g", "type", "value_info")]  # fmt: skip
        found += [(message, field) for field in unset[:2]]
        for field, value in present:
            if field.message_type is not None:
                waiting += list(value) if _repeated(field) else [value]
    return found


def _repeated(field: Any) -> bool:
    return bool(
        getattr(field, "is_repeated", None) if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
    )


def _scalar(rng: random.Random, field: Any, old: Any) -> Any:
    kind = field.cpp_type
    if kind == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            texts = (b"", old[:-1], old + b"\0", old * 3, b"SAME_UPPER", b"reverse", rng.randbytes(len(old)))
            return rng.choice(texts)
        return rng.choice((*TEXTS, old[:-1], old + "x"))
    if kind in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return rng.choice((0.0, -1.0, 1e30, float("nan"), float("inf"), 0.5))
    if kind == field.CPPTYPE_ENUM:
        return rng.choice([value.number for value in field.enum_type.values])
    if kind in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32):
        return rng.choice([n for n in (*NUMBERS, *range(24)) if abs(n) < 2**31 and n >= 0])
    if kind == field.CPPTYPE_UINT64:
        return rng.choice([n for n in NUMBERS if n >= 0])
    return rng.choice((*NUMBERS, *range(1, 24)))


def _change(rng: random.Random, message: Any, field: Any) -> None:
    value = getattr(message, field.name)
    if not _repeated(field):
        if field.message_type is None:
            setattr(message, field.name, _scalar(rng, field, value))
        elif rng.random() < 0.3:
            message.ClearField(field.name)
        return
    what = rng.randrange(5)
    if not value:
        if field.message_type is None:
            value.append(
                _scalar(
                    rng,
                    field,
                    b"" if field.type == field.TYPE_BYTES else "" if field.cpp_type == field.CPPTYPE_STRING else 0,
                )
            )
        else:
            value.add()
        return
    at = rng.randrange(len(value))
    if what == 0:
        del value[at]
    elif what == 1:
        value.append(value[at]) if field.message_type is None else value.add().CopyFrom(value[at])
    elif what == 2:
        items = list(value)
        rng.shuffle(items)
        items = [
            type(item).FromString(item.SerializeToString()) if field.message_type is not None else item
            for item in items
        ]
        del value[:]
        value.extend(items)
    elif what == 3 and len(value) > 1:
        if field.message_type is None:
            value[at] = value[rng.randrange(len(value))]
        else:
            value[at].CopyFrom(value[rng.randrange(len(value))])
    elif field.message_type is None:
        value[at] = _scalar(rng, field, value[at])
    else:
        value.add()
