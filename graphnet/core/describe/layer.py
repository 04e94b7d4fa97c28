"""The layer protocol: the pure rules that an author writes, and what every layer inherits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

import numpy as np

from graphnet.core import dtypes
from graphnet.core.checks import is_python_int
from graphnet.core.describe import signatures
from graphnet.core.describe.parameter import Array, Buffer, Weight
from graphnet.core.describe.shapes import Shape
from graphnet.core.describe.signatures import Ports
from graphnet.core.describe.stateful import Stateful
from graphnet.core.errors import ConfigError, RuleError

if TYPE_CHECKING:
    from graphnet.core.describe.builder import Value


def plain(value: Any) -> Any:
    """A configuration value as the plain Python data that files hold: no numpy scalars, no lists, dtypes by name."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (np.dtype, type)):
        return dtypes.name(value)
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    return value


_Result = TypeVar("_Result")


def rule(method: Callable[..., _Result]) -> Callable[..., _Result]:
    """Return ``method`` itself; for type checkers, an override may name its own parameters: ``infer(self, x)``."""
    return method


@dataclass_transform(eq_default=False, field_specifiers=(dataclasses.field,))
class Layer(Stateful):
    """Base of every layer: annotated fields are its configuration, the methods below its rules.

    An author writes ``apply`` and ``pull``; ``infer`` where the output's shape differs from the input's; ``parameters``
    and ``grad`` where there are weights. The rules are pure: they keep nothing in ``self`` and never write to their
    arguments, so one layer can stand in many places of a graph and run at every time step. Everything else
    (``forward``, ``backward``, ``get_weights``, ``set_optimizer``, …) is inherited from
    :class:`~graphnet.core.describe.stateful.Stateful`.

    Each subclass becomes a dataclass by itself; ``check`` is called after construction.

    ``apply`` may ask, by keyword-only parameters, for its weights, buffers and random draws by their names, and for
    ``phase`` (a Phase), ``lengths`` (valid steps of each row of the first input, or None) and ``shapes`` (the inputs'
    Shapes). ``pull`` and ``grad`` may ask for the weights. With ``lengths``, inputs are zero beyond the rows' ends.

    Examples
    --------
    >>> import numpy as np
    >>> class Cube(Layer):
    ...     '''y = x³, elementwise.'''
    ...     def apply(self, x):
    ...         return x**3, x
    ...     def pull(self, x, error):
    ...         return error * 3 * x**2
    >>> cube = Cube()
    >>> cube.forward(np.array([[1.0, 2.0]])), cube.backward(np.array([[1.0, 1.0]]))
    (array([[1., 8.]]), array([[ 3., 12.]]))
    """

    #: Traits are promises about layers that the compiler cannot read; the conformance kit checks them.
    elementwise: ClassVar[bool] = False
    rowwise: ClassVar[bool] = False
    #: Names of buffers that a weights file may lack, because earlier versions did not have them; they start anew then.
    optional_buffers: ClassVar[tuple[str, ...]] = ()
    #: Positions of inputs that are whole numbers (token ids) and stay so.
    integer_inputs: ClassVar[tuple[int, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(eq=False, repr=False)(cls)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            setattr(self, field.name, plain(getattr(self, field.name)))
        if hasattr(self, "dtype"):
            setattr(self, "dtype", dtypes.name(getattr(self, "dtype"), where=type(self).__name__))  # noqa: B009, B010
        self.check()
        self._draw_known_weights()

    def check(self) -> None:
        """Refuse a configuration that means nothing, with ConfigError; called after construction."""

    # ------------------------------------------------------------------ the pure rules
    @rule
    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        """The weights by name; called with the inputs' shapes, or with none where the configuration says it all.

        Return an empty dictionary for no weights; raise ShapeError when a size cannot be told yet.
        """
        return {}

    @rule
    def buffers(self, *inputs: Shape) -> dict[str, Buffer]:
        """The untrained arrays by name, such as running statistics; see ``update``."""
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
        """``(output, saved)``: the output (a tuple for several) and what ``pull`` and ``grad`` want to see again."""
        raise missing_rule(self, "apply(self, x)", "It returns (output, saved).")

    @rule
    def pull(self, saved: Any, error: Any, **weights: Any) -> Any:
        """The error for the input (a tuple, one for each, for several), linear in ``error``; None for no error."""
        raise missing_rule(self, "pull(self, saved, error)", "It returns the error for the input.")

    @rule
    def grad(self, saved: Any, error: Any, **weights: Any) -> dict[str, Any]:
        """The gradient of each weight by name, summed over the rows, such as ``x.T @ error`` and ``error.sum(0)``."""
        raise missing_rule(self, "grad(self, saved, error)", "It returns the gradient of each weight by name.")

    @rule
    def update(self, saved: Any, **buffers: Any) -> dict[str, Any]:
        """The buffers' new values after one train-phase ``apply``."""
        return {}

    # ------------------------------------------------------------------ what they say of themselves
    def input_ports(self) -> Ports:
        """The inputs by name, in order; read from ``apply``'s positional parameters."""
        return signatures.ports(type(self).apply)

    def output_ports(self) -> tuple[str, ...]:
        """The outputs by name, in order."""
        return ("output",)

    def config(self) -> dict[str, Any]:
        """The fields that differ from their defaults: what a file holds, and ``repr`` shows."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {f.name: getattr(self, f.name) for f in fields if not _is_default(f, getattr(self, f.name))}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.config().items())})"

    def __call__(self, *values: Value | None, name: str | None = None) -> Value:
        """Put this layer into the graph that the values belong to; see :mod:`graphnet.core.describe.builder`."""
        from graphnet.core.describe.builder import add_node

        return add_node(self, values, name)


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a field holds its default; True is not 1 here."""
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    default = plain(default)
    return type(value) is type(default) and bool(value == default)


def missing_rule(layer: Layer, rule: str, returns: str) -> RuleError:
    """The error for a layer whose author has not written a rule that is needed."""
    name = type(layer).__name__
    remedy = f"Write it. {returns}"
    return RuleError(f"{name} has no {rule.split('(')[0]}", where=name, expected=f"a method {rule}", remedy=remedy)


def require(condition: bool, layer: Layer, field: str, expected: str) -> None:
    """Raise the usual ConfigError for one field of a layer unless ``condition`` holds.

    Raises
    ------
    ConfigError
        Naming the layer, the field, what was expected and what it holds.
    """
    if not condition:
        raise ConfigError(
            f"{field} is out of range",
            where=type(layer).__name__,
            expected=expected,
            received=repr(getattr(layer, field)),
            key_path=(field,),
        )


def positive(layer: Layer, *fields: str) -> None:
    """Require whole numbers of 1 or more (None passes where the field's default is None).

    Raises
    ------
    ConfigError
        Naming the first field that is not.
    """
    optional = {f.name for f in dataclasses.fields(layer) if f.default is None}  # type: ignore[arg-type]
    for field in fields:
        value = getattr(layer, field)
        valid = is_python_int(value, 1) or (value is None and field in optional)
        require(valid, layer, field, "a positive integer")
