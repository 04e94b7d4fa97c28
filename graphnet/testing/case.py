"""The description of one layer to test: its class, a configuration, and the inputs to run it with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnet.core.checks import is_integer
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ConfigError, GraphnetError
from graphnet.testing.capabilities import validate_capabilities

#: The specification of one input: ``"batch=3, feature=4"``, ``(3, 4)`` or an array of values.
InputSpec = str | tuple[int, ...] | np.ndarray


@dataclass(frozen=True, eq=False)
class Case:
    """One configuration of one layer, with inputs that it must accept.

    Parameters
    ----------
    layer : subclass of Layer
    config : mapping of str to object
        The constructor's arguments by name.
    inputs : str, tuple of int or array; a list of these; or a mapping of input name to one
        The inputs, in order or by name. A string gives named axes with their sizes
        (``"time=5, batch=3, feature=4"``). A tuple gives sizes; its axes are named by rank, batch first. An array
        gives the values themselves. Optional inputs may be left out; the checks then run with and without those whose
        sizes are known. Choose sizes that all differ, so that a transposition changes the shape.
    domain : (float, float), optional
        The interval on which the layer is defined, ends included; random values are drawn from it. By default values
        are standard normal. If the output is not finite for those, but for all positive numbers or for all between 0
        and 1, and the layer's name or docstring says so ("logarithm", "x > 0"), they are drawn from there, and the
        summary says so.
    reference : callable, optional
        An independent implementation, ``reference(*inputs, **weights) -> output`` (a tuple for several outputs). A
        weight is passed by its name; in a composite where several have that name, by its path below the layer, joined
        by underscores (``scan_forget_weights``).
    refused : sequence of mappings
        Configurations for which the constructor must raise ConfigError.
    claims, disclaims : collection of str
        Capabilities to add to, or remove from, the detected ones; see :mod:`graphnet.testing.capabilities`. A claimed
        capability whose checks are all skipped is a failure.
    name : str, optional
        The name in reports; the layer's repr by default.

    Raises
    ------
    ConfigError
        If an argument does not have one of these forms.

    Examples
    --------
    >>> from graphnet import FullyConnected
    >>> Case(FullyConnected, {"input_size": 4, "output_size": 3}, "batch=2, feature=4")
    Case(FullyConnected(input_size=4, output_size=3))
    """

    layer: type[Layer]
    config: Mapping[str, Any] = field(default_factory=dict)
    inputs: InputSpec | Sequence[InputSpec] | Mapping[str, InputSpec] = "batch=3, feature=4"
    domain: tuple[float, float] | None = field(default=None, kw_only=True)
    reference: Callable[..., Any] | None = field(default=None, kw_only=True)
    refused: Sequence[Mapping[str, Any]] = field(default=(), kw_only=True)
    claims: Collection[str] = field(default=(), kw_only=True)
    disclaims: Collection[str] = field(default=(), kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        place = f"Case of {getattr(self.layer, '__name__', self.layer)!s}"
        if not (isinstance(self.layer, type) and issubclass(self.layer, Layer)):
            raise ConfigError("not a layer", where="Case", expected="a subclass of Layer", received=repr(self.layer))
        validate_capabilities(self.claims, f"{place}.claims")
        validate_capabilities(self.disclaims, f"{place}.disclaims")
        both = sorted(set(self.claims) & set(self.disclaims))
        if both:
            raise ConfigError(
                "capability both claimed and disclaimed", where=place, expected="at most one", received=both[0]
            )
        object.__setattr__(self, "input_specs", _parse_inputs(self.inputs, place))

    @property
    def label(self) -> str:
        """The name in reports."""
        if self.name is not None:
            return self.name
        return f"{self.layer.__name__}({', '.join(f'{key}={value!r}' for key, value in self.config.items())})"

    def __repr__(self) -> str:
        return f"Case({self.label})"

    #: The inputs as shapes or arrays, by position or by name.
    input_specs: dict[int | str, Shape | np.ndarray] = field(init=False, repr=False)


def _parse_inputs(inputs: Any, place: str) -> dict[int | str, Shape | np.ndarray]:
    """Return the inputs as shapes or arrays, by position or by name."""
    if isinstance(inputs, Mapping):
        return {str(name): _parse_input(spec, f"{place}, input {name!r}") for name, spec in inputs.items()}
    several = isinstance(inputs, list) or (isinstance(inputs, tuple) and not all(is_integer(size) for size in inputs))
    specs = list(inputs) if several else [inputs]
    if not specs:
        raise ConfigError("no inputs", where=place, expected="at least one", received=repr(inputs))
    return {i: _parse_input(spec, f"{place}, input {i}") for i, spec in enumerate(specs)}


def _parse_input(spec: Any, place: str) -> Shape | np.ndarray:
    if isinstance(spec, np.ndarray):
        return spec
    try:
        shape = Shape.parse(spec) if isinstance(spec, str) else Shape.of(tuple(spec))
    except (GraphnetError, TypeError) as error:
        raise ConfigError(
            "invalid input specification",
            where=place,
            expected="a string such as 'batch=3, feature=4', a tuple of sizes, or an array",
            received=repr(spec),
        ) from error
    if not shape.rank or not all(is_integer(size, 1) for size in shape.sizes):
        raise ConfigError("every axis needs a size", where=place, expected="positive integers", received=str(shape))
    return shape
