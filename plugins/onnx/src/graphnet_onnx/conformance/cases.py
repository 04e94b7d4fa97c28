"""The backend tests that are part of the onnx package."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from graphnet import FileError

#: ONNX's tolerances.
RELATIVE, ABSOLUTE = 1e-3, 1e-7


@dataclass
class Case:
    """One test.

    Attributes
    ----------
    name, kind : str
    model : ModelProto
    data : list of (list of array, list of array)
        Inputs and expected outputs.
    operator : str
        The operator that it tests, with its domain if that is not ``ai.onnx``; ``several`` for whole models.
    types : frozenset of str
        The types of all inputs and outputs.
    relative, absolute : float
        The tolerances.
    """

    name: str
    kind: str
    model: onnx.ModelProto
    data: list[tuple[list[Any], list[Any]]]
    operator: str
    types: frozenset[str]
    relative: float = RELATIVE
    absolute: float = ABSOLUTE


def collected(kind: str = "node") -> list[Case]:
    """Return the tests of a kind, in the order of their names.

    Raises
    ------
    FileError
        If the installed onnx does not have them.
    """
    found = list(_node_cases() if kind == "node" else _light_cases() if kind == "light" else _stored_cases(kind))
    if not found:
        raise FileError(f"no backend tests of kind {kind!r}", where=f"onnx {onnx.__version__}")
    return sorted(found, key=lambda case: case.name)


def types_of(model: onnx.ModelProto) -> frozenset[str]:
    """Return the types of the inputs and outputs of a model."""
    initialized = {tensor.name for tensor in model.graph.initializer}
    values = [*(v for v in model.graph.input if v.name not in initialized), *model.graph.output]
    return frozenset(_type(value.type) for value in values)


def _type(kind: onnx.TypeProto) -> str:
    if not kind.HasField("tensor_type"):
        return str(kind.WhichOneof("value") or "unknown").removesuffix("_type")
    return str(onnx.TensorProto.DataType.Name(kind.tensor_type.elem_type)).lower()


def _full_name(node: onnx.NodeProto) -> str:
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"


def _node_cases() -> Iterator[Case]:
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # the modules of the cases compute their data, some from infinity and NaN
        tests = list[Any](load_model_tests(kind="node"))
    cases = [_stored(test, "node") if test.model is None else _computed(test) for test in tests]
    single = {case.name: _full_name(case.model.graph.node[0]) for case in cases if len(case.model.graph.node) == 1}
    for case in cases:
        base = re.sub(r"_expanded(_ver\d+)?$", "", case.name)
        case.operator = single.get(base) or single.get(case.name) or "several"
        yield case


def _computed(test: Any) -> Case:
    """A test whose data the onnx package computes when it is imported."""
    data = [([_array(a) for a in i], [_array(a) for a in o]) for i, o in test.data_sets or []]
    return Case(test.name, "node", test.model, data, "", types_of(test.model), test.rtol, test.atol)


def _array(value: Any) -> Any:
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _stored_cases(kind: str) -> Iterator[Case]:
    """Tests whose models and data are files of the onnx package."""
    from onnx.backend.test.loader import load_model_tests

    for test in load_model_tests(kind=kind):
        case = _stored(test, kind)
        operators = sorted({_full_name(node) for node in case.model.graph.node} - {"Constant"})
        case.operator = operators[0] if len(operators) == 1 else "several"
        yield case


def _stored(test: Any, kind: str) -> Case:
    folder = Path(str(test.model_dir))
    model = onnx.load(folder / "model.onnx")
    types = types_of(model)
    unread = types & {"optional", "map", "sparse_tensor"}  # left out, so their data need not be read
    data = [] if unread else [_data_set(model, each) for each in sorted(folder.glob("test_data_set*"))]
    return Case(test.name, kind, model, data, "", types, test.rtol, test.atol)


def _data_set(model: onnx.ModelProto, folder: Path) -> tuple[list[Any], list[Any]]:
    return _protos(folder, "input", model.graph.input), _protos(folder, "output", model.graph.output)


def _protos(folder: Path, stem: str, values: Any) -> list[Any]:
    count = len(list(folder.glob(f"{stem}_*.pb")))
    return [_proto((folder / f"{stem}_{i}.pb").read_bytes(), values[i].type) for i in range(count)]


def _proto(data: bytes, kind: onnx.TypeProto) -> Any:
    if kind.HasField("sequence_type"):
        return onnx.numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    return onnx.numpy_helper.to_array(onnx.TensorProto.FromString(data))


def _light_cases() -> Iterator[Case]:
    """Whole networks whose weights are constants, with inputs that ONNX's test runner makes in this way."""
    import onnx.backend.test.loader as loader

    for path in sorted((Path(loader.DATA_DIR) / "light").glob("*.onnx")):
        model = onnx.load(path)
        initialized = {tensor.name for tensor in model.graph.initializer}
        inputs = [_dummy(value) for value in model.graph.input if value.name not in initialized]
        outputs = [
            onnx.numpy_helper.to_array(onnx.load_tensor(str(path.with_name(f"{path.stem}_output_{i}.pb"))))
            for i in range(len(model.graph.output))
        ]
        yield Case(f"test_{path.stem}", "light", model, [(inputs, outputs)], "several", types_of(model))


def _dummy(value: onnx.ValueInfoProto) -> Any:
    shape = [n.dim_value or 1 for n in value.type.tensor_type.shape.dim]
    count = int(np.prod(shape))
    return (np.arange(count).reshape(shape) / count).astype(np.float32)
