"""What the checker hands to a student's layers: initializers, optimizers and regularizers that record their calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.exercise.matching import near
from graphnet.exercise.probe import Probe, Stop

Array = npt.NDArray[Any]

#: The learning rate of the recording optimizers.
RATE = 0.07


class RecordingInitializer:
    """Draws numbers, and records for what shapes and fans it was asked."""

    def __init__(self, low: float, high: float, seed: int) -> None:
        self.low, self.high = low, high
        self.rng = np.random.default_rng(seed)
        self.calls: list[tuple[tuple[int, ...], Any, Any, Array]] = []

    def initialize(self, weights_shape: Any, fan_in: Any = None, fan_out: Any = None) -> Array:
        """Numbers of the shape."""
        shape = tuple(int(n) for n in np.atleast_1d(weights_shape))
        values = self.rng.uniform(self.low, self.high, shape)
        self.calls.append((shape, fan_in, fan_out, values.copy()))
        return values


class Update:
    """One call of ``calculate_update``: which optimizer, how many arguments, the delta, the weights and the gradient."""

    def __init__(self, optimizer: RecordingOptimizer, arguments: tuple[Any, ...]) -> None:
        self.optimizer, self.count = optimizer, len(arguments)
        self.delta = arguments[0] if len(arguments) == 3 else None
        self.weights, self.gradient = (np.array(a, dtype=float) for a in arguments[-2:])


class RecordingOptimizer:
    """Plain gradient descent; all copies of one optimizer write to one list."""

    def __init__(self, log: list[Update] | None = None) -> None:
        self.log: list[Update] = [] if log is None else log
        self.learning_rate = RATE
        self.regularizer: Any = None

    def __copy__(self) -> RecordingOptimizer:
        copy = RecordingOptimizer(self.log)
        copy.regularizer = self.regularizer
        return copy

    def __deepcopy__(self, memo: Any) -> RecordingOptimizer:
        return self.__copy__()

    def add_regularizer(self, regularizer: Any) -> None:
        """Set the regularizer."""
        self.regularizer = regularizer

    def calculate_update(self, *arguments: Any) -> Any:
        """One step, by either edition's signature."""
        if len(arguments) not in (2, 3):
            raise TypeError(
                f"calculate_update takes (individual_delta, weights, gradient), got {len(arguments)} arguments"
            )
        self.log.append(Update(self, arguments))
        return arguments[-2] - RATE * arguments[-1]


class SquareNorm:
    """A regularizer whose norm is 0.5 · Σ w², so that norms of parts add up."""

    def __init__(self) -> None:
        self.calls = 0

    def calculate(self, weights: Any) -> Any:
        """The gradient of the norm."""
        return weights

    calculate_gradient = calculate

    def norm(self, weights: Any) -> float:
        """The norm."""
        self.calls += 1
        return 0.5 * float(np.sum(np.square(weights)))


# ---------------------------------------------------------------------- the accessors of both editions
def set_optimizer(probe: Probe, layer: Any, optimizer: Any) -> None:
    """Give a layer an optimizer as the edition does it."""
    setter = getattr(layer, "set_optimizer", None)
    if callable(setter):
        probe.call("set_optimizer", setter, optimizer)
        return
    if probe.contract:
        probe.fault("missing-method", "has no method set_optimizer", "set_optimizer")
    probe.call("optimizer", setattr, layer, "optimizer", optimizer)


def get_weights(probe: Probe, layer: Any) -> Any:
    """The weights as the edition shows them.

    Raises
    ------
    Stop
        If there is no access.
    """
    if callable(getattr(layer, "get_weights", None)):
        return probe.call("get_weights", layer.get_weights)
    if probe.contract:
        probe.fault("missing-method", "has no method get_weights", "get_weights")
    if probe.call("weights", hasattr, layer, "weights"):
        return probe.call("weights", getattr, layer, "weights")
    if not probe.contract:
        probe.fault("missing-property", "has no property weights", "weights")
    raise Stop


def put_weights(probe: Probe, layer: Any, values: Any) -> None:
    """Set the weights as the edition does it."""
    if callable(getattr(layer, "set_weights", None)):
        probe.call("set_weights", layer.set_weights, values)
        return
    if probe.contract:
        probe.fault("missing-method", "has no method set_weights", "set_weights")
    try:
        layer.weights = np.copy(values)
    except AttributeError:
        probe.fault("missing-property", "weights cannot be assigned: the property has no setter", "weights")
        raise Stop from None


def get_gradient(probe: Probe, layer: Any, what: str = "weights") -> Any:
    """The gradient of the weights, or of the bias, as the edition shows it.

    Raises
    ------
    Stop
    """
    method, attribute = f"get_gradient_{what}", f"gradient_{what}"
    if callable(getattr(layer, method, None)):
        return probe.call(method, getattr(layer, method))
    if probe.contract:
        probe.fault("missing-method", f"has no method {method}", method)
    if probe.call(attribute, hasattr, layer, attribute):
        return probe.call(attribute, getattr, layer, attribute)
    if not probe.contract:
        probe.fault("missing-property", f"has no property {attribute}", attribute)
    raise Stop


def updates_by_optimizer(log: list[Update]) -> Iterator[tuple[RecordingOptimizer, list[Update]]]:
    """The calls of each optimizer."""
    for optimizer in {id(update.optimizer): update.optimizer for update in log}.values():
        yield optimizer, [update for update in log if update.optimizer is optimizer]


def _chained(updates: list[Update]) -> bool:
    """Whether some update starts from the weights that one before it started from or returned: one array, several times."""
    for k, update in enumerate(updates):
        for earlier in updates[:k]:
            if near(update.weights, earlier.weights) or near(update.weights, earlier.weights - RATE * earlier.gradient):
                return True
    return False


def check_updates(probe: Probe, log: list[Update]) -> bool:
    """Whether one ``backward`` called the optimizers as it must: at all, once an array, each array its own."""
    if not log:
        probe.fault(
            "optimizer-not-called", "backward does not call the optimizer: the weights are not updated", "update"
        )
        return False
    if probe.contract and any(update.count == 2 for update in log):
        probe.fault(
            "delta-missing", "calculate_update gets two arguments; the first of three is the individual delta", "update"
        )
    for update in log:
        if update.weights.shape != update.gradient.shape:
            words = f"the optimizer gets weights of shape {update.weights.shape} and a gradient of shape {update.gradient.shape}"
            probe.fault("wrong-shape", words, "update")
            return False
    for _, updates in updates_by_optimizer(log):
        shapes = [update.weights.shape for update in updates]
        if len(set(shapes)) > 1:
            words = "one optimizer updates several weight arrays: each needs a copy of its own, or Adam's moments mix"
            probe.fault("optimizer-shared", words, "set_optimizer")
        elif len(updates) > 1 and not _chained(updates):
            words = f"one optimizer updates {len(updates)} weight arrays: each needs a copy of its own, or Adam's moments mix"
            probe.fault("optimizer-shared", words, "set_optimizer")
        elif len(updates) > 1:
            words = f"one backward calls the optimizer {len(updates)} times for the same weights; once is right"
            probe.fault("updated-repeatedly", words, "update")
            return False
    return True
