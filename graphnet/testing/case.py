"""What an author tells the kit about one layer: how to make it, and what to feed it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ConfigError, GraphnetError
from graphnet.testing.capabilities import CAPABILITIES, checked

#: What may stand for one input: ``"batch=3, feature=4"``, ``(3, 4)`` or an array of values.
Given = str | tuple[int, ...] | np.ndarray


@dataclass(frozen=True, eq=False)
class Case:
    """One configuration of one layer, and inputs that it must take.

    Parameters
    ----------
    layer : subclass of Layer
    config : mapping of str to object
        The constructor's arguments by name.
    inputs : str, tuple of int or array; a list of these; or a mapping of input name to one
        The sizes of the inputs, in order or by name. Text names the axes (``"time=5, batch=3, feature=4"``); a tuple
        has the axes usual for its rank, batch first. An array gives the values themselves. Inputs that may be left out
        may be
        left out here as well; the checks then run with and without those whose sizes they know. Make no two sizes
        equal: a transposition shows itself then.
    domain : (float, float), optional
        Where the layer is defined; random values are drawn between the two. None: drawn from the standard normal
        distribution, or, if the output is not finite there, between 0.5 and 2.
    reference : callable, optional
        ``reference(*inputs, **weights) -> output`` (a tuple for several), written differently from the layer.
    refused : sequence of mappings
        Configurations that the layer must refuse with ConfigError.
    claims, disclaims : collection of str
        Capabilities to add to, or to take from, those that the layer is seen to have; see
        :mod:`graphnet.testing.capabilities`. Checks of a claimed capability must run.
    name : str, optional
        How reports call it; the layer's repr unless given.

    Raises
    ------
    ConfigError
        If something is not of these forms.

    Examples
    --------
    >>> from graphnet import FullyConnected
    >>> Case(FullyConnected, {"input_size": 4, "output_size": 3}, "batch=2, feature=4")
    Case(FullyConnected(input_size=4, output_size=3))
    """

    layer: type[Layer]
    config: Mapping[str, Any] = field(default_factory=dict)
    inputs: Given | Sequence[Given] | Mapping[str, Given] = "batch=3, feature=4"
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
        checked(self.claims, f"{place}.claims")
        checked(self.disclaims, f"{place}.disclaims")
        both = sorted(set(self.claims) & set(self.disclaims))
        if both:
            raise ConfigError("claimed and disclaimed", where=place, expected=", ".join(CAPABILITIES), received=both[0])
        object.__setattr__(self, "given", _given(self.inputs, place))

    @property
    def label(self) -> str:
        """How reports call it."""
        if self.name is not None:
            return self.name
        return f"{self.layer.__name__}({', '.join(f'{key}={value!r}' for key, value in self.config.items())})"

    def __repr__(self) -> str:
        return f"Case({self.label})"

    #: The inputs as shapes or arrays, by position or by name.
    given: dict[int | str, Shape | np.ndarray] = field(init=False, repr=False)


def _given(inputs: Any, place: str) -> dict[int | str, Shape | np.ndarray]:
    """The inputs as shapes or arrays."""
    if isinstance(inputs, Mapping):
        return {str(name): _one(value, f"{place}, input {name!r}") for name, value in inputs.items()}
    several = isinstance(inputs, list) or (
        isinstance(inputs, tuple) and not all(isinstance(size, (int, np.integer)) for size in inputs)
    )
    each = list(inputs) if several else [inputs]
    if not each:
        raise ConfigError("no inputs", where=place, expected="at least one", received=repr(inputs))
    return {i: _one(value, f"{place}, input {i}") for i, value in enumerate(each)}


def _one(value: Any, place: str) -> Shape | np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    try:
        shape = Shape.parse(value) if isinstance(value, str) else Shape.of(tuple(value))
    except (GraphnetError, TypeError) as error:
        raise ConfigError(
            "not the sizes of an input",
            where=place,
            expected="text such as 'batch=3, feature=4', a tuple of sizes, or an array",
            received=repr(value),
        ) from error
    if not shape.rank or any(not isinstance(size, (int, np.integer)) or size < 1 for size in shape.sizes):
        raise ConfigError("every axis needs a size", where=place, expected="whole numbers from 1", received=str(shape))
    return shape
