"""One use of a layer as a function of ONNX: its rule, or its converter, runs on arrays that record operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import FunctionProto, helper

from graphnet.core.describe import signatures
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import GraphnetError
from graphnet.core.operations import NO_OPERATIONS
from graphnet.core.phase import Phase
from graphnet_onnx.writing import (  # noqa: F401  # they register what they record
    composed_ufuncs,
    functions,
    indexing,
    own_layers,
    reductions,
    shapes,
    standard,
)
from graphnet_onnx.writing.array import TracedArray, lifted
from graphnet_onnx.writing.converters import METHOD, converter_of
from graphnet_onnx.writing.errors import ExportError
from graphnet_onnx.writing.scope import Scope, Untraceable
from graphnet_onnx.writing.sizes import Size
from graphnet_onnx.writing.stand_in import rules

#: Operators of one rule, at most; more come from a loop over rows, steps or units.
MOST = 5000


@dataclass(frozen=True)
class Use:
    """What a node of a graph calls a layer with.

    Attributes
    ----------
    path : str
        Of the node.
    layer : Layer
    arrays : mapping of str to array
        Weights, buffers and constants.
    inputs : sequence of (Shape, Shape) or None
        The shapes of the inputs at two choices of the free sizes.
    integer : sequence of bool
        Which inputs hold integers.
    outputs : sequence of (Shape, Shape)
    ragged : bool
        Whether the file knows the lengths of the rows of the first input.
    dtype : str
    """

    path: str
    layer: Layer
    arrays: Mapping[str, Array]
    inputs: Sequence[tuple[Shape, Shape] | None]
    integer: Sequence[bool]
    outputs: Sequence[tuple[Shape, Shape]]
    ragged: bool
    dtype: str


@dataclass(frozen=True)
class Recorded:
    """The operators of a layer.

    Attributes
    ----------
    nodes : list of NodeProto
    arrays : list of str
        The weights, buffers and constants that they read, by name; they follow the inputs.
    lengths : bool
        Whether they read the lengths of the rows; these come last.
    inputs, outputs : list of str
        Names inside the function.
    """

    nodes: list[Any]
    arrays: list[str]
    lengths: bool
    inputs: list[str]
    outputs: list[str]

    def function(self, domain: str, name: str, opset: int, **metadata: str) -> FunctionProto:
        """The function of these operators."""
        opsets = [helper.make_opsetid("", opset)]
        function: FunctionProto = helper.make_function(
            domain, name, self.inputs, self.outputs, self.nodes, opset_imports=opsets
        )
        helper.set_metadata_props(function, metadata)
        return function

    @property
    def key(self) -> bytes:
        """Equal for equal operators."""
        parts = [node.SerializeToString(deterministic=True) for node in self.nodes]
        return b"\0".join([*parts, ",".join(self.inputs).encode(), ",".join(self.outputs).encode()])


def record(use: Use) -> Recorded:
    """Return the operators of a layer, valid for all free sizes.

    Raises
    ------
    ExportError
        If its rule cannot be recorded, or depends on the number of rows or steps.
    """
    try:
        return _recorded(use, with_numpy=False)
    except ExportError as error:
        if converter_of(use.layer) is not None:
            raise
        with suppress(GraphnetError):
            return _recorded(use, with_numpy=True)
        raise error from error.__cause__


def _recorded(use: Use, *, with_numpy: bool) -> Recorded:
    first, second = (_Recording(use, variant, with_numpy=with_numpy).run() for variant in (0, 1))
    if first.key != second.key:
        raise _refused(use, "what it computes depends on the number of rows or steps, in a way that is not recorded")
    return first


def _refused(use: Use, why: str) -> ExportError:
    kind = type(use.layer)
    return ExportError(
        f"{kind.__name__} cannot be written as operators of ONNX: {why}",
        where=use.path,
        received=repr(use.layer)[:200],
        remedy=f"Write its rule with operations of numpy on whole arrays, or give the class a method {METHOD}; "
        "see docs/onnx.md.",
    )


class _Recording:
    """Records one use of a layer at one choice of the free sizes; perhaps with a stand-in for numpy."""

    def __init__(self, use: Use, variant: int, *, with_numpy: bool) -> None:
        self.use, self.variant, self.with_numpy = use, variant, with_numpy
        self.scope = Scope()
        self.names = self._input_names()

    def _input_names(self) -> list[str]:
        ports = list(self.use.layer.input_ports().names)
        count = len(self.use.inputs)
        return [*ports[:count], *(f"{ports[-1]}_{i}" for i in range(2, count - len(ports) + 2))]

    def run(self) -> Recorded:
        use = self.use
        given = [name for name, pair in zip(self.names, use.inputs, strict=True) if pair is not None]
        for name in (*given, *use.arrays, "lengths", *use.layer.output_ports()):
            self.scope.unique(name)
        inputs = [
            None if pair is None else self.argument(name, pair, np.int64 if whole else use.dtype)
            for name, pair, whole in zip(self.names, use.inputs, use.integer, strict=True)
        ]
        arrays = {n: TracedArray(self.scope, n, a.shape, a.dtype) for n, a in use.arrays.items()}
        try:
            outputs = self.called(inputs, arrays)
            names = self.outputs(outputs)
        except Untraceable as reason:
            raise _refused(use, str(reason)) from None
        except GraphnetError as error:
            raise error.at(use.path) from error.__cause__
        except Exception as error:  # a rule of a plugin may raise anything
            raise _refused(use, f"{type(error).__name__}: {error}") from error
        read = [name for name in use.arrays if name in self.scope.used]
        lengths = "lengths" in self.scope.used
        whole = [*given, *read, *(["lengths"] if lengths else [])]
        return Recorded(self.scope.nodes, read, lengths, whole, names)

    def argument(self, name: str, pair: tuple[Shape, Shape], dtype: Any) -> TracedArray:
        """An input: its free sizes are those that differ between the two choices."""
        sizes: list[int] = []
        for axis, (size, other) in enumerate(zip(pair[self.variant].sizes, pair[1 - self.variant].sizes, strict=True)):
            number = size or 0
            if size != other:
                number = Size(number, ("axis", name, axis))
                self.scope.known_sizes.setdefault(int(number), number)
            sizes.append(number)
        return TracedArray(self.scope, name, sizes, dtype)

    def called(self, inputs: list[TracedArray | None], arrays: dict[str, TracedArray]) -> list[Any]:
        """What the rule, or the converter, returns."""
        use, layer = self.use, self.use.layer
        context: dict[str, Any] = {"phase": Phase.test, "lengths": None, "operations": NO_OPERATIONS}
        context["shapes"] = tuple(
            None if array is None or pair is None else Shape(pair[self.variant].names, array.shape, pair[0].declared)
            for array, pair in zip(inputs, use.inputs, strict=True)
        )
        if use.ragged and inputs[0] is not None:
            context["lengths"] = TracedArray(self.scope, "lengths", inputs[0].shape[1:2], np.int64)
        available = {**dict.fromkeys(layer.draws), **context, **arrays}
        convert = converter_of(layer)
        with np.errstate(all="ignore"):
            result: Any = NotImplemented
            if convert is not None:
                result = convert(layer, *inputs, **signatures.keywords(convert).pick(available))
            if result is NotImplemented:
                called: Any = rules(layer, self.scope) if self.with_numpy else layer
                result, _ = called.apply(*inputs, **signatures.keywords(type(layer).apply).pick(available))
        if len(self.scope.nodes) > MOST:
            raise Untraceable(f"it has more than {MOST:,} operations; a loop over rows, steps or units may be why")
        return list(result) if len(use.outputs) > 1 else [result]

    def outputs(self, results: list[Any]) -> list[str]:
        """Give the results the names of the layer's outputs, after checking their shapes."""
        names = []
        for port, result, pair in zip(self.use.layer.output_ports(), results, self.use.outputs, strict=True):
            name = f"{port}_output" if port in self.names else port
            array = result if isinstance(result, TracedArray) else lifted(self.scope, np.asarray(result))
            wanted = tuple(size or 0 for size in pair[self.variant].sizes)
            if tuple(map(int, array.shape)) != wanted:
                raise Untraceable(f"it returns the shape {array.shape}, where infer says {wanted}")
            array = array.astype(self.use.dtype)
            self.scope.node("Identity", (array.name,), (name,))
            names.append(name)
        return names
