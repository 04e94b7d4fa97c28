"""The arrays that a layer keeps: weights with their gradients and optimizers, and buffers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np

from graphnet.core import dtypes
from graphnet.core.concurrency import locks
from graphnet.core.describe.optimizer_step import copied
from graphnet.core.describe.parameter import Array, Buffer, Parameter, Weight
from graphnet.core.describe.starting_weights import fresh, initial
from graphnet.core.errors import ConfigError, GraphnetError, ShapeError


@contextmanager
def allocating(where: str, shapes: Mapping[str, tuple[int, ...]], dtype: str) -> Iterator[None]:
    """Turn a failure to allocate arrays of these shapes into a ConfigError with the bytes that they need.

    numpy raises MemoryError, or, for sizes that no address space has, ValueError or OverflowError.
    """
    try:
        yield
    except (MemoryError, ValueError, OverflowError) as error:
        total = sum(math.prod(shape) for shape in shapes.values()) * np.dtype(dtype).itemsize
        if isinstance(error, GraphnetError) or (not isinstance(error, MemoryError) and total < 2**40):
            raise
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        problem = f"the weights do not fit into memory: {total:,} bytes for {listed}"
        raise ConfigError(problem, where=where, remedy="Choose smaller sizes.") from error


class Store:
    """The weights and buffers of one layer.

    Attributes
    ----------
    params : mapping of name to Parameter
        Read-only, as ``buffers``. Both are replaced, never changed, because another thread may be reading them.
    buffers : mapping of name to array
    optimizer : object or None
        What ``set_optimizer`` gave to the layer.
    initializers : tuple of two initializers, or None
        Those that ``initialize`` was called with last: for weights and for biases.
    """

    def __init__(self) -> None:
        self.params: Mapping[str, Parameter] = MappingProxyType({})
        self.buffers: Mapping[str, Array] = MappingProxyType({})
        self.optimizer: Any = None
        self.initializers: tuple[Any, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "params": dict(self.params), "buffers": dict(self.buffers)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.replace_params(state["params"])
        self.replace_buffers(state["buffers"])

    def replace_params(self, params: Mapping[str, Parameter]) -> None:
        """Hold these parameters in place of the present ones."""
        self.params = MappingProxyType(dict(params))

    def replace_buffers(self, arrays: Mapping[str, Array]) -> None:
        """Hold these arrays in place of the present buffers; they are neither checked nor copied."""
        self.buffers = MappingProxyType(dict(arrays))

    def create(self, specs: Mapping[str, Weight], buffers: Mapping[str, Buffer], dtype: str, where: str) -> None:
        """Create the weights and buffers that are described, or check that existing ones have their shapes.

        Threads that need the same weights at the same time create them once.

        Raises
        ------
        ShapeError
            If there are weights for inputs of another size.
        """
        with locks.building:
            self._check_shapes(specs, where)
            absent = {name: buffer for name, buffer in buffers.items() if name not in self.buffers}
            if absent:
                with allocating(where, {name: buffer.shape for name, buffer in absent.items()}, dtype):
                    created = {name: np.full(buffer.shape, buffer.value, dtype) for name, buffer in absent.items()}
                self.replace_buffers({**self.buffers, **created})
            missing = {name: spec for name, spec in specs.items() if name not in self.params}
            if missing:
                with allocating(where, {name: spec.shape for name, spec in missing.items()}, dtype):
                    drawn = {name: Parameter(name, spec, fresh(spec, dtype)) for name, spec in missing.items()}
                self.replace_params({**self.params, **drawn})
                if self.initializers is not None:
                    self.put_initial(self.initial(*self.initializers, dtype, where), *self.initializers)
                self.use_optimizer(self.optimizer)

    def holds(self, specs: Mapping[str, Weight], buffers: Mapping[str, Buffer]) -> bool:
        """Whether the weights and buffers that are described exist, the weights with their shapes."""
        params = self.params
        for name, spec in specs.items():
            parameter = params.get(name)
            if parameter is None or parameter.value.shape != spec.shape:
                return False
        return all(name in self.buffers for name in buffers)

    def _check_shapes(self, specs: Mapping[str, Weight], where: str) -> None:
        for name, spec in specs.items():
            parameter = self.params.get(name)
            if parameter is not None and parameter.value.shape != spec.shape:
                raise ShapeError(
                    f"{name} was created for inputs of another size",
                    where=where,
                    expected=f"an input for {name} of shape {parameter.value.shape}",
                    received=f"one for {spec.shape}",
                    remedy="A layer that is used in two places needs inputs of the same size there.",
                )

    def initial(self, weights_initializer: Any, bias_initializer: Any, dtype: str, where: str) -> dict[str, Array]:
        """Return initial values for all weights, by name."""
        with allocating(where, {name: parameter.spec.shape for name, parameter in self.params.items()}, dtype):
            return {
                name: dtypes.converted(
                    initial(parameter.spec, weights_initializer, bias_initializer, where), dtype, f"{where}, {name}"
                )
                for name, parameter in self.params.items()
            }

    def put_initial(self, values: Mapping[str, Array], weights_initializer: Any, bias_initializer: Any) -> None:
        """Put initial values in place; weights that are created later are filled by the same initializers."""
        self.initializers = (weights_initializer, bias_initializer)
        for name, value in values.items():
            self.params[name].value = value

    def use_optimizer(self, optimizer: Any) -> None:
        """Give ``optimizer`` itself to the first weight array, and copies to the others; biases are not regularized."""
        self.optimizer = optimizer
        for i, parameter in enumerate(self.params.values()):
            parameter.optimizer = optimizer if i == 0 else copied(optimizer)
            if parameter.spec.kind == "bias" and getattr(parameter.optimizer, "regularizer", None) is not None:
                parameter.optimizer.regularizer = None
