"""ONNX's backend interface: models and nodes run by graphnet's layers and the operators of this distribution.

The module itself has the functions that ONNX's tools expect::

    import graphnet_onnx.backend as backend

    outputs = backend.prepare(model).run([x])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from unittest import SkipTest

import numpy as np
import onnx
from onnx.backend.base import Backend, BackendRep, namedtupledict

from graphnet import ConfigError, DtypeError, FileError, GraphnetError, ShapeError, UnknownNameError
from graphnet.io.foreign import reading
from graphnet_onnx.operators.context import DEFAULT_DOMAINS
from graphnet_onnx.operators.evaluator import Evaluator, Settings
from graphnet_onnx.operators.functions import local_functions, opsets_of
from graphnet_onnx.operators.rows.node_layer import ChangedShapeError
from graphnet_onnx.operators.rows.program import Program
from graphnet_onnx.operators.signature import tensor_type_name, type_name

#: The combinations of types and shapes of inputs for which a model keeps a program.
MOST_PROGRAMS = 32


class UnsupportedModelError(UnknownNameError, SkipTest):
    """A model has an operator that is not supported; ONNX's test runner counts its test as skipped."""


class GraphnetRep(BackendRep):  # type: ignore[misc]
    """A model that is ready to run.

    Parameters
    ----------
    model : ModelProto

    Raises
    ------
    GraphnetError
        If the model is not valid, or has an operator that is not supported.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        settings = Settings(opsets_of(model.opset_import), local_functions(model))
        self.model = model
        with reading("prepare", "a valid ONNX model", what="the model"):
            self._evaluator = Evaluator.of_graph(model.graph, settings)
        constants = self._evaluator.constants
        #: The inputs that must be given, with their declared types.
        self.inputs = {value.name: value.type for value in model.graph.input if value.name not in constants}
        self.outputs = tuple(value.name for value in model.graph.output)
        self._programs: dict[Any, Program] = {}
        self._optional = {value.name: value.type for value in model.graph.input if value.name in constants}

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the outputs, by position and by name.

        Parameters
        ----------
        inputs : sequence or mapping of str to array
            One array for each input without an initializer, in the order of the model, or by name.

        Raises
        ------
        ConfigError
            If an input is missing, or there are too many; or for any further argument.
        DtypeError, ShapeError
            If an array has another type or shape than the model declares.
        GraphnetError
            If the model cannot be evaluated with these inputs.
        """
        if kwargs:
            raise ConfigError("unknown argument", where="run", expected="the inputs only", received=", ".join(kwargs))
        results = self._results(self._read(inputs))
        return namedtupledict("Outputs", self.outputs)(*results)  # type: ignore[no-any-return]

    def _results(self, values: dict[str, Any]) -> list[Any]:
        """The outputs, by the program for inputs of these types and shapes.

        The first time, the nodes are evaluated one by one, which gives the type and the shape of every value, and then
        run as graphs. If a shape turns out to depend on numbers, the nodes are evaluated one by one as well.
        """
        key = tuple((name, *_kind(value)) for name, value in values.items())
        program = self._programs.get(key)
        if program is None:
            known: dict[str, Any] = {}
            self._evaluator.run(values, known)
            program = self._programs[key] = Program(self._evaluator, values, known)
            while len(self._programs) > MOST_PROGRAMS:
                del self._programs[next(iter(self._programs))]
        try:
            with np.errstate(all="ignore"):  # infinity and NaN are results like others in ONNX
                return program.run(values)
        except ChangedShapeError:
            return self._evaluator.run(values)

    @property
    def programs(self) -> tuple[Program, ...]:
        """What has been built so far: one program for each combination of types and shapes of the inputs."""
        return tuple(self._programs.values())

    def _read(self, inputs: Any) -> dict[str, Any]:
        """The inputs by name, checked."""
        declared = {**self.inputs, **self._optional}
        if isinstance(inputs, np.ndarray) or not isinstance(inputs, (Mapping, Sequence)):
            inputs = [inputs]
        if isinstance(inputs, Mapping):
            named = dict(inputs)
        else:
            names = list(self.inputs if len(inputs) <= len(self.inputs) else declared)
            named = dict(zip(names, inputs, strict=False))
            if len(inputs) > len(names):
                raise ConfigError("too many inputs", where="run", expected=len(names), received=len(inputs))
        for name in named:
            if name not in declared:
                raise ConfigError("unknown input", where="run", expected=", ".join(declared), received=repr(name))
        for name, kind in self.inputs.items():
            if name not in named and not kind.HasField("optional_type"):
                raise ConfigError(f"input {name!r} is missing", where="run", expected=", ".join(self.inputs))
        return {name: _checked(name, value, declared[name]) for name, value in named.items()}


def _kind(value: Any) -> tuple[Any, ...]:
    """The type and shape of an input."""
    return (value.dtype, value.shape) if isinstance(value, np.ndarray) else (type(value), None)


def _checked(name: str, value: Any, kind: onnx.TypeProto) -> Any:
    """An input, which must have its declared type and, where these are declared, sizes."""
    if value is None or isinstance(value, (list, dict)) or not kind.HasField("tensor_type"):
        return value
    array, place = np.asarray(value), f"input {name!r}"
    tensor = kind.tensor_type
    expected = tensor_type_name(tensor.elem_type)
    if type_name(array.dtype) != expected and tensor.elem_type:
        raise DtypeError("wrong type", where=place, expected=expected, received=type_name(array.dtype),
                         remedy="Convert the array with astype.")  # fmt: skip
    if tensor.HasField("shape"):
        sizes = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
        fits = len(sizes) == array.ndim and all(n in (None, m) for n, m in zip(sizes, array.shape, strict=True))
        if not fits:
            raise ShapeError("wrong shape", where=place, expected=tuple(sizes), received=array.shape)
    return array


class GraphnetBackend(Backend):  # type: ignore[misc]
    """The backend; the functions of this module are its methods."""

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether models run on a device such as ``"CPU"`` or ``"CUDA:0"``: only the CPU."""
        return str(device).split(":")[0].upper() == "CPU"

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether :meth:`prepare` accepts a model."""
        try:
            cls.prepare(model, device, **kwargs)
        except GraphnetError:
            return False
        return True

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> GraphnetRep:
        """Check a model and make it ready to run.

        Parameters
        ----------
        model : ModelProto
            External data must have been loaded, as ``onnx.load`` does.
        device : str
            Only ``"CPU"``.

        Raises
        ------
        ConfigError
            For another device, or any further argument.
        FileError
            If the model is not valid.
        UnsupportedModelError
            If an operator is not supported; an UnknownNameError.
        """
        if not cls.supports_device(device):
            raise ConfigError("unknown device", where="prepare", expected="CPU", received=device)
        if kwargs:
            raise ConfigError("unknown argument", where="prepare", expected="model, device", received=", ".join(kwargs))
        if not isinstance(model, onnx.ModelProto):
            raise ConfigError("not a model", where="prepare", expected="a ModelProto", received=type(model).__name__,
                              remedy="Read a file with onnx.load(path).")  # fmt: skip
        try:
            onnx.checker.check_model(model)
        except Exception as error:  # the checker documents no list of what it raises
            raise FileError(f"the model is not valid: {' '.join(str(error).split())}", where="prepare") from None
        try:
            return GraphnetRep(model)
        except UnknownNameError as error:
            raise _unsupported(error) from None

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        """Return the outputs of a model; see :meth:`prepare` and :meth:`GraphnetRep.run`."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls, node: onnx.NodeProto, inputs: Any, device: str = "CPU", outputs_info: Any = None, **kwargs: Any
    ) -> tuple[Any, ...]:
        """Return the outputs of one node.

        Parameters
        ----------
        node : NodeProto
        inputs : sequence or mapping of str to array
            One array for each input that has a name.
        outputs_info : optional
            Types and shapes of the outputs; they follow from the node, so this is not used.
        opset_version : int, keyword only
            The opset of the node's domain; the newest of the installed onnx by default.

        Raises
        ------
        As prepare and run.
        """
        domain = "" if node.domain in DEFAULT_DOMAINS else node.domain
        newest = onnx.defs.onnx_opset_version() if not domain else _newest(domain)
        version = kwargs.pop("opset_version", newest)
        names = [name for name in dict.fromkeys(node.input) if name]
        arrays = inputs if isinstance(inputs, Mapping) else dict(zip(names, inputs, strict=False))
        values = [_value_info(name, arrays.get(name)) for name in names]
        results = [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name]
        graph = onnx.helper.make_graph([node], "node", values, results)
        imports = [onnx.helper.make_opsetid(domain, version)]
        model = onnx.helper.make_model(graph, opset_imports=imports)
        del outputs_info
        if not cls.supports_device(device):
            raise ConfigError("unknown device", where="run_node", expected="CPU", received=device)
        return GraphnetRep(model).run(dict(arrays), **kwargs)


def _unsupported(error: UnknownNameError) -> UnsupportedModelError:
    parts = {name: getattr(error, name) for name in ("where", "expected", "received", "remedy", "subject")}
    return UnsupportedModelError(error.problem, **parts)


def _newest(domain: str) -> int:
    return max((s.since_version for s in onnx.defs.get_all_schemas_with_history() if s.domain == domain), default=1)


def _value_info(name: str, value: Any) -> onnx.ValueInfoProto:
    if not isinstance(value, (np.ndarray, np.generic)):
        return onnx.helper.make_empty_tensor_value_info(name)
    code = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
    return onnx.helper.make_tensor_value_info(name, code, value.shape)


prepare = GraphnetBackend.prepare
run_model = GraphnetBackend.run_model
run_node = GraphnetBackend.run_node
supports_device = GraphnetBackend.supports_device
is_compatible = GraphnetBackend.is_compatible

__all__ = [
    "GraphnetBackend",
    "GraphnetRep",
    "UnsupportedModelError",
    "is_compatible",
    "prepare",
    "run_model",
    "run_node",
    "supports_device",
]
