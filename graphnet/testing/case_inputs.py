"""The inputs that a case describes: their names, shapes and fixed values, and random values for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.graph import subgraph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.testing.buffers import Arrays
from graphnet.testing.case import Case
from graphnet.testing.failures import fault

SEED = 20_260


def free_axes(shape: Shape) -> Shape:
    """Return the shape without the sizes of batch and time; axes of length 1 keep theirs, since they broadcast."""
    for axis in (BATCH, TIME):
        if shape.has(axis) and shape.size(axis) != 1:
            shape = shape.resized(axis, None)
    return shape


class CaseInputs:
    """The inputs of a case.

    Attributes
    ----------
    shapes : dict of str to Shape
        Every input of the case by name, in the order of the layer's inputs.
    fixed : dict of str to array
        The inputs whose values the case gives.
    integer : set of str
        The inputs that hold integers.
    optional : list of str
        The inputs that may be left out.
    domain : (float, float) or None
        The interval from which values are drawn; None for the standard normal distribution.
    """

    def __init__(self, case: Case, layer: Layer) -> None:
        self.ports = layer.input_ports()
        self.fixed: Arrays = {}
        self.shapes = self._shapes(case, layer)
        self.names = tuple(self.shapes)
        positions = layer.integer_inputs
        self.integer = {name for i, name in enumerate(self.names) if i in positions}
        self.optional = [name for name in self.names if name in self.ports.optional]
        self.domain: tuple[float, float] | None = case.domain

    def _shapes(self, case: Case, layer: Layer) -> dict[str, Shape]:
        names = list(self.ports.names)
        if self.ports.variadic:
            count = max((key for key in case.input_specs if isinstance(key, int)), default=0) + 1
            names += [f"{names[-1]}_{i}" for i in range(2, count - len(names) + 2)]
        shapes = {}
        for key, spec in case.input_specs.items():
            name = _resolve(case, key, names)
            if isinstance(spec, Shape):
                shapes[name] = spec
            else:
                shapes[name], self.fixed[name] = Shape.of(spec.shape), np.array(spec)
        missing = [name for name in names if name not in shapes and name not in self.ports.optional]
        if missing and not self.ports.variadic:
            raise fault("the case gives too few inputs", where=case, expected=", ".join(names), received=missing[0])
        shapes = {**self._state_shapes(layer, shapes), **shapes}
        return {name: shapes[name] for name in names if name in shapes}

    def _state_shapes(self, layer: Layer, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
        """Return the shapes of optional inputs that the layer's own graph declares, such as initial states."""
        inner = subgraph(layer)
        batch = _size(shapes, BATCH)
        if inner is None or batch is None:
            return {}
        declared = {name: inner.inputs[name].shape for name in self.ports.optional if name in inner.inputs}
        sized = {n: shape.resized(BATCH, batch) for n, shape in declared.items() if shape and shape.has(BATCH)}
        return {name: shape for name, shape in sized.items() if shape.known}

    @property
    def sequences(self) -> list[str]:
        """The inputs with axes (time, batch, …)."""
        return [name for name, shape in self.shapes.items() if shape.names[:2] == (TIME, BATCH)]

    @property
    def batch(self) -> int | None:
        """The number of rows; None if no axis is the batch."""
        return _size(self.shapes, BATCH)

    @property
    def steps(self) -> int | None:
        """The number of time steps; None if no axis is time."""
        return _size(self.shapes, TIME)

    def sized(self, rows: int | None = None, steps: int | None = None) -> dict[str, Shape]:
        """Return the inputs' shapes with another number of rows or steps."""
        resized = {}
        for name, shape in self.shapes.items():
            for axis, size, base in ((BATCH, rows, self.batch), (TIME, steps, self.steps)):
                if size is not None and shape.has(axis) and shape.size(axis) == base:
                    shape = shape.resized(axis, size)
            resized[name] = shape
        return resized

    def values(
        self,
        seed: int = 0,
        *,
        rows: int | None = None,
        steps: int | None = None,
        scale: float = 1.0,
        dtype: str = "float64",
        without: Iterable[str] = (),
        shapes: Mapping[str, Shape] | None = None,
    ) -> Arrays:
        """Return values for the inputs, of other shapes if given; the same ones for the same arguments."""
        rng = np.random.default_rng([seed, SEED])
        values = {}
        for name, shape in (shapes or self.sized(rows, steps)).items():
            array = self._draw(name, shape, rng, scale)
            if name not in without:
                values[name] = array if name in self.integer else array.astype(dtype)
        return values

    def _draw(self, name: str, shape: Shape, rng: np.random.Generator, scale: float) -> np.ndarray:
        sizes = tuple(size or 1 for size in shape.sizes)
        if name in self.fixed:
            return np.resize(self.fixed[name], sizes) if self.fixed[name].shape != sizes else self.fixed[name].copy()
        if name in self.integer:
            return rng.integers(0, 2, sizes)
        if self.domain is None:
            return scale * rng.standard_normal(sizes)
        low, high = self.domain
        return rng.uniform(low, high, sizes)


def _size(shapes: Mapping[str, Shape], axis: str) -> int | None:
    return next((shape.size(axis) for shape in shapes.values() if shape.has(axis)), None)


def _resolve(case: Case, key: int | str, names: list[str]) -> str:
    """Return the name of an input that a case gives by position or by name."""
    if isinstance(key, int) and key < len(names):
        return names[key]
    if key in names:
        return str(key)
    raise fault("the case gives an unknown input", where=case, expected=", ".join(names), received=key)
