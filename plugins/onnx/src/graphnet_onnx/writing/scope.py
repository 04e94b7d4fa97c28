"""The nodes of one ONNX graph or function while it is being written: operators, constants and names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper

from graphnet_onnx.writing.sizes import Size, free


class Untraceable(Exception):
    """A rule of a layer cannot be recorded; the message says why."""


class Scope:
    """Nodes in order, with names for what they compute.

    Parameters
    ----------
    prefix : str
        Of the names of values; names are unique in a file, including those inside Scans.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.nodes: list[NodeProto] = []
        self.used: set[str] = set()
        self._counts: dict[str, int] = {}
        self._constants: dict[tuple[Any, ...], str] = {}
        self._sizes: dict[tuple[Any, ...], str] = {}
        #: The free sizes among the arguments, by number, for numbers that have lost their expression.
        self.known_sizes: dict[int, Size] = {}

    def unique(self, hint: str) -> str:
        """A name that no value of the scope has."""
        count = self._counts[hint] = self._counts.get(hint, 0) + 1
        return f"{self.prefix}{hint}" if count == 1 else f"{self.prefix}{hint}_{count}"

    # ------------------------------------------------------------------ nodes
    def node(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], *, domain: str = "", name: str = "",
        **attributes: Any,
    ) -> NodeProto:  # fmt: skip
        """Append a node with named outputs."""
        given = {key: value for key, value in attributes.items() if value is not None}
        node: NodeProto = helper.make_node(operator, inputs, outputs, name=name, domain=domain, **given)
        self.nodes.append(node)
        self.used.update(inputs)
        return node

    def several(self, operator: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        """Append a node with ``count`` outputs; their names."""
        outputs = [self.unique(operator.lower()) for _ in range(count)]
        self.node(operator, inputs, outputs, **attributes)
        return outputs

    def op(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node with one output; its name."""
        return self.several(operator, inputs, 1, **attributes)[0]

    def constant(self, array: Any, dtype: Any = None) -> str:
        """The name of an array that the file contains."""
        values = np.array(array, dtype)
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._constants:
            name = self._constants[key] = self.unique("constant")
            self.node("Constant", (), (name,), value=numpy_helper.from_array(values))
        return self._constants[key]

    def cast(self, value: str, dtype: Any) -> str:
        """A value in another dtype."""
        return self.op("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    # ------------------------------------------------------------------ sizes
    def size(self, size: int) -> str:
        """The name of an int64 vector with one element, a size."""
        if not free(size):
            return self.constant([int(size)], np.int64)
        assert isinstance(size, Size)
        key = _key(size)
        if key not in self._sizes:
            operator, a, b = size.expression
            if operator == "axis":
                name = self.op("Shape", a, start=b, end=b + 1)
            else:
                name = self.op(operator, self.size(a), self.size(b))
            self._sizes[key] = name
        return self._sizes[key]

    def shape(self, sizes: Sequence[int]) -> str:
        """The name of an int64 vector of sizes."""
        if not any(map(free, sizes)):
            return self.constant([int(size) for size in sizes], np.int64)
        parts: list[str] = []
        fixed: list[int] = []
        for size in sizes:
            if not free(size):
                fixed.append(int(size))
                continue
            parts += [self.constant(fixed, np.int64)] * bool(fixed)
            parts.append(self.size(size))
            fixed = []
        parts += [self.constant(fixed, np.int64)] * bool(fixed)
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=0)

    def recognized(self, size: Any) -> int:
        """A size with its expression, if it is the number of a free axis."""
        if free(size) or isinstance(size, bool):
            return size  # type: ignore[no-any-return]
        return self.known_sizes.get(int(size), int(size))


def _key(size: Any) -> tuple[Any, ...]:
    """A key that is equal for equal expressions."""
    if not free(size):
        return ("number", int(size))
    operator, a, b = size.expression
    return (operator, a, b) if operator == "axis" else (operator, _key(a), _key(b))
