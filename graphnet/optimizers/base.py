"""What all optimizers share: the regularizer, checks, dtypes and state; a subclass adds one rule, ``step``."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import float_array, number, read_only, working_dtype
from graphnet.core.errors import ConfigError, RuleError
from graphnet.optimizers.checks import fitting_gradient, rule_result
from graphnet.optimizers.state import check_finite, check_fit, check_weights, checked_state

Array = npt.NDArray[Any]


class RegularizerLike(Protocol):
    """What an optimizer asks of a regularizer; any object that has both methods will do."""

    def calculate(self, weights: Array) -> Array:
        """What is added to the gradient, same shape as ``weights``."""

    def norm(self, weights: Array) -> float:
        """What is added to the loss."""


@dataclass(eq=False)
class Optimizer:
    """Base of the optimizers: turns weights and their gradient into new weights.

    A subclass is a dataclass whose fields are its configuration, and implements :meth:`step`. One that remembers
    something from step to step lists its arrays in ``state_names``, reads them with :meth:`recall` and replaces them
    with :meth:`keep`. Such an instance serves **one** weight array; give every array its own (:meth:`fresh`).

    Parameters
    ----------
    learning_rate : float, at least 0
        May be assigned between steps (a schedule).

    Attributes
    ----------
    elementwise : bool, of the class
        Whether each new weight follows from that weight, its gradient and its own moments alone, so that many layers'
        weights may be updated as one flat array with one instance; the Trainer then does so. False unless the class
        itself says ``elementwise = True``: a subclass does not inherit it, for its rule may be another one.

    Examples
    --------
    >>> @dataclass(eq=False)
    ... class SignDescent(Optimizer):
    ...     def step(self, rate, weights, gradient):
    ...         return weights - rate * np.sign(gradient)
    >>> SignDescent(0.5).calculate_update(1.0, [1.0, 2.0], [-3.0, 7.0])
    array([1.5, 1.5])
    """

    learning_rate: float = 0.01
    regularizer: RegularizerLike | None = field(default=None, init=False, repr=False)
    _state: dict[str, Array] = field(default_factory=dict, init=False, repr=False)

    state_names: ClassVar[tuple[str, ...]] = ()
    elementwise: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "elementwise" not in vars(cls):
            cls.elementwise = False

    def __post_init__(self) -> None:
        self.learning_rate = number(type(self).__name__, "learning_rate", self.learning_rate, 0.0)

    def step(self, rate: float, weights: Array, gradient: Array) -> Array:
        """The rule: new weights from ``weights`` and ``gradient``, float arrays of one shape that must not be written.

        ``rate`` is the learning rate times the layer's delta: a number, or an array of the weights' shape where
        several layers' weights lie in one flat array. Both come out the same where the rule is ``elementwise``.
        """
        raise RuleError(
            f"{type(self).__name__} has no step",
            expected="a method step(rate, weights, gradient)",
            remedy="Write it: it returns the new weights.",
        )

    def add_regularizer(self, regularizer: RegularizerLike) -> None:
        """Let each step also subtract ``rate * regularizer.calculate(weights)``; takes the place of an earlier one.

        Raises
        ------
        ConfigError
            The object has no ``calculate`` or no ``norm``.
        """
        missing = [name for name in ("calculate", "norm") if not callable(getattr(regularizer, name, None))]
        if missing:
            raise ConfigError(
                f"the regularizer has no {' and no '.join(missing)}",
                where=repr(self),
                expected="an object with calculate(weights) and norm(weights)",
                received=repr(regularizer),
                remedy="Use one of graphnet.regularizers, or write both methods.",
            )
        self.regularizer = regularizer

    def calculate_update(
        self, individual_delta: float, weight_tensor: npt.ArrayLike, gradient_tensor: npt.ArrayLike
    ) -> Any:
        """New weights: one step from ``weight_tensor`` against ``gradient_tensor``; neither is written.

        Parameters
        ----------
        individual_delta : float, at least 0
            Scales the learning rate for one layer: ``rate = learning_rate * individual_delta``.
        weight_tensor : array, list or number
            The weights ``w``. Integers count as float64.
        gradient_tensor : array, list or number
            The loss's gradient, of the weights' shape; one number counts for every weight.

        Returns
        -------
        array or numpy scalar
            New memory, the shape and the float dtype of the weights; a scalar for a scalar. float16 is computed in
            float32. The regularizer ``r`` sees the weights before the step and stays out of the moments:
            ``step(rate, w, gradient) - rate * r.calculate(w)``.

        Raises
        ------
        ShapeError
            The gradient has another shape, or the weights another one than in the steps before.
        DtypeError
            Complex numbers, booleans, objects.
        ConfigError
            The delta or the learning rate is negative or not finite.
        RuleError
            ``step`` or the regularizer returned something of another shape, no floats, or NaN or infinity.
        StateError
            What the optimizer would remember is not finite, as the square of an outlier that overflows: such weights
            would never move again. After any error the optimizer is as it was.
        """
        rate = self._rate(individual_delta)
        given = float_array(type(self).__name__, "weight_tensor", weight_tensor)
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            result = self._updated(rate, given, gradient_tensor)
        return result if isinstance(weight_tensor, np.ndarray) else result[()]

    def _updated(self, rate: float, given: Array, gradient_tensor: npt.ArrayLike) -> Array:
        """New weights, checked; the state is that of before after any error."""
        where = type(self).__name__
        weights = read_only(given.astype(working_dtype(given.dtype), copy=False))
        gradient = fitting_gradient(where, gradient_tensor, weights)
        check_fit(where, self._state, weights)
        former = dict(self._state)
        try:
            new = self._stepped(rate, weights, gradient)
            # A rule may hand its argument back; the caller may write what it gets.
            result = np.array(new, dtype=given.dtype, copy=np.may_share_memory(new, given) or None)
            check_weights(where, result)
            check_finite(where, self._state, gradient)
        except BaseException:
            self._state = former
            raise
        return result

    def recall(self, name: str, weights: Array) -> Array:
        """The array kept under ``name``; zeros like ``weights`` before the first step."""
        kept = self._state.get(name)
        return np.zeros_like(weights) if kept is None else kept

    def keep(self, **arrays: npt.ArrayLike) -> None:
        """Replace what is kept under these names; the former arrays are not written."""
        for name, value in arrays.items():
            array = np.asarray(value)
            # A view may show the caller's memory (step is given views), which the caller may write later.
            self._state[name] = array if array.base is None else array.copy()

    @property
    def step_count(self) -> int:
        """How many steps this instance has made, where its rule keeps ``step_count``; else 0."""
        return int(self._state.get("step_count", 0))

    def state(self) -> dict[str, Array]:
        """Copies of everything remembered between steps, by name; empty before the first step.

        Moments have the weights' shape; ``step_count`` is an int64 array without axes.
        """
        return {name: array.copy() for name, array in self._state.items()}

    def load_state(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Continue from what :meth:`state` of an equal optimizer returned; steps are then equal to the bit.

        Raises
        ------
        StateError
            The names are not this optimizer's, the step count is not one positive integer, or a number is not finite.
        ShapeError, DtypeError
            The arrays differ in shape, or hold no floats. After any error the optimizer is as it was.
        """
        self._state = checked_state(repr(self), self.state_names, state)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, plain values for a file: ``type(o)(**o.config())`` is a fresh ``o``."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(self) if part.init}

    def fresh(self) -> Self:
        """A copy with the same configuration and regularizer that remembers no step."""
        twin = copy.copy(self)
        twin._state = {}
        return twin

    def __copy__(self) -> Self:
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._state = self.state()
        return twin

    def _rate(self, individual_delta: float) -> float:
        delta = number(type(self).__name__, "individual_delta", individual_delta, 0.0)
        return delta * number(type(self).__name__, "learning_rate", self.learning_rate, 0.0)

    def _penalty(self, weights: Array) -> Array | None:
        if self.regularizer is None:
            return None
        return rule_result(self.regularizer, "calculate", self.regularizer.calculate(weights), weights, ())

    def _stepped(self, rate: float, weights: Array, gradient: Array) -> Array:
        """The rule and the regularizer, which sees the weights before the step."""
        penalty = self._penalty(weights)
        new = rule_result(self, "step", self.step(rate, weights, gradient), weights)
        return new if penalty is None else new - rate * penalty
