"""The base class of all layers: a dataclass of configuration with rules, used alone or in a graph."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar, dataclass_transform

import numpy as np

from graphnet.core import dtypes, late
from graphnet.core.arguments import explain_arguments, explain_methods
from graphnet.core.attributes import ExplainedAttributes, refuse_unknown
from graphnet.core.checks import is_python_int
from graphnet.core.describe.protocols import GraphValue
from graphnet.core.describe.rules import Rules
from graphnet.core.describe.stateful import Stateful
from graphnet.core.errors import ConfigError, GraphError

#: Attributes of every layer that are not fields of a subclass.
RESERVED = frozenset({"params", "buffer_values", "store", "gradient_weights"})
V = TypeVar("V", bound=GraphValue)
#: Types of configuration values that are plain data and say everything about themselves.
_SIMPLE = frozenset((int, float, str, bool, type(None)))


def plain(value: Any) -> Any:
    """Convert a configuration value to the plain Python data of files: no numpy scalars or lists, dtypes by name."""
    if type(value) in _SIMPLE:
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (np.dtype, type)):
        return dtypes.name(value)
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    return value


@dataclass_transform(eq_default=False, field_specifiers=(dataclasses.field,))
class Layer(ExplainedAttributes, Stateful):
    """Base of every layer: annotated fields are its configuration, the methods below its rules.

    An author writes ``apply`` and ``pull``; ``infer`` where the output's shape differs from the input's; ``parameters``
    and ``grad`` where there are weights. The rules are pure: they keep nothing in ``self`` and never write to their
    arguments, so one layer can be used in many places of a graph and run at every time step. Everything else
    (``forward``, ``backward``, ``get_weights``, ``set_optimizer``, …) is inherited from
    :class:`~graphnet.core.describe.stateful.Stateful`.

    Each subclass becomes a dataclass; ``check`` is called after construction. The constructor of a layer with weights,
    or with layers inside, also takes the keyword ``trainable``: False freezes the weights, see ``trainable``.

    ``apply`` may ask, by keyword-only parameters, for its weights, buffers, constants and random draws by their names,
    and for ``phase`` (a Phase), ``lengths`` (valid steps of each row of the first input, or None), ``shapes`` (the
    inputs' Shapes) and ``operations`` (what the backend offers in addition to numpy, see
    :mod:`graphnet.core.operations`). ``pull`` and ``grad`` may ask for the weights, the constants and ``operations``.
    With ``lengths``, inputs are zero beyond the rows' ends.

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

    elsewhere: ClassVar[Mapping[str, str]] = {
        "weight": "get_weights() returns the weights.",
        "to": "graphnet computes on the CPU.",
        "cuda": "graphnet computes on the CPU.",
        "eval": "Set phase = Phase.test.",
        "train": "Set phase = Phase.train, or use a Model to train.",
        "state_dict": "get_weights() returns the weights; set_weights(values) sets them.",
        "zero_grad": "Each backward pass computes its gradients from nothing; there is nothing to reset.",
    }

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(eq=False, repr=False)(cls)
        if cls.parameters is not Rules.parameters or cls.subgraph is not Rules.subgraph:
            _accept_trainable(cls)
        explain_arguments(cls, cls.elsewhere)
        _refuse_reserved_fields(cls)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            setattr(self, field.name, plain(getattr(self, field.name)))
        if "dtype" in vars(self) or hasattr(type(self), "dtype"):  # of an instance, a missing name takes far longer
            setattr(self, "dtype", dtypes.name(getattr(self, "dtype"), where=type(self).__name__))  # noqa: B009, B010
        self.check()
        self._draw_known_weights()
        vars(self)["_constructed"] = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name[0] != "_" and "_constructed" in vars(self):
            refuse_unknown(self, name, [field.name for field in dataclasses.fields(self)])  # type: ignore[arg-type]
        object.__setattr__(self, name, value)

    def check(self) -> None:
        """Raise a ConfigError for an invalid configuration; called after construction."""

    def config(self) -> dict[str, Any]:
        """The fields that differ from their defaults, for files and ``repr``."""
        kind: Any = type(self)
        values = [(field, getattr(self, field.name)) for field in _fields(kind)]
        config = {field.name: value for field, value in values if not _is_default(field, value)}
        return {**config, "trainable": False} if self._frozen else config

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows."""
        return dict(late.call("mimebundle", self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.config().items())})"

    def __call__(self, *values: V | None, name: str | None = None) -> V:
        """Add a node that applies this layer to values of a graph, and return the value of its first output.

        Raises
        ------
        GraphError
            If no value is given, or an array: arrays go to ``forward``.
        """
        for value in values:
            if hasattr(type(value), "apply_layer"):
                return value.apply_layer(self, values, name)  # type: ignore[union-attr, no-any-return]
        raise GraphError(
            f"{type(self).__name__} was called without a value of a graph",
            expected="values of a Builder or Cell",
            received=", ".join(type(value).__name__ for value in values) or "nothing",
            remedy="Call layer.forward(array) to compute with arrays.",
        )


def rules_key(layer: Layer) -> tuple[Any, ...] | None:
    """A key that is equal for layers whose rules compute the same: the class and the values of the fields.

    None where that is not known: a field is an array, a function or another object, or ``check`` has stored more.
    """
    values = vars(layer)
    names = [name for name in values if name not in _own_attributes()]
    kind = type(layer)
    if any(name not in kind.__dataclass_fields__ for name in names):  # type: ignore[attr-defined]
        return None
    key: list[Any] = [kind]
    for name in names:
        value = values[name]
        if type(value) in _SIMPLE:
            key += (name, type(value), value)
        elif type(value) is tuple and all(type(item) in _SIMPLE for item in value):
            key += (name, repr(value))
        else:
            return None
    return tuple(key)


@functools.cache
def _own_attributes() -> frozenset[str]:
    """The attributes that every layer has besides its fields."""

    class Bare(Layer):
        """A layer without fields."""

        def apply(self, x: Any) -> Any:
            return x

    return frozenset(vars(Bare()))


def _accept_trainable(cls: Any) -> None:
    """Let the constructor that a class defines take the keyword ``trainable``."""
    original: Any = cls.__dict__.get("__init__")
    if original is None:
        return
    signature = inspect.signature(original)
    parameters = list(signature.parameters.values())
    if "trainable" in signature.parameters:
        return

    @functools.wraps(original)
    def construct(self: Any, *arguments: Any, trainable: bool = True, **options: Any) -> None:
        original(self, *arguments, **options)
        if trainable is not True:
            self.trainable = trainable

    keyword = inspect.Parameter("trainable", inspect.Parameter.KEYWORD_ONLY, default=True, annotation="bool")
    last = len(parameters) - (bool(parameters) and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD)
    parameters.insert(last, keyword)
    construct.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    construct.__annotations__ = {**original.__annotations__, "trainable": "bool"}
    cls.__init__ = construct


def _refuse_reserved_fields(cls: Any) -> None:
    """Refuse fields named after attributes that layers inherit, where these cannot be set."""
    for name in RESERVED & {field.name for field in dataclasses.fields(cls)}:
        raise ConfigError(
            f"a field cannot be called {name!r}: every layer has an attribute of this name",
            where=cls.__name__,
            expected="another name",
            received=name,
            remedy=f"Rename the field in the definition of {cls.__name__}, for example to {name + '_'!r}.",
        )


@functools.cache
def _fields(kind: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(kind)


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a field holds its default; True and 1 differ."""
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if default is dataclasses.MISSING:
        return False
    default = plain(default)
    return type(value) is type(default) and bool(value == default)


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


explain_methods(Layer, "__call__")
