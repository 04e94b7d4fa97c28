"""Reading, writing, initializing and regularizing the weights inside a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from graphnet.core import dtypes, late
from graphnet.core.concurrency.blas_threads import limited
from graphnet.core.concurrency.claims import Keys
from graphnet.core.describe.optimizer_step import copied
from graphnet.core.describe.parameter import Array, Buffer, Parameter, Weight
from graphnet.core.describe.protocols import WeightOwner
from graphnet.core.errors import ShapeError, StateError
from graphnet.core.garbage import gc_paused


def owners(layer: WeightOwner) -> Mapping[str, WeightOwner]:
    """The primitive layers inside ``layer`` by path, each once; the layer itself, by '', when it is primitive."""
    inner = layer.subgraph
    return {"": layer} if inner is None else inner.layers()


def has_weights(layer: WeightOwner) -> bool:
    """Whether any layer inside has weights, or will have them."""
    return any(owner.declares_weights for owner in owners(layer).values())


def keys(layers: Iterable[WeightOwner], *others: object) -> Keys:
    """The keys of a claim on the arrays of some primitive layers, and on other objects.

    They are valid while these objects exist.
    """
    holders = [layer for layer in layers if layer.declares_weights or layer.declares_buffers]
    return frozenset(id(item) for item in (*holders, *others))


# ---------------------------------------------------------------------- creating
#: Whether layers that are constructed create the weights whose sizes they know; see :func:`deferred`.
_creating: ContextVar[bool] = ContextVar("graphnet layers create weights", default=True)


@contextmanager
def deferred() -> Iterator[None]:
    """Construct layers without weights inside the block, in this thread: a file may declare sizes that do not fit.

    The weights are created when the graph is materialized or first run.
    """
    token = _creating.set(False)
    try:
        yield
    finally:
        _creating.reset(token)


def are_deferred() -> bool:
    """Whether the caller is inside :func:`deferred`."""
    return not _creating.get()


def create(layer: WeightOwner, specs: Mapping[str, Weight], buffers: Mapping[str, Buffer] | None = None) -> None:
    """Create the weights and buffers that ``specs`` describe, or check that existing ones have their shapes.

    Raises
    ------
    ShapeError
        If the layer already has weights for inputs of another size.
    """
    buffers = buffers or {}
    if not layer.store.holds(specs, buffers):  # the usual case, which needs no text for messages
        layer.store.create(specs, buffers, _dtype(layer), repr(layer))


class Zeros:
    """The initializer of biases where none is named."""

    def initialize(self, weights_shape: Any, fan_in: Any = None, fan_out: Any = None) -> Array:
        """An array of zeros."""
        return np.zeros(weights_shape)


def initializers(where: str, weights_initializer: Any, bias_initializer: Any) -> tuple[Any, Any]:
    """The initializers that two arguments name, or are; None for the bias stands for zeros."""
    bias = Zeros() if bias_initializer is None else bias_initializer
    return (
        late.named(f"{where}.weights_initializer", "initializers", weights_initializer),
        late.named(f"{where}.bias_initializer", "initializers", bias),
    )


def initialize(layers: Iterable[WeightOwner], weights_initializer: Any, bias_initializer: Any) -> None:
    """Fill all weights of ``layers``, once all values are known; weights that are created later are filled then."""
    layers = list(layers)
    initializers = weights_initializer, bias_initializer
    with gc_paused():  # of thousands of layers, all arrays stay alive
        values = [layer.store.initial(*initializers, _dtype(layer), repr(layer)) for layer in layers]
    for layer, own in zip(layers, values, strict=True):
        layer.store.put_initial(own, *initializers)


def _dtype(layer: WeightOwner) -> str:
    return str(getattr(layer, "dtype", "float64"))


# ---------------------------------------------------------------------- reading and writing
def named(layer: WeightOwner) -> dict[str, Parameter]:
    """Every weight array inside a layer, by ``path/name``."""
    return {
        f"{path}/{name}" if path else name: parameter
        for path, owner in owners(layer).items()
        for name, parameter in owner.store.params.items()
    }


def main(layer: WeightOwner) -> dict[str, Parameter]:
    """The weights that ``get_weights`` reads: the first array of a primitive layer, all arrays of a composite one.

    Raises
    ------
    StateError
        If there is none, or none yet.
    """
    parameters = named(layer)
    if not parameters:
        later = has_weights(layer)
        raise StateError(
            "the sizes of the weights are not known yet" if later else "the layer has no weights",
            where=repr(layer),
            remedy="Give the sizes to the constructor, or call forward once." if later else None,
        )
    return dict(list(parameters.items())[:1]) if "" in owners(layer) else parameters


def get(layer: WeightOwner, read: Callable[[Parameter], Array]) -> Any:
    """Copies of what ``read`` returns for each array: a single one, or a dictionary."""
    arrays = {name: np.array(read(parameter)) for name, parameter in main(layer).items()}
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def put(layer: WeightOwner, values: Any) -> None:
    """Copy ``values`` (an array, or a dictionary where there are several) into the weights, once all are checked."""
    parameters = main(layer)
    by_name = values if isinstance(values, Mapping) else dict.fromkeys(list(parameters)[:1], values)
    if by_name.keys() != parameters.keys():
        raise ShapeError(
            "not the weights of this layer",
            where=repr(layer),
            expected=", ".join(parameters),
            received=", ".join(map(str, by_name)),
        )
    checked = {name: fitting(p, by_name[name], f"{layer!r}, {name}") for name, p in parameters.items()}
    for name, value in checked.items():
        parameters[name].value = value


def fitting(parameter: Parameter, value: Any, where: str) -> Array:
    """A copy of ``value`` in the shape and dtype of a parameter.

    Raises
    ------
    ShapeError, DtypeError, DataError
        If the shape differs (the message has both), or it does not hold numbers of the dtype.
    """
    array = dtypes.as_array(value, where)
    if array.shape != parameter.value.shape:
        raise ShapeError("weights of another shape", where=where, expected=parameter.value.shape, received=array.shape)
    return np.array(dtypes.converted(array, parameter.value.dtype, where))


# ---------------------------------------------------------------------- optimizers
def set_optimizer(layer: WeightOwner, optimizer: Any) -> None:
    """Give every weight array an optimizer: see ``Trainable.set_optimizer``."""
    layer.store.optimizer = optimizer
    for owner in owners(layer).values():
        owner.store.use_optimizer(optimizer if owner is layer else copied(optimizer))


def regularization_loss(layer: WeightOwner) -> float:
    """The sum of the regularizers' norms of the weight arrays (biases that are arrays of their own do not count)."""
    total = 0.0
    with limited(1):  # a norm gains nothing from a second thread
        for parameter in named(layer).values():
            regularizer = getattr(parameter.optimizer, "regularizer", None)
            if regularizer is not None and parameter.spec.kind != "bias":
                total += float(regularizer.norm(parameter.value))
    return total
