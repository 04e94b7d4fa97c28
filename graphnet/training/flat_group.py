"""Several weight arrays as one flat array, which one optimizer updates in one step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import numpy as np

from graphnet.core.checks import float_array
from graphnet.core.describe import optimizer_step
from graphnet.core.describe.parameter import Array, Parameter, Weight
from graphnet.core.elementwise_kernels import Compiler
from graphnet.core.errors import ConfigError, NonFiniteError, ShapeError
from graphnet.optimizers import Optimizer
from graphnet.optimizers.checks import fitting_gradient
from graphnet.optimizers.clipping import clipped
from graphnet.optimizers.fused import FusedOptimizer
from graphnet.optimizers.fused_step import FusedStep
from graphnet.optimizers.state import all_finite, check_finite, check_weights
from graphnet.training.array_pool import ArrayPool
from graphnet.training.group_member import GroupMember, decay_of

#: The number of squares that are summed in the dtype of the weights.
CHUNK = 2**15


class FlatGroup:
    """Weight arrays of one dtype and delta, and one elementwise optimizer for all of them.

    After the first step each ``parameter.value`` is a view of one flat array. A step writes the new weights into
    another flat array and assigns views of it to the parameters, so an array that has been read keeps its values. A
    value that is assigned between steps is used: the next step starts from it, in the dtype of the group.

    Parameters
    ----------
    members : list of GroupMember
        At least one.
    optimizer : object
        With ``calculate_update``; used by this group only.
    compiler : Compiler, optional
        Compiles the step of an optimizer that is fused.

    Attributes
    ----------
    gradients : list of array
        Views of one flat array, in the order of the members. A gradient that already lies there (``parameter.gradient
        is group.gradients[i]``) is not copied.
    """

    def __init__(self, members: list[GroupMember], optimizer: Any, compiler: Compiler | None = None) -> None:
        self.members, self.optimizer, self._compiler = members, optimizer, compiler
        self._kernels = None if compiler is None else FusedStep(compiler)
        self.dtype = members[0].parameter.value.dtype
        self.shapes = [member.parameter.value.shape for member in members]
        ends = list(accumulate(map(math.prod, self.shapes)))
        self.slices = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        self._pool = ArrayPool(ends[-1], self.dtype)
        self._values: Array | None = None
        self._views: list[Array] = []
        self._gradient = np.zeros(ends[-1], self.dtype)
        self.gradients = self._views_of(self._gradient)
        # BLAS sums float32 in float32, which is exact enough for a chunk and not for millions of numbers.
        self._chunks = [self._gradient[i : i + CHUNK] for i in range(0, ends[-1], CHUNK)]
        self._spare_moments: dict[str, Array] = {}
        self._tiny = float(np.finfo(self.dtype).tiny)
        self._fused = is_fused(optimizer)
        self._start = self._proposed = self._gradient

    @property
    def delta(self) -> float:
        """The delta of all members."""
        return self.members[0].delta

    def split(self, members: list[list[GroupMember]]) -> list[FlatGroup]:
        """Several groups in place of this one, each with the moments of its members and the step count.

        Raises
        ------
        ConfigError
            If the state of the optimizer cannot be read.
        """
        needed = ("state", "load_state", "fresh")
        if not all(callable(getattr(self.optimizer, name, None)) for name in needed):
            raise ConfigError(
                "the delta of some of the layers that share one optimizer has changed",
                where=f"{self.members[0].path} to {self.members[-1].path}, {type(self.optimizer).__name__}",
                expected=f"an optimizer with {', '.join(needed)}",
                remedy="Write these methods, or remove elementwise from the optimizer's class.",
            )
        state = self.optimizer.state()
        slices = dict(zip([member.path for member in self.members], self.slices, strict=True))
        groups = []
        for group_members in members:
            optimizer = self.optimizer.fresh()
            parts = [slices[member.path] for member in group_members]
            optimizer.load_state({name: _select(array, parts, self._gradient.size) for name, array in state.items()})
            groups.append(FlatGroup(group_members, optimizer, self._compiler))
        return groups

    # ------------------------------------------------------------------ one step
    def gather(self) -> float:
        """Read all gradients and any newly assigned weights; return the sum of squares of the gradients.

        Raises
        ------
        StateError, ShapeError, DtypeError
            If a gradient is missing or does not fit; if assigned weights do not fit.
        """
        self._start = self._read_values()
        self._read_gradients()
        if len(self._chunks) == 1:
            return float(np.vdot(self._gradient, self._gradient))
        return sum(float(np.vdot(chunk, chunk)) for chunk in self._chunks)

    def snapshot(self) -> Any:
        """The state that :meth:`restore` needs to undo :meth:`propose`."""
        return optimizer_step.optimizer_state(self.optimizer), dict(self._spare_moments)

    def restore(self, snapshot: Any) -> None:
        """Restore the optimizer."""
        state, self._spare_moments = snapshot
        optimizer_step.put_optimizer_state(self.optimizer, state)

    def propose(self, norm: float, limit: float | None) -> None:
        """Compute the new weights without assigning them; with a limit, gradients are scaled by ``limit / norm``.

        The rows that are not decayed get back what weight decay and regularizer have taken from them.

        Raises
        ------
        RuleError
            If the new weights are not finite, or differ from the old ones in number.
        StateError
            If the new state of the optimizer is not finite.
        """
        self._compute(norm, limit)
        for member, at, shape in zip(self.members, self.slices, self.shapes, strict=True):
            if member.undecayed:
                new, old = (member.undecayed_part(flat[at].reshape(shape)) for flat in (self._proposed, self._start))
                new += decay_of(self.optimizer, member.delta, old)

    def _compute(self, norm: float, limit: float | None) -> None:
        if not self._fused:
            gradient = self._gradient if limit is None else clipped(self._gradient, norm, limit)
            self._proposed = self._calculate_update(gradient)
            return
        gradient, factor = self._gradient, 1.0
        if limit is not None and not norm <= limit:
            factor = limit / norm
            if not factor >= self._tiny:
                gradient, factor = clipped(gradient, norm, limit), 1.0
        self._proposed = self._pool.acquire()
        arrays = self._start, gradient, self._proposed, self._spare_moments
        if not self.optimizer.update_into(self.delta, *arrays, self._kernels, factor):
            self._check_finite()

    def commit(self) -> None:
        """Assign the proposed weights to the parameters."""
        views = self._views_of(self._proposed)
        for member, view in zip(self.members, views, strict=True):
            member.parameter.value = view
        previous, self._values, self._views = self._start, self._proposed, views
        self._proposed = self._start = self._gradient
        if self._fused:
            self._pool.release(previous)

    # ------------------------------------------------------------------ inside
    def _views_of(self, flat: Array) -> list[Array]:
        return [flat[at].reshape(shape) for at, shape in zip(self.slices, self.shapes, strict=True)]

    def _read_values(self) -> Array:
        """The weights as one array: that of the last step, or a new one if weights were assigned since."""
        if self._values is not None:
            for member, view in zip(self.members, self._views, strict=True):
                if member.parameter.value is not view:
                    break
            else:
                return self._values
        parts = [self._value(member, shape) for member, shape in zip(self.members, self.shapes, strict=True)]
        return np.concatenate(parts, out=self._pool.acquire(), casting="same_kind")

    def _value(self, member: GroupMember, shape: tuple[int, ...]) -> Array:
        value = float_array(member.path, "value", member.parameter.value)
        if value.shape != shape:
            raise ShapeError("weights of another shape", where=member.path, expected=shape, received=value.shape)
        return value.reshape(-1)

    def _read_gradients(self) -> None:
        parts, elsewhere, in_place, dtype = [], False, False, self.dtype
        for member, view, shape in zip(self.members, self.gradients, self.shapes, strict=True):
            gradient = member.parameter.gradient
            if gradient is view:
                in_place = True
            else:
                elsewhere = True
                if type(gradient) is not np.ndarray or gradient.shape != shape or gradient.dtype != dtype:
                    gradient = self._fitting(member.parameter.known_gradient(), view)
                if gradient.base is not None and np.may_share_memory(gradient, self._gradient):
                    gradient = gradient.copy()
            parts.append(gradient)
        if not elsewhere:
            return
        if in_place:
            parts = [part.copy() for part in parts]
        np.concatenate(parts, axis=None, out=self._gradient)

    def _fitting(self, gradient: Any, view: Array) -> Array:
        if isinstance(gradient, np.ndarray) and gradient.shape == view.shape and gradient.dtype == view.dtype:
            return gradient
        return fitting_gradient(type(self.optimizer).__name__, gradient, view)

    def _calculate_update(self, gradient: Array) -> Array:
        """The new weights from an optimizer that returns a new array."""
        flat = Parameter("weights", Weight(self._start.shape), self._start)
        flat.optimizer, flat.gradient = self.optimizer, gradient
        paths = [member.path for member in self.members]
        where = paths[0] if len(paths) == 1 else f"{paths[0]} to {paths[-1]}"
        try:
            return optimizer_step.updated(flat, self.delta, where)
        except NonFiniteError as error:
            raise self._placed(error) from None

    def _placed(self, error: NonFiniteError) -> NonFiniteError:
        """The error for an element of the flat array, with the weight array and the element in it."""
        if error.element is not None and len(error.element) == 1:
            for member, at, shape in zip(self.members, self.slices, self.shapes, strict=True):
                if at.start <= error.element[0] < at.stop:
                    error.element = tuple(int(i) for i in np.unravel_index(error.element[0] - at.start, shape))
                    error.received = f"{str(error.received).partition(' at ')[0]} at {list(error.element)}"
                    return error.at(member.path).about(member.path)  # type: ignore[return-value]
        return error

    def _check_finite(self) -> None:
        """Raise an error if new weights or moments are not finite; it names the first array that is not."""
        moments = self.optimizer.moment_arrays()
        if all(map(all_finite, (self._proposed, *moments.values()))):
            return
        kind = f"optimizer {type(self.optimizer).__name__}"
        members = list(zip(self.members, self.slices, self.shapes, strict=True))
        for member, at, shape in members:
            with about(member.path):
                check_weights(f"{member.path}, {kind}", self._proposed[at].reshape(shape))
        for member, at, shape in members:
            parts = {name: array[at].reshape(shape) for name, array in moments.items()}
            with about(member.path):
                check_finite(f"{member.path}, {kind}", parts, self._gradient[at])


@contextmanager
def about(path: str) -> Iterator[None]:
    """Make a weight array the subject of an error."""
    try:
        yield
    except NonFiniteError as error:
        raise error.about(path) from None


def _select(array: Array, parts: list[slice], size: int) -> Array:
    """Parts of a moment, which has one number for each weight; any other array, such as a step count, unchanged."""
    return np.concatenate([array[part] for part in parts]) if array.shape == (size,) else array


def is_fused(optimizer: Any) -> bool:
    """Whether ``rule`` is the whole step of an optimizer: a FusedOptimizer whose subclass does not wrap the rule."""
    return isinstance(optimizer, FusedOptimizer) and all(
        getattr(type(optimizer), name) is getattr(base, name)
        for name, base in (("step", FusedOptimizer), ("calculate_update", Optimizer))
    )
