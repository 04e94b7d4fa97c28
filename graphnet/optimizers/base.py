"""The base of all optimizers: regularizer, checks, dtypes and state; a subclass adds the rule, ``step``."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self, overload

import numpy as np
import numpy.typing as npt

from graphnet.core.arguments import ArgumentError
from graphnet.core.checks import float_array, number, read_only, working_dtype
from graphnet.core.errors import ConfigError, RuleError
from graphnet.optimizers.checks import fitting_gradient, penalty, rule_result
from graphnet.optimizers.state import check_finite, check_fit, check_weights, checked_state

Array = npt.NDArray[Any]


#: Marks an argument that was left out.
ABSENT: Any = object()


class RegularizerLike(Protocol):
    """The methods that an optimizer needs of a regularizer; ``calculate_gradient`` may stand for ``calculate``."""

    def calculate(self, weights: Array) -> Array:
        """The term that is added to the gradient, with the shape of ``weights``."""

    def norm(self, weights: Array) -> float:
        """The term that is added to the loss."""


@dataclass(eq=False)
class Optimizer:
    """Base of the optimizers: computes new weights from weights and their gradient.

    A subclass is a dataclass whose fields are its configuration, and implements :meth:`step`. A subclass with state
    lists its arrays in ``state_names``, reads them with :meth:`recall` and replaces them with :meth:`keep`. An instance
    with state updates **one** weight array; every array needs its own instance (:meth:`fresh`).

    Parameters
    ----------
    learning_rate : float, at least 0
        May be assigned between steps, as by a schedule.

    Attributes
    ----------
    elementwise : bool, of the class
        Whether each new weight depends only on that weight, its gradient and its moments. The Trainer then updates the
        weights of several layers as one flat array with one instance. False unless the class itself sets
        ``elementwise = True``: it is not inherited, because a subclass may change the rule.

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

        ``rate`` is the learning rate times the delta of the layer: a number, or an array of the shape of the weights if
        they are those of several layers in one flat array.
        """
        raise RuleError(
            f"{type(self).__name__} has no step",
            expected="a method step(rate, weights, gradient)",
            remedy="Implement it; it returns the new weights.",
        )

    def add_regularizer(self, regularizer: RegularizerLike) -> None:
        """Make each step also subtract ``rate * regularizer.calculate(weights)``; replaces an earlier regularizer.

        The method may be called ``calculate_gradient`` instead, as in later editions of the exercise.

        Raises
        ------
        ConfigError
            If the object has no ``calculate`` (or ``calculate_gradient``) or no ``norm``.
        """
        rule = "calculate" if callable(getattr(regularizer, "calculate", None)) else "calculate_gradient"
        missing = [name for name in (rule, "norm") if not callable(getattr(regularizer, name, None))]
        missing = ["calculate" if name == "calculate_gradient" else name for name in missing]
        if missing:
            raise ConfigError(
                f"the regularizer has no {' and no '.join(missing)}",
                where=repr(self),
                expected="an object with calculate(weights) and norm(weights)",
                received=repr(regularizer),
                remedy="Use one of graphnet.regularizers, or implement both methods.",
            )
        self.regularizer = regularizer

    @overload
    def calculate_update(
        self, individual_delta: float, weight_tensor: npt.ArrayLike, gradient_tensor: npt.ArrayLike, /
    ) -> Any: ...
    @overload
    def calculate_update(self, weight_tensor: npt.ArrayLike, gradient_tensor: npt.ArrayLike, /) -> Any: ...
    @overload
    def calculate_update(
        self, individual_delta: float = 1.0, *, weight_tensor: npt.ArrayLike, gradient_tensor: npt.ArrayLike
    ) -> Any: ...
    def calculate_update(
        self, individual_delta: Any = ABSENT, weight_tensor: Any = ABSENT, gradient_tensor: Any = ABSENT
    ) -> Any:
        """New weights: one step from ``weight_tensor`` against ``gradient_tensor``; neither is written.

        Also called as ``calculate_update(weight_tensor, gradient_tensor)``, as in later editions of the exercise; the
        delta is 1 then.

        Parameters
        ----------
        individual_delta : float, at least 0
            Scales the learning rate for one layer: ``rate = learning_rate * individual_delta``. Left out: 1.
        weight_tensor : array, list or number
            The weights ``w``. Integers are converted to float64.
        gradient_tensor : array, list or number
            The gradient of the loss, with the shape of the weights; a single number applies to every weight.

        Returns
        -------
        array or numpy scalar
            A new array with the shape and the float dtype of the weights; a scalar for a scalar. float16 is computed in
            float32. The regularizer ``r`` reads the weights before the step and does not enter the moments:
            ``step(rate, w, gradient) - rate * r.calculate(w)``.

        Raises
        ------
        ShapeError
            If the gradient has another shape, or the weights another one than in earlier steps.
        DtypeError
            If an array is complex, boolean or of objects.
        ConfigError
            If the delta or the learning rate is negative or not finite; an ArgumentError without weights or gradient.
        RuleError
            If ``step`` or the regularizer returns another shape, other values than floats, or NaN or infinity.
        StateError
            If the new state is not finite, for example because the square of an outlier overflows: later steps would
            not change the weights any more. After any error the optimizer is unchanged.
        """
        individual_delta, weight_tensor, gradient_tensor = self._arguments(
            individual_delta, weight_tensor, gradient_tensor
        )
        rate = self._rate(individual_delta)
        array = float_array(type(self).__name__, "weight_tensor", weight_tensor)
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            result = self._updated(rate, array, gradient_tensor)
        return result if isinstance(weight_tensor, np.ndarray) else result[()]

    def _arguments(self, *given: Any) -> tuple[Any, Any, Any]:
        """Delta, weights and gradient from the arguments of ``calculate_update``, of which one may be left out."""
        delta, weights, gradient = given
        if gradient is ABSENT and delta is not ABSENT and weights is not ABSENT:
            delta, weights, gradient = 1.0, delta, weights
        if weights is ABSENT or gradient is ABSENT:
            raise ArgumentError(
                "an argument is missing",
                where=f"{type(self).__name__}.calculate_update",
                expected="(individual_delta, weight_tensor, gradient_tensor) or (weight_tensor, gradient_tensor)",
                received=f"{sum(argument is not ABSENT for argument in given)} arguments",
            )
        return 1.0 if delta is ABSENT else delta, weights, gradient

    def _updated(self, rate: float, array: Array, gradient_tensor: npt.ArrayLike) -> Array:
        """Checked new weights; after any error the state is unchanged."""
        where = type(self).__name__
        weights = read_only(array.astype(working_dtype(array.dtype), copy=False))
        gradient = fitting_gradient(where, gradient_tensor, weights)
        check_fit(where, self._state, weights)
        previous = dict(self._state)
        try:
            new = self._stepped(rate, weights, gradient)
            # A rule may return its argument, and the caller may write to the result.
            result = np.array(new, dtype=array.dtype, copy=np.may_share_memory(new, array) or None)
            check_weights(where, result)
            check_finite(where, self._state, gradient)
        except BaseException:
            self._state = previous
            raise
        return result

    def recall(self, name: str, weights: Array) -> Array:
        """The state array ``name``; zeros like ``weights`` before the first step."""
        array = self._state.get(name)
        return np.zeros_like(weights) if array is None else array

    def keep(self, **arrays: npt.ArrayLike) -> None:
        """Replace state arrays; the previous arrays are not written."""
        for name, value in arrays.items():
            array = np.asarray(value)
            # A view may refer to memory of the caller (the arguments of step are views), which may be written later.
            self._state[name] = array if array.base is None else array.copy()

    @property
    def step_count(self) -> int:
        """The number of steps of this instance, if its rule keeps ``step_count``; else 0."""
        return int(self._state.get("step_count", 0))

    def state(self) -> dict[str, Array]:
        """Copies of all state arrays by name; empty before the first step.

        Moments have the shape of the weights; ``step_count`` is an int64 array without axes.
        """
        return {name: array.copy() for name, array in self._state.items()}

    def load_state(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Continue from the :meth:`state` of an optimizer of the same configuration; steps are then equal to the bit.

        Raises
        ------
        StateError
            If the names are not those of this optimizer, the step count is not a positive integer, or a number is not
            finite.
        ShapeError, DtypeError
            If the arrays differ in shape, or do not hold floats. After any error the optimizer is unchanged.
        """
        self._state = checked_state(repr(self), self.state_names, state)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, as plain values: ``type(o)(**o.config())`` is a copy without state."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(self) if part.init}

    def fresh(self) -> Self:
        """A copy with the same configuration and regularizer, without state."""
        duplicate = copy.copy(self)
        duplicate._state = {}
        return duplicate

    def __copy__(self) -> Self:
        duplicate = object.__new__(type(self))
        duplicate.__dict__.update(self.__dict__)
        duplicate._state = self.state()
        return duplicate

    def _rate(self, individual_delta: float) -> float:
        delta = number(type(self).__name__, "individual_delta", individual_delta, 0.0)
        return delta * number(type(self).__name__, "learning_rate", self.learning_rate, 0.0)

    def _penalty(self, weights: Array) -> Array | None:
        if self.regularizer is None:
            return None
        return penalty(self.regularizer, weights)

    def _stepped(self, rate: float, weights: Array, gradient: Array) -> Array:
        """The rule and the regularizer, which reads the weights before the step."""
        term = self._penalty(weights)
        new = rule_result(self, "step", self.step(rate, weights, gradient), weights)
        return new if term is None else new - rate * term
