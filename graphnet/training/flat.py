"""Many weight arrays as one flat array, which one optimizer updates in one step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from graphnet.core.checks import float_array
from graphnet.core.describe import optimizer_step
from graphnet.core.describe.parameter import Array, Parameter, Weight
from graphnet.core.errors import ConfigError, ShapeError
from graphnet.optimizers import Optimizer
from graphnet.optimizers.checks import fitting_gradient
from graphnet.optimizers.clipping import scaled
from graphnet.optimizers.fused import FusedOptimizer
from graphnet.optimizers.state import all_finite, check_finite, check_weights
from graphnet.training.buffers import Buffers

#: How many squares are added up in the weights' own dtype.
PIECE = 2**15


@dataclass(frozen=True)
class Member:
    """One weight array of a graph: ``path/name``, the parameter, and the delta that holds for it.

    ``owner`` is the path of the layer.
    """

    place: str
    parameter: Parameter
    delta: float
    owner: str = ""


class FlatGroup:
    """Weight arrays of one dtype and delta, and one elementwise optimizer for all of them.

    From the first step on each ``parameter.value`` is a view of one flat array. A step writes the new weights into
    another flat array and gives the parameters views of that one, so that an array once handed out stays what it was.
    A value that somebody assigns in between counts: the next step starts from it, in the group's dtype.

    Parameters
    ----------
    members : list of Member
        At least one.
    optimizer : object
        With ``calculate_update``, of this group alone.

    Attributes
    ----------
    gradients : list of array
        Views of one flat array, in the members' order: a gradient that is already there (``parameter.gradient is
        group.gradients[i]``) need not be copied.
    """

    def __init__(self, members: list[Member], optimizer: Any) -> None:
        self.members, self.optimizer = members, optimizer
        self.dtype = members[0].parameter.value.dtype
        self.shapes = [member.parameter.value.shape for member in members]
        ends = list(accumulate(map(math.prod, self.shapes)))
        self.places = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        self._buffers = Buffers(ends[-1], self.dtype)
        self._values: Array | None = None
        self._views: list[Array] = []
        self._gradient = np.zeros(ends[-1], self.dtype)
        self.gradients = self._split(self._gradient)
        # BLAS adds float32 up in float32, which is exact enough for so many numbers and not for millions.
        self._pieces = [self._gradient[i : i + PIECE] for i in range(0, ends[-1], PIECE)]
        self._spare: dict[str, Array] = {}
        self._fused = fuses(optimizer)
        self._start = self._proposed = self._gradient

    @property
    def delta(self) -> float:
        """The delta of all members."""
        return self.members[0].delta

    def divided(self, members: list[list[Member]]) -> list[FlatGroup]:
        """Several groups that go on where this one is; each has the moments of its members, and the step count.

        Raises
        ------
        ConfigError
            If the optimizer cannot say what it remembers.
        """
        needed = ("state", "load_state", "fresh")
        if not all(callable(getattr(self.optimizer, name, None)) for name in needed):
            raise ConfigError(
                "the delta of some of the layers that share one optimizer has changed",
                where=f"{self.members[0].place} to {self.members[-1].place}, {type(self.optimizer).__name__}",
                expected=f"an optimizer with {', '.join(needed)}",
                remedy="Write these methods, or let the optimizer's class not say elementwise.",
            )
        state, at = self.optimizer.state(), dict(zip([m.place for m in self.members], self.places, strict=True))
        found = []
        for some in members:
            optimizer = self.optimizer.fresh()
            picked = [at[member.place] for member in some]
            optimizer.load_state({name: _picked(array, picked, self._gradient.size) for name, array in state.items()})
            found.append(FlatGroup(some, optimizer))
        return found

    # ------------------------------------------------------------------ one step
    def gather(self) -> float:
        """Read all gradients, and the weights that were assigned; returns the gradients' sum of squares.

        Raises
        ------
        StateError, ShapeError, DtypeError
            For a gradient that is missing or does not fit; for assigned weights that do not fit.
        """
        self._start = self._read_values()
        self._read_gradients()
        return sum(float(np.vdot(piece, piece)) for piece in self._pieces)

    def snapshot(self) -> Any:
        """What :meth:`restore` needs to undo :meth:`propose`."""
        return optimizer_step.optimizer_state(self.optimizer), dict(self._spare)

    def restore(self, kept: Any) -> None:
        """Put the optimizer back to what it was."""
        attributes, self._spare = kept
        optimizer_step.put_optimizer_state(self.optimizer, attributes)

    def propose(self, norm: float, limit: float | None) -> None:
        """Compute the new weights, from gradients scaled by ``limit / norm`` where there is a limit; put none in place.

        Raises
        ------
        RuleError
            If they are not finite, or not as many as the old ones.
        StateError
            If what the optimizer would remember is not finite.
        """
        gradient = self._gradient if limit is None else clipped(self._gradient, norm, limit)
        if self._fused:
            self._proposed = self._buffers.take()
            self.optimizer.update_into(self.delta, self._start, gradient, self._proposed, self._spare)
            self._check_finite()
        else:
            self._proposed = self._asked(gradient)

    def commit(self) -> None:
        """Give the parameters the weights that were proposed."""
        views = self._split(self._proposed)
        for member, view in zip(self.members, views, strict=True):
            member.parameter.value = view
        former, self._values, self._views = self._start, self._proposed, views
        self._proposed = self._start = self._gradient
        if self._fused:
            self._buffers.give(former)

    # ------------------------------------------------------------------ inside
    def _split(self, flat: Array) -> list[Array]:
        return [flat[at].reshape(shape) for at, shape in zip(self.places, self.shapes, strict=True)]

    def _read_values(self) -> Array:
        """The weights as one array: that of the last step, or another one where somebody assigned weights."""
        pairs = zip(self.members, self._views, strict=False)
        if self._values is not None and all(member.parameter.value is view for member, view in pairs):
            return self._values
        parts = [self._value(member, shape) for member, shape in zip(self.members, self.shapes, strict=True)]
        return np.concatenate(parts, out=self._buffers.take(), casting="same_kind")

    def _value(self, member: Member, shape: tuple[int, ...]) -> Array:
        value = float_array(member.place, "value", member.parameter.value)
        if value.shape != shape:
            raise ShapeError("weights of another shape", where=member.place, expected=shape, received=value.shape)
        return value.reshape(-1)

    def _read_gradients(self) -> None:
        found = [member.parameter.known_gradient() for member in self.members]
        present = [gradient is view for gradient, view in zip(found, self.gradients, strict=True)]
        if all(present):
            return
        parts = [self._fitting(g, view).reshape(-1) for g, view in zip(found, self.gradients, strict=True)]
        if any(np.may_share_memory(part, self._gradient) for part in parts):
            parts = [part.copy() for part in parts]
        np.concatenate(parts, out=self._gradient)

    def _fitting(self, gradient: Any, view: Array) -> Array:
        if isinstance(gradient, np.ndarray) and gradient.shape == view.shape and gradient.dtype == view.dtype:
            return gradient
        return fitting_gradient(type(self.optimizer).__name__, gradient, view)

    def _asked(self, gradient: Array) -> Array:
        """The new weights from an optimizer that returns them."""
        whole = Parameter("weights", Weight(self._start.shape), self._start)
        whole.optimizer, whole.gradient = self.optimizer, gradient
        names = [member.place for member in self.members]
        return optimizer_step.updated(whole, self.delta, names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}")

    def _check_finite(self) -> None:
        """Refuse new weights, then moments, that are not finite, with the place of the first ones."""
        moments = {name: self.optimizer._state[name] for name in self.optimizer.moments}
        if all(map(all_finite, (self._proposed, *moments.values()))):
            return
        kind = f"optimizer {type(self.optimizer).__name__}"
        for member, at in zip(self.members, self.places, strict=True):
            check_weights(f"{member.place}, {kind}", self._proposed[at])
        for member, at in zip(self.members, self.places, strict=True):
            found = {name: array[at] for name, array in moments.items()}
            check_finite(f"{member.place}, {kind}", found, self._gradient[at])


def _picked(array: Array, places: list[slice], size: int) -> Array:
    """Parts of a moment, which has one number for each weight; anything else (a step count) as it is."""
    return np.concatenate([array[at] for at in places]) if array.shape == (size,) else array


def fuses(optimizer: Any) -> bool:
    """Whether an optimizer's whole step is its ``rule``: it is a FusedOptimizer, and no subclass wraps the rule."""
    return isinstance(optimizer, FusedOptimizer) and all(
        getattr(type(optimizer), name) is getattr(base, name)
        for name, base in (("step", FusedOptimizer), ("calculate_update", Optimizer))
    )


def clipped(gradient: Array, norm: float, limit: float) -> Array:
    """``gradient * limit / norm`` where the norm is above the limit; else the gradient itself."""
    if norm <= limit:
        return gradient
    factor = limit / norm
    # A factor that its dtype cannot hold to full precision would lose the gradient.
    return gradient * factor if factor >= np.finfo(gradient.dtype).tiny else scaled(gradient, norm, limit)
