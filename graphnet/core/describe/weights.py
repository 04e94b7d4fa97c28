"""Making, filling, reading, writing and updating the weights of layers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnet.core import array_types, dtypes, random
from graphnet.core.concurrency import locks
from graphnet.core.concurrency.blas_threads import limited
from graphnet.core.concurrency.claims import Keys
from graphnet.core.describe.parameter import Array, Buffer, Parameter, Weight
from graphnet.core.errors import GraphnetError, RuleError, ShapeError, StateError

if TYPE_CHECKING:
    from graphnet.core.describe.layer import Layer


def owners(layer: Layer) -> dict[str, Layer]:
    """The primitive layers inside ``layer`` by path, each once; the layer itself, by '', when it is primitive."""
    from graphnet.core.describe.graph import subgraph

    inner = subgraph(layer)
    return {"": layer} if inner is None else inner.layers()


def _dtype(layer: Layer) -> str:
    return str(getattr(layer, "dtype", "float64"))


def has_weights(layer: Layer) -> bool:
    """Whether any layer inside has weights, or defines that it will."""
    from graphnet.core.describe.layer import Layer as Base

    return any(type(owner).parameters is not Base.parameters for owner in owners(layer).values())


def updates_buffers(layer: Layer) -> bool:
    """Whether a layer has buffers, which a forward pass in the train phase updates."""
    from graphnet.core.describe.layer import Layer as Base

    return type(layer).buffers is not Base.buffers


def keys(layers: Iterable[Layer], *others: object) -> Keys:
    """What a claim on the arrays of some primitive layers, and on other objects, has as its keys.

    They are valid while these objects exist.
    """
    from graphnet.core.describe.layer import Layer as Base

    holders = [la for la in layers if type(la).parameters is not Base.parameters or updates_buffers(la)]
    return frozenset(id(each) for each in (*holders, *others))


# ---------------------------------------------------------------------- making
def fresh(spec: Weight, dtype: str) -> Array:
    """Weights before any initializer: uniform in [0, 1), or the value that they have of their own."""
    if spec.kind == "constant" or (spec.kind == "bias" and spec.value is not None):
        return np.full(spec.shape, spec.value or 0.0, dtype)
    array = random.generator().random(spec.shape).astype(dtype)
    if spec.bias_rows and spec.value is not None:
        array[-spec.bias_rows :] = spec.value
    return array


def create(layer: Layer, specs: Mapping[str, Weight], buffers: Mapping[str, Buffer] | None = None) -> None:
    """Make the weights and buffers that ``specs`` describe, or check that those which exist have their shapes.

    Threads that need the same weights at the same time make them once.

    Raises
    ------
    ShapeError
        If the layer already has weights for inputs of another size.
    """
    with locks.building:
        _create(layer, specs, buffers or {})


def _create(layer: Layer, specs: Mapping[str, Weight], buffers: Mapping[str, Buffer]) -> None:
    for name, spec in specs.items():
        made = layer._parameters.get(name)
        if made is not None and made.value.shape != spec.shape:
            raise ShapeError(
                f"{name} was made for inputs of another size",
                where=repr(layer),
                expected=f"an input for {name} of shape {made.value.shape}",
                received=f"one for {spec.shape}",
                remedy="A layer that stands in two places needs inputs of the same size there.",
            )
    # New dictionaries: another thread may be reading the present ones.
    absent = {name: buffer for name, buffer in buffers.items() if name not in layer._buffers}
    if absent:
        made_now = {name: np.full(buffer.shape, buffer.value, _dtype(layer)) for name, buffer in absent.items()}
        layer._buffers = {**layer._buffers, **made_now}
    missing = [name for name in specs if name not in layer._parameters]
    if missing:
        fresh_ones = {name: Parameter(name, specs[name], fresh(specs[name], _dtype(layer))) for name in missing}
        layer._parameters = {**layer._parameters, **fresh_ones}
    if missing and layer._waiting is not None:
        initialize([layer], *layer._waiting)
    if missing:
        _give_optimizer(layer)


def initialize(layers: Iterable[Layer], weights_initializer: Any, bias_initializer: Any) -> None:
    """Fill all weights of ``layers``; those whose sizes are not known yet, when they are."""
    found: list[tuple[Parameter, Array]] = []
    layers = list(layers)
    for layer in layers:
        for parameter in layer._parameters.values():
            value = _initial(parameter, weights_initializer, bias_initializer, repr(layer))
            found.append((parameter, dtypes.converted(value, _dtype(layer), f"{layer!r}, {parameter.name}")))
    for layer in layers:
        layer._waiting = (weights_initializer, bias_initializer)
    for parameter, value in found:
        parameter.value = value


def _initial(parameter: Parameter, weights_initializer: Any, bias_initializer: Any, place: str) -> Array:
    spec = parameter.spec
    rows = spec.bias_rows
    if spec.kind == "constant":
        return np.full(spec.shape, spec.value or 0.0)

    def bias(shape: tuple[int, ...]) -> Array:
        if spec.value is not None:
            return np.full(shape, spec.value)
        return _asked(bias_initializer, shape, spec, place)

    if spec.kind == "bias":
        return bias(spec.shape)
    kernel = _asked(weights_initializer, (spec.shape[0] - rows, *spec.shape[1:]), spec, place)
    return np.concatenate([kernel, bias((rows, *spec.shape[1:]))]) if rows else kernel


def _asked(initializer: Any, shape: tuple[int, ...], spec: Weight, place: str) -> Array:
    """What an initializer gives for a shape; sizes of 1 may be dropped or added."""
    array = array_types.plain(initializer.initialize(shape, spec.fan_in, spec.fan_out), place)
    if tuple(n for n in array.shape if n != 1) != tuple(n for n in shape if n != 1) or array.dtype.kind not in "biuf":
        raise RuleError(
            f"initializer {type(initializer).__name__} returned something else",
            where=place,
            expected=f"numbers of shape {shape}",
            received=f"{array.dtype} of shape {array.shape}",
        )
    if not np.isfinite(array).all():
        raise RuleError(
            f"initializer {type(initializer).__name__} returned NaN or infinity", where=place, expected="finite numbers"
        )
    return array.reshape(shape)


# ---------------------------------------------------------------------- reading and writing
def named(layer: Layer) -> dict[str, Parameter]:
    """Every weight array inside a layer, by ``path/name``."""
    found = {}
    for path, owner in owners(layer).items():
        for name, parameter in owner._parameters.items():
            found[f"{path}/{name}" if path else name] = parameter
    return found


def main(layer: Layer) -> dict[str, Parameter]:
    """What ``get_weights`` speaks of: the first array of a primitive layer, all arrays of a composite one.

    Raises
    ------
    StateError
        If there is none, or none yet.
    """
    found = named(layer)
    if not found:
        waits = has_weights(layer)
        raise StateError(
            "the sizes of the weights are not known yet" if waits else "the layer has no weights",
            where=repr(layer),
            remedy="Give the sizes to the constructor, or call forward once." if waits else None,
        )
    return dict(list(found.items())[:1]) if "" in owners(layer) else found


def get(layer: Layer, read: Callable[[Parameter], Array]) -> Any:
    """Copies of what ``read`` finds in each array: a single one, or a dictionary."""
    found = {name: np.array(read(parameter)) for name, parameter in main(layer).items()}
    return next(iter(found.values())) if len(found) == 1 else found


def gradient(parameter: Parameter) -> Array:
    """The last gradient of a parameter.

    Raises
    ------
    StateError
        Before the first ``backward``.
    """
    if parameter.gradient is None:
        raise StateError("no gradient yet", where=repr(parameter), remedy="Call forward and backward first.")
    return parameter.gradient


def put(layer: Layer, values: Any) -> None:
    """Copy ``values`` (an array, or a dictionary where there are several) into the weights, once all are checked."""
    parameters = main(layer)
    given = values if isinstance(values, Mapping) else dict.fromkeys(list(parameters)[:1], values)
    if given.keys() != parameters.keys():
        raise ShapeError(
            "not the weights of this layer",
            where=repr(layer),
            expected=", ".join(parameters),
            received=", ".join(map(str, given)),
        )
    checked = {name: fitting(p, given[name], f"{layer!r}, {name}") for name, p in parameters.items()}
    for name, value in checked.items():
        parameters[name].value = value


def fitting(parameter: Parameter, value: Any, place: str) -> Array:
    """A copy of ``value`` in the shape and dtype of a parameter.

    Raises
    ------
    ShapeError, DtypeError, DataError
        If the shape differs (the message has both), or it does not hold numbers of the dtype.
    """
    array = dtypes.as_array(value, place)
    if array.shape != parameter.value.shape:
        raise ShapeError("weights of another shape", where=place, expected=parameter.value.shape, received=array.shape)
    return np.array(dtypes.converted(array, parameter.value.dtype, place))


# ---------------------------------------------------------------------- updating
def set_optimizer(layer: Layer, optimizer: Any) -> None:
    """Give every weight array an optimizer: see ``Stateful.set_optimizer``."""
    layer._optimizer = optimizer
    for owner in owners(layer).values():
        owner._optimizer = optimizer if owner is layer else copied(optimizer)
        _give_optimizer(owner)


def copied(optimizer: Any) -> Any:
    """An independent optimizer of the same configuration, without the moments of another array where it can say so."""
    return optimizer.fresh() if hasattr(optimizer, "fresh") else copy.deepcopy(optimizer)


def _give_optimizer(layer: Layer) -> None:
    for i, parameter in enumerate(layer._parameters.values()):
        parameter.optimizer = layer._optimizer if i == 0 else copied(layer._optimizer)
        if parameter.spec.kind == "bias" and getattr(parameter.optimizer, "regularizer", None) is not None:
            parameter.optimizer.regularizer = None


def step(updates: Iterable[tuple[Parameter, float, str]]) -> None:
    """One optimizer step for each parameter, with its delta and its place for errors; all of them, or none.

    Raises
    ------
    RuleError, StateError
        See ``updated``; weights and optimizers are then as they were.
    """
    updates = list(updates)
    before = [(p.optimizer, _snapshot(p.optimizer)) for p, _, _ in updates]
    try:
        values = [updated(*each) for each in updates]
    except BaseException:
        for optimizer, kept in before:
            if kept is not None:
                vars(optimizer).clear()
                vars(optimizer).update(kept)
        raise
    for (parameter, _, _), value in zip(updates, values, strict=True):
        parameter.value = value


def _snapshot(optimizer: Any) -> dict[str, Any] | None:
    """An optimizer's attributes as they are; its arrays are replaced by steps, not written to."""
    if not hasattr(optimizer, "__dict__"):
        return None
    return {name: dict(value) if isinstance(value, dict) else value for name, value in vars(optimizer).items()}


def updated(parameter: Parameter, delta: float, place: str) -> Array:
    """The weights after one step of the parameter's optimizer, checked and not yet in place.

    Raises
    ------
    RuleError
        If the optimizer returns anything but finite numbers of the weights' shape.
    GraphnetError
        Whatever else the optimizer refuses, with the place.
    """
    optimizer = parameter.optimizer
    place = f"{place}, optimizer {type(optimizer).__name__}"
    try:
        new = optimizer.calculate_update(delta, parameter.value, gradient(parameter))
    except GraphnetError as error:
        raise error.at(place) from None
    array = np.asarray(new)
    if array.dtype.kind not in "biuf" or array.shape != parameter.value.shape:
        raise RuleError(
            "calculate_update returned no new weights",
            where=place,
            expected=f"numbers of shape {parameter.value.shape}",
            received=f"{type(new).__name__} of shape {array.shape}",
        )
    with np.errstate(over="ignore"):
        array = array.astype(parameter.value.dtype)
    if not np.isfinite(array).all():
        raise RuleError(
            "the new weights are not finite",
            where=place,
            expected="finite numbers",
            received="NaN or infinity",
            remedy="Lower the learning rate, or clip the gradients.",
        )
    return array


def regularization_loss(layer: Layer) -> float:
    """The sum of the regularizers' norms of the weight arrays (biases that are arrays of their own do not count)."""
    total = 0.0
    with limited(1):  # a norm gains nothing from a second thread
        for parameter in named(layer).values():
            regularizer = getattr(parameter.optimizer, "regularizer", None)
            if regularizer is not None and parameter.spec.kind != "bias":
                total += float(regularizer.norm(parameter.value))
    return total
