"""What all parts of one ONNX file share: options, functions, and arrays that are stored once."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import FunctionProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import Shape
from graphnet.core.distribution import NAME
from graphnet.core.errors import PluginError
from graphnet.plugins import manager
from graphnet_onnx.writing.opset import OPSET
from graphnet_onnx.writing.recording import Recorded, Use, record
from graphnet_onnx.writing.scope import Scope

#: The domain of the functions of graphnet's own layers; those of a plugin have the name of its distribution.
CORE = "graphnet"


@dataclass
class OnnxFile:
    """A file that is being written.

    Attributes
    ----------
    layers : mapping of str to Layer
        By the path of the first node that uses it.
    arrays : mapping of str to mapping
        Of each layer, in the dtype of the file.
    dtype : str
    recurrent : str
        ``"scan"`` or ``"operator"``.
    operators : set of str
        LSTM, GRU and RNN, if the file has them.
    names : mapping of int to str
        The name of a free axis, by the number with which shapes were inferred.
    """

    layers: Mapping[str, Layer]
    arrays: Mapping[str, Mapping[str, Array]]
    dtype: str
    recurrent: str
    names: Mapping[int, str]
    operators: set[str] = field(default_factory=set)
    scope: Scope = field(default_factory=lambda: Scope("graph:"))
    initializers: dict[str, TensorProto] = field(default_factory=dict)
    functions: dict[tuple[str, str], FunctionProto] = field(default_factory=dict)
    _known: dict[tuple[Any, ...], str] = field(default_factory=dict)

    @property
    def zero(self) -> Any:
        """Zero, in the dtype of the file."""
        return np.dtype(self.dtype).type(0)

    # ------------------------------------------------------------------ arrays
    def array(self, path: str, name: str) -> str:
        """The name of an array of a layer, stored once however many nodes use it."""
        full = f"{path}/{name}"
        return self.initializer(full, self.arrays[path][name])

    def initializer(self, name: str, array: Array) -> str:
        """Store an array under a name."""
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def value_info(self, name: str, pair: tuple[Shape, Shape], dtype: Any = None) -> ValueInfoProto:
        """The type and the shape of a value; free axes have names."""
        return self.typed(name, self.dimensions(pair), dtype)

    def typed(self, name: str, dimensions: list[Any], dtype: Any = None) -> ValueInfoProto:
        """The type of a value whose dimensions are numbers and names."""
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype or self.dtype))
        info: ValueInfoProto = helper.make_tensor_value_info(name, kind, dimensions)
        return info

    def dimensions(self, pair: tuple[Shape, Shape]) -> list[Any]:
        """Sizes, and the names of free axes; None for one that follows from others."""
        sizes = zip(pair[0].sizes, pair[1].sizes, strict=True)
        return [int(a or 0) if a == b else self.names.get(int(a or 0)) for a, b in sizes]

    # ------------------------------------------------------------------ functions
    def call(self, use: Use, inputs: list[str], owner: str, lengths: str | None, outputs: list[str]) -> NodeProto:
        """A node that calls the function of a layer; ``inputs`` are those that are connected."""
        recorded = record(use)
        domain, kind, version = identity(use.layer)
        summary = (inspect.getdoc(type(use.layer)) or "").partition("\n")[0]
        name = self.function(recorded, domain, kind, version, summary)
        arrays = [self.array(owner, array) for array in recorded.arrays]
        node: NodeProto = helper.make_node(
            name, [*inputs, *arrays, *([lengths or ""] if recorded.lengths else [])], outputs, name=use.path,
            domain=domain,
        )  # fmt: skip
        helper.set_metadata_props(node, {"graphnet.layer": kind, "graphnet.config": config_text(use.layer)})
        return node

    def function(self, recorded: Recorded, domain: str, kind: str, version: str, summary: str) -> str:
        """The name of a function with these operators; those of equal layers are one function."""
        key = (domain, kind, recorded.key)
        if key not in self._known:
            name, count = kind, 1
            while (domain, name) in self.functions:
                count += 1
                name = f"{kind}_{count}"
            self._known[key] = name
            metadata = {"graphnet.layer": f"{domain}/{kind}", "graphnet.version": version}
            function = self.functions[domain, name] = recorded.function(domain, name, OPSET, **metadata)
            function.doc_string = summary
        return self._known[key]


def identity(layer: Layer) -> tuple[str, str, str]:
    """The distribution, the name and the version of a layer's class; ``local`` for one that is not registered."""
    try:
        entry = manager().registry.entry_of(type(layer))
    except PluginError:
        return "local", type(layer).__name__, ""
    return CORE if entry.distribution == NAME else entry.distribution, entry.name, entry.version


def config_text(layer: Layer) -> str:
    """The configuration of a layer as JSON; objects as their ``repr``."""
    return json.dumps(layer.config(), default=repr)
