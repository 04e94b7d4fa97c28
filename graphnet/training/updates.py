"""One optimizer step for all weights of a graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphnet.core import weights
from graphnet.core.numpy_backend.thread_policy import combined, of_rules
from graphnet.core.parameter import Array, Parameter
from graphnet.core.runner import Runner
from graphnet.optimizers.clipping import global_norm
from graphnet.training.config import TrainingConfig
from graphnet.training.flat import FlatGroup, Member, clipped
from graphnet.training.schedule import rate_factor


class Updates:
    """The optimizers of a training run, apart from those that the layers hold.

    Weight arrays of one dtype and delta (and both with the regularizer, or both without) are updated together, as one
    flat array, where optimizer and regularizer say that they are ``elementwise``; see :class:`FlatGroup`. Every other
    weight array has an optimizer of its own. The results are the same but for rounding.

    Parameters
    ----------
    runner : Runner
        With all its weights made.
    config : TrainingConfig

    Attributes
    ----------
    threads : int or None
        BLAS threads of a step: 1, unless an optimizer of a single large array might multiply matrices; None: no limit.
    """

    def __init__(self, runner: Runner, config: TrainingConfig) -> None:
        self.config = config
        self.members = [
            Member(f"{path}/{name}", parameter, layer.delta)
            for path, layer in runner.layers.items()
            for name, parameter in layer._parameters.items()
        ]
        groups: dict[Any, list[Member]] = {}
        for i, member in enumerate(self.members):
            groups.setdefault(self._key(member) or i, []).append(member)
        self.parts: list[FlatGroup | SingleArray] = [
            (FlatGroup if isinstance(key, tuple) else SingleArray)(group, self._optimizer(group[0].parameter))
            for key, group in groups.items()
        ]
        alone = [part.member.parameter.value.shape for part in self.parts if isinstance(part, SingleArray)]
        self.threads = combined("float64", [of_rules("float64", [s], [s], [s]) for s in alone]).whole

    def _key(self, member: Member) -> tuple[Any, ...] | None:
        """What arrays of one group have in common; None for an array that cannot be in one."""
        dtype, held = member.parameter.value.dtype, self._regularized(member.parameter)
        rules = [self.config.optimizer, *([self.config.regularizer] if held else [])]
        if dtype.name not in ("float32", "float64") or not isinstance(member.delta, (int, float)):
            return None
        return (dtype, member.delta, held) if all(getattr(r, "elementwise", False) is True for r in rules) else None

    def _regularized(self, parameter: Parameter) -> bool:
        return self.config.regularizer is not None and parameter.spec.kind != "bias"

    def _optimizer(self, parameter: Parameter) -> Any:
        made = weights.copied(self.config.optimizer)
        if self._regularized(parameter):
            made.add_regularizer(self.config.regularizer)
        return made

    def set_epoch(self, epoch: int) -> float | None:
        """Set the learning rate of an epoch; None where the optimizer has no such attribute."""
        first: float | None = getattr(self.config.optimizer, "learning_rate", None)
        if first is None:
            return None
        rate = first * rate_factor(self.config, epoch)
        for part in self.parts:
            part.optimizer.learning_rate = rate
        return rate

    def penalty(self) -> float:
        """The regularizer's norm of all weights that it holds for; 0 without one."""
        regularizer = self.config.regularizer
        if regularizer is None:
            return 0.0
        return sum(float(regularizer.norm(m.parameter.value)) for m in self.members if self._regularized(m.parameter))

    def step(self) -> float:
        """Update all weights from their gradients, or none; returns the gradients' common norm before clipping.

        Raises
        ------
        DataError
            If the norm is not finite and gradients are to be clipped.
        RuleError
            If an optimizer returns anything but finite numbers of the weights' shape. Weights and optimizers are as
            they were after any error.
        """
        norm = self._norm(sum(part.gather() for part in self.parts))
        before = [part.snapshot() for part in self.parts]
        try:
            for part in self.parts:
                part.propose(norm, self.config.clip_norm)
        except BaseException:
            for part, kept in zip(self.parts, before, strict=True):
                part.restore(kept)
            raise
        for part in self.parts:
            part.commit()
        return norm

    def _norm(self, squares: float) -> float:
        """The root of the gradients' sum of squares, computed again with care where that overflowed or vanished."""
        if self.config.clip_norm is None:
            return math.sqrt(squares)
        size = sum(member.parameter.value.size for member in self.members)
        # What squares lose by falling below the least float32 is then less than rounding.
        if math.isfinite(squares) and squares > size * float(np.finfo(np.float32).tiny) / np.finfo(np.float32).eps:
            return math.sqrt(squares)
        return global_norm([np.asarray(weights.gradient(member.parameter)) for member in self.members])


class SingleArray:
    """One weight array with an optimizer of its own; its methods are those of :class:`FlatGroup`."""

    def __init__(self, members: list[Member], optimizer: Any) -> None:
        (self.member,) = members
        self.optimizer = optimizer
        self._gradient: Array = np.zeros(())
        self._proposed: Array = self._gradient

    def gather(self) -> float:
        """Read the gradient; returns its sum of squares."""
        self._gradient = weights.gradient(self.member.parameter)
        return float(np.vdot(self._gradient, self._gradient))

    def snapshot(self) -> Any:
        """What :meth:`restore` needs to undo :meth:`propose`."""
        return weights._snapshot(self.optimizer)

    def restore(self, kept: Any) -> None:
        """Put the optimizer back to what it was."""
        if kept is not None:
            vars(self.optimizer).clear()
            vars(self.optimizer).update(kept)

    def propose(self, norm: float, limit: float | None) -> None:
        """Compute the new weights; put none in place."""
        parameter = self.member.parameter
        # A stand-in carries the run's optimizer and the clipped gradient; the layer's own stay as they are.
        stand_in = Parameter(parameter.name, parameter.spec, parameter.value)
        stand_in.optimizer = self.optimizer
        stand_in.gradient = self._gradient if limit is None else clipped(self._gradient, norm, limit)
        self._proposed = weights.updated(stand_in, self.member.delta, self.member.place)

    def commit(self) -> None:
        """Give the parameter the weights that were proposed."""
        self.member.parameter.value = self._proposed
