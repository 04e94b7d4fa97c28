"""Attributes that do not exist: errors that name the closest ones, and what stands for the names of other libraries."""

from __future__ import annotations

import difflib
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, ClassVar

from graphnet.core.errors import ConfigError, StateError, UnknownNameError, did_you_mean


class MissingAttributeError(UnknownNameError, AttributeError):
    """An object or a module of graphnet has no such attribute.

    The closest names are looked up when the message is read: ``hasattr`` and ``getattr`` with a default do not pay for
    them.
    """

    sought: str = ""
    candidates: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.remedy is None:
            self.remedy = did_you_mean(self.sought, self.candidates) or None
        return super().__str__()


class NoValueYetError(StateError, AttributeError):
    """An attribute whose value does not exist yet; also an AttributeError, so that ``hasattr`` is False."""


@contextmanager
def as_attribute() -> Iterator[None]:
    """Raise a StateError of a property as a NoValueYetError with the same message."""
    try:
        yield
    except StateError as error:
        raise NoValueYetError(
            error.args[0], where=error.where, expected=error.expected, received=error.received, remedy=error.remedy
        ) from None


class FixedAttributeError(ConfigError, AttributeError):
    """An attribute that cannot be set, or does not exist."""


def missing(name: str, where: str, candidates: tuple[str, ...], remedy: str | None = None) -> MissingAttributeError:
    """The error for a name that is not among the ``candidates``.

    Examples
    --------
    >>> print(missing("pedict", "Model", ("fit", "predict")))
    Model has no attribute 'pedict'. Did you mean 'predict'?
    """
    error = MissingAttributeError(f"{where} has no attribute {name!r}", remedy=remedy)
    error.sought, error.candidates = name, candidates
    return error


class ExplainedAttributes:
    """Base of public classes: an attribute that does not exist raises a MissingAttributeError.

    Attributes
    ----------
    elsewhere : mapping of str to str
        Of a class: a remedy for each name that another library has for the task.
    """

    elsewhere: ClassVar[Mapping[str, str]] = {}

    if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            if hasattr(type(self), name):  # a property whose own code raised an AttributeError: raise that one
                return object.__getattribute__(self, name)
            raise missing(name, type(self).__name__, _public(self), type(self).elsewhere.get(name))


def _public(owner: Any) -> tuple[str, ...]:
    return tuple(name for name in {**vars(type(owner)), **vars(owner)} if not name.startswith("_")) + tuple(
        name for base in type(owner).__mro__[1:] for name in vars(base) if not name.startswith("_")
    )


def refuse_new(owner: Any, name: str, own: type, remedies: Mapping[str, str]) -> None:
    """Refuse to set an attribute that an object does not have; objects of derived classes may have more.

    Parameters
    ----------
    own : type
        The class whose attributes are fixed.
    remedies : mapping of str to str
        For names that are settings elsewhere, which derived classes cannot have either.

    Raises
    ------
    FixedAttributeError
        If the name is public, new, and ``owner`` is of the class itself or the name is among ``remedies``.
    """
    if name.startswith("_") or name in vars(owner) or hasattr(type(owner), name):
        return
    if type(owner) is own or name in remedies:
        raise FixedAttributeError(
            f"no attribute {name!r} can be set",
            where=type(owner).__name__,
            remedy=remedies.get(name) or did_you_mean(name, _public(owner)) or None,
        )


def refuse_unknown(owner: Any, name: str, fields: Sequence[str]) -> None:
    """Refuse to set an attribute that no code of the object's class mentions, and that would have no effect.

    The classes' own methods may set and read any attribute. A name that a method mentions only through a variable is
    known if the class declares it, as a field or by an annotation.

    Raises
    ------
    FixedAttributeError
        Also for a name that is nearly that of a field, and for a property that cannot be set.
    """
    if name in vars(owner):
        return
    cls = type(owner)
    if hasattr(cls, name):
        found = getattr(cls, name)
        if isinstance(found, property) and found.fset is None:
            raise FixedAttributeError(f"{name} cannot be set", where=cls.__name__, remedy="It is computed.")
        return
    close = difflib.get_close_matches(name, fields, n=1, cutoff=0.8)
    if close or name not in mentioned(cls):  # type: ignore[arg-type]
        remedy = (
            f"Did you mean {close[0]!r}?" if close else cls.elsewhere.get(name) or did_you_mean(name, _public(owner))
        )
        remedy = remedy or "Declare it in the class, if it is an attribute of your own layer."
        raise FixedAttributeError(f"no attribute {name!r} can be set", where=cls.__name__, remedy=remedy)


@functools.lru_cache(maxsize=1024)
def mentioned(cls: type) -> frozenset[str]:
    """The attributes that the methods of a class and its bases name, and those that they annotate."""
    names: set[str] = set()
    for base in cls.__mro__:
        names.update(vars(base).get("__annotations__", {}))
        for value in vars(base).values():
            names.update(name for function in _functions(value) for name in _names(function.__code__))
    return frozenset(names)


def _functions(value: Any) -> Iterator[FunctionType]:
    parts = (value.fget, value.fset, value.fdel) if isinstance(value, property) else (value,)
    for part in parts:
        function = getattr(part, "__func__", getattr(part, "func", part))  # class methods, cached properties
        function = getattr(function, "__wrapped__", function)
        if isinstance(function, FunctionType):
            yield function


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
        elif isinstance(constant, str) and constant.isidentifier():  # setattr(self, "name", …)
            yield constant


def explain_frozen(cls: type, remedy: str) -> None:
    """Let setting an attribute of a frozen dataclass raise a FixedAttributeError with this remedy."""

    def refuse(self: Any, name: str, value: Any = None) -> None:
        raise FixedAttributeError(f"{name} cannot be changed", where=type(self).__name__, remedy=remedy)

    setattr(cls, "__setattr__", refuse)  # noqa: B010
    setattr(cls, "__delattr__", refuse)  # noqa: B010


#: What other libraries call the classes and functions of graphnet.
NAMES = {
    "Dense": "graphnet.FullyConnected", "Linear": "graphnet.FullyConnected",
    "BatchNorm": "graphnet.BatchNormalization", "BatchNorm1d": "graphnet.BatchNormalization",
    "BatchNorm2d": "graphnet.BatchNormalization", "LayerNorm": "graphnet.LayerNormalization",
    "Concat": "graphnet.Concatenate", "Conv1d": "graphnet_conv.Conv", "Conv2d": "graphnet_conv.Conv",
    "Conv1D": "graphnet_conv.Conv", "Conv2D": "graphnet_conv.Conv", "Conv": "graphnet_conv.Conv",
    "MaxPool2d": "graphnet_conv.Pooling", "MaxPooling2D": "graphnet_conv.Pooling", "Pooling": "graphnet_conv.Pooling",
    "LSTM": "graphnet_recurrent.LSTM", "GRU": "graphnet_recurrent.GRU", "RNN": "graphnet_recurrent.RNN",
    "SimpleRNN": "graphnet_recurrent.RNN", "Bidirectional": "graphnet_recurrent.Bidirectional",
    "Tanh": "graphnet_recurrent.TanH", "TanH": "graphnet_recurrent.TanH", "Sigmoid": "graphnet_recurrent.Sigmoid",
    "ReLU": "graphnet_activations.ReLU", "GELU": "graphnet_activations.GELU", "ELU": "graphnet_activations.ELU",
    "LeakyReLU": "graphnet_activations.LeakyReLU", "Softmax": "graphnet_activations.SoftMax",
    "SoftMax": "graphnet_activations.SoftMax", "MSELoss": "graphnet.losses.MeanSquaredError",
    "MSE": "graphnet.losses.MeanSquaredError", "CrossEntropyLoss": "graphnet.losses.CrossEntropy",
    "CategoricalCrossentropy": "graphnet.losses.CrossEntropy", "NLLLoss": "graphnet.losses.CrossEntropy",
    "SparseCategoricalCrossentropy": "graphnet.losses.CrossEntropy", "BCELoss": "graphnet.losses.BinaryCrossEntropy",
    "BCEWithLogitsLoss": "graphnet.losses.BinaryCrossEntropy",
    "BinaryCrossentropy": "graphnet.losses.BinaryCrossEntropy",
    "SGD": "graphnet.optimizers.Sgd", "L2": "graphnet.regularizers.L2_Regularizer",
    "L1": "graphnet.regularizers.L1_Regularizer", "EarlyStopping": "patience= of TrainingConfig",
    "ModelCheckpoint": "graphnet.io.run_folder.RunFolder", "DataLoader": "arrays for fit, or graphnet.datasets.Stream",
    "TensorDataset": "arrays for fit, or graphnet.datasets.Stream", "tensor": "numpy.array", "Tensor": "numpy.array",
    "manual_seed": "graphnet.seed", "set_random_seed": "graphnet.seed", "load_model": "graphnet.load",
    "no_grad": "predict, which stores no gradients", "set_num_threads": "graphnet.threads",
}  # fmt: skip


def missing_from(module: str) -> Callable[[str], Any]:
    """A ``__getattr__`` for a module, which raises a MissingAttributeError.

    Examples
    --------
    >>> import graphnet.optimizers
    >>> graphnet.optimizers.SGD
    Traceback (most recent call last):
    graphnet.core.attributes.MissingAttributeError: graphnet.optimizers has no attribute 'SGD'. Use ...
    """

    def __getattr__(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        known = tuple(known for known in dir(sys.modules[module]) if not known.startswith("_"))
        raise missing(name, module, known, f"Use {NAMES[name]}." if name in NAMES else None)

    return __getattr__
