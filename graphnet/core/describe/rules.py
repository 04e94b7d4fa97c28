"""The pure rules of a layer: what its author writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np

from graphnet.core.describe import signatures
from graphnet.core.describe.parameter import Array, Buffer, Weight
from graphnet.core.describe.protocols import NestedGraph
from graphnet.core.describe.shapes import Shape
from graphnet.core.describe.signatures import Ports
from graphnet.core.errors import RuleError

_Result = TypeVar("_Result")


def rule(method: Callable[..., _Result]) -> Callable[..., _Result]:
    """Return ``method`` itself; for type checkers, an override may name its own parameters: ``infer(self, x)``."""
    return method


class Rules:
    """The rules of a layer, each with its default; :class:`~graphnet.core.describe.layer.Layer` says how to write them.

    The rules are pure: they keep nothing in ``self`` and never write to their arguments.
    """

    #: Traits describe layers that the compiler cannot trace; the conformance kit checks them.
    elementwise: ClassVar[bool] = False
    rowwise: ClassVar[bool] = False
    #: Names of buffers that a weights file may lack, because earlier versions did not have them.
    optional_buffers: ClassVar[tuple[str, ...]] = ()
    #: Positions of inputs that hold integers (token ids), which are not converted.
    integer_inputs: ClassVar[tuple[int, ...]] = ()

    #: The name of the ufunc of numpy that the layer computes: ``np.tanh(value)`` adds a node of a layer that has it.
    ufunc: ClassVar[str | None] = None

    # ------------------------------------------------------------------ the pure rules
    @rule
    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        """The weights by name; called with the inputs' shapes, or with none if the configuration determines the sizes.

        Return an empty dictionary for no weights; raise ShapeError when a size is not known yet.
        """
        return {}

    @rule
    def buffers(self, *inputs: Shape) -> dict[str, Buffer]:
        """The untrained arrays by name, such as running statistics; see ``update``."""
        return {}

    @rule
    def constants(self) -> dict[str, Array]:
        """Arrays that the configuration determines, by name; ``apply``, ``pull`` and ``grad`` may ask for them.

        A rule that uses an array of another kind, which is not an argument, runs uncompiled.
        """
        return {}

    @rule
    def infer(self, *inputs: Shape) -> Shape | tuple[Shape, ...]:
        """The output's shape (a tuple of shapes for several outputs) from the inputs'; touches no array."""
        return inputs[0]

    @rule
    def draw(self, rng: np.random.Generator, *inputs: Shape) -> dict[str, Array]:
        """The random arrays of one train-phase ``apply``, by name; in the test phase ``apply`` gets None for each.

        Declare the names in ``draws``.
        """
        return {}

    #: Names of the arrays that ``draw`` makes.
    draws: ClassVar[tuple[str, ...]] = ()

    @rule
    def apply(self, *inputs: Any, **weights: Any) -> tuple[Any, Any]:
        """``(output, saved)``: the output (a tuple for several) and the values that ``pull`` and ``grad`` need."""
        raise missing_rule(self, "apply(self, x)", "It returns (output, saved).")

    @rule
    def pull(self, saved: Any, error: Any, **weights: Any) -> Any:
        """The error for the input (for several inputs a tuple), linear in ``error``; None: no error."""
        raise missing_rule(self, "pull(self, saved, error)", "It returns the error for the input.")

    @rule
    def grad(self, saved: Any, error: Any, **weights: Any) -> dict[str, Any]:
        """The gradient of each weight by name, summed over the rows, such as ``x.T @ error`` and ``error.sum(0)``."""
        raise missing_rule(self, "grad(self, saved, error)", "It returns the gradient of each weight by name.")

    @rule
    def update(self, saved: Any, **buffers: Any) -> dict[str, Any]:
        """The buffers' new values after one train-phase ``apply``."""
        return {}

    # ------------------------------------------------------------------ ports
    def input_ports(self) -> Ports:
        """The inputs by name, in order; read from ``apply``'s positional parameters."""
        return signatures.ports(type(self).apply)

    def output_ports(self) -> tuple[str, ...]:
        """The outputs by name, in order."""
        return ("output",)

    @property
    def subgraph(self) -> NestedGraph | None:
        """The graph inside: that of a composite layer, the cell of a Scan; None for a primitive layer."""
        return None

    @property
    def declares_weights(self) -> bool:
        """Whether the class has a rule for weights (``parameters``)."""
        return type(self).parameters is not Rules.parameters

    @property
    def declares_constants(self) -> bool:
        """Whether the class has a rule for constant arrays."""
        return type(self).constants is not Rules.constants

    @property
    def declares_buffers(self) -> bool:
        """Whether the class has a rule for buffers; a forward pass in the train phase updates them."""
        return type(self).buffers is not Rules.buffers


def missing_rule(layer: object, rule: str, returns: str) -> RuleError:
    """The error for a layer whose author has not written a rule that is needed."""
    name = type(layer).__name__
    remedy = f"Write it. {returns}"
    return RuleError(f"{name} has no {rule.split('(')[0]}", where=name, expected=f"a method {rule}", remedy=remedy)
