"""Converters of the layers of this distribution, which importing a file makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from graphnet.core.describe.shapes import Shape
from graphnet_onnx.layers import Erf, OnnxOperator
from graphnet_onnx.writing.array import TracedArray, lifted
from graphnet_onnx.writing.converters import converter
from graphnet_onnx.writing.opset import OPSET
from graphnet_onnx.writing.scope import Scope, Untraceable
from graphnet_onnx.writing.special import erf


@converter(Erf)
def error_function(layer: Erf, x: Any) -> Any:
    """Erf."""
    return erf(x)


@converter(OnnxOperator)
def onnx_operator(layer: OnnxOperator, *inputs: Any, shapes: Any) -> Any:
    """The operator itself, if it means the same in the version of the file."""
    _check_version(layer)
    scope, dtype = inputs[0].scope, next((x.dtype for x in inputs if x.dtype.kind == "f"), np.dtype(np.float64))
    waiting = list(inputs)
    names = [_operand(entry, waiting, scope, dtype) if entry is not None else "" for entry in layer.inputs]
    attributes = {name: _attribute(value) for name, value in layer.attributes}
    domain = "" if layer.domain == "ai.onnx" else layer.domain
    results = scope.several(layer.operator, names, layer.output + 1, domain=domain, **attributes)
    whole: Shape = layer.infer(*shapes)
    rows = len(layer.rows)
    sizes = [0] * whole.rank
    others = [axis for axis in range(whole.rank) if axis not in layer.rows]
    for place, axis in enumerate((*layer.rows, *others)):
        leading = next((x for x in inputs if x.ndim >= rows), inputs[0])
        sizes[axis] = leading.shape[place] if place < rows else whole.sizes[place] or 0
    result = TracedArray(scope, scope.cast(results[layer.output], dtype), sizes, dtype)
    return np.moveaxis(result, layer.rows, range(rows))  # type: ignore[type-var]


def _check_version(layer: OnnxOperator) -> None:
    """Refuse an operator whose meaning has changed between its version and that of the file."""
    if layer.domain not in ("", "ai.onnx"):
        raise Untraceable(f"it is the operator {layer.operator} of the domain {layer.domain!r}")
    present = onnx.defs.get_schema(layer.operator, OPSET)
    if layer.opset >= present.since_version:
        return
    former = onnx.defs.get_schema(layer.operator, layer.opset)
    if _signature(former) != _signature(present):
        raise Untraceable(
            f"it is {layer.operator} of version {layer.opset}, and version {present.since_version} is another operator"
        )


def _signature(schema: Any) -> Any:
    """What must be equal for two versions of an operator to be the same; types of numbers are added now and then."""
    attributes = {name: str(each.default_value) for name, each in schema.attributes.items()}
    return attributes, [each.name for each in schema.inputs], [each.name for each in schema.outputs]


def _operand(entry: Any, waiting: list[Any], scope: Scope, dtype: Any) -> str:
    """The name of an input of the operator, in its axes and its dtype."""
    wanted = np.dtype(entry[1])
    wanted = dtype if wanted.kind == "f" else wanted
    if entry[0] == "array":
        if wanted.kind not in "fiub":
            raise Untraceable(f"it reads an array of dtype {entry[1]}")
        return lifted(scope, np.array(entry[3], wanted).reshape(entry[2])).name
    value = waiting.pop(0)
    if entry[0] == "shared":
        count = int(np.prod(entry[2], dtype=np.int64))
        array = value.reshape(-1, count)[0].reshape(entry[2])
    else:
        axes = entry[2]
        present = [axis for axis in axes if axis >= 0]
        missing = [axis for axis in range(value.ndim) if axis not in present]
        array = value.transpose([*missing, *present])[(0,) * len(missing)] if missing else value.transpose(present)
        array = array.reshape([1 if axis < 0 else value.shape[axis] for axis in axes])
    return array.astype(wanted).name  # type: ignore[no-any-return]


def _attribute(value: Any) -> Any:
    """An attribute as onnx takes it."""
    if isinstance(value, tuple) and len(value) == 4 and value[0] == "array":
        return onnx.numpy_helper.from_array(np.array(value[3], np.dtype(value[1])).reshape(value[2]))
    return list(value) if isinstance(value, tuple) else value
