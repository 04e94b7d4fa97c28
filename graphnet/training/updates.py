"""One optimizer step for all weights of a graph."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from graphnet.core.describe import deltas, optimizer_step
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.errors import DataError
from graphnet.core.norms import euclidean
from graphnet.core.run.numpy_backend.thread_policy import combined, of_rules
from graphnet.core.run.runner import Runner
from graphnet.optimizers.clipping import global_norm
from graphnet.training.config import TrainingConfig
from graphnet.training.flat import FlatGroup, Member, clipped
from graphnet.training.schedule import rate_factor


class Updates:
    """The optimizers of a training run, apart from those that the layers hold.

    Weight arrays of one dtype and delta (and both with the regularizer, or both without) are updated together, as one
    flat array, where optimizer and regularizer say that they are ``elementwise``; see :class:`FlatGroup`. Every other
    weight array has an optimizer of its own. The results are the same but for rounding.

    The delta of a layer is its own times those of the composite layers around it, as they are at each step. A layer
    whose delta is 0 is frozen: its weights and moments stay bit for bit as they are, and it counts neither in the
    gradients' norm nor in the penalty. A layer whose delta changes keeps its moments and its step count.

    Parameters
    ----------
    runner : Runner
        With all its weights made.
    config : TrainingConfig

    Attributes
    ----------
    threads : int or None
        BLAS threads of a step: 1, unless an optimizer of a single large array might multiply matrices; None: no limit.

    Raises
    ------
    ConfigError
        For a delta that is not a finite number of at least 0, or several deltas of one shared layer.
    """

    def __init__(self, runner: Runner, config: TrainingConfig) -> None:
        self.config = config
        graph = getattr(runner, "graph", None)
        alone: deltas.Chains = {path: [(layer,)] for path, layer in runner.layers.items()}
        self._chains = alone if graph is None else deltas.chains(graph)
        self._deltas = deltas.effective(self._chains)
        self.members = [
            Member(f"{path}/{name}", parameter, self._deltas[path], path)
            for path, layer in runner.layers.items()
            for name, parameter in layer.params.items()
        ]
        groups: dict[Any, list[Member]] = {}
        for i, member in enumerate(self.members):
            groups.setdefault(self._key(member) or i, []).append(member)
        self.parts: list[FlatGroup | SingleArray] = [
            (FlatGroup if isinstance(key, tuple) else SingleArray)(group, self._optimizer(group[0].parameter))
            for key, group in groups.items()
        ]
        single = [part.member.parameter.value.shape for part in self.parts if isinstance(part, SingleArray)]
        self.threads = combined("float64", [of_rules("float64", [s], [s], [s]) for s in single]).whole

    def _key(self, member: Member) -> tuple[Any, ...] | None:
        """What arrays of one group have in common; None for an array that cannot be in one."""
        dtype, held = member.parameter.value.dtype, self._regularized(member.parameter)
        rules = [self.config.optimizer, *([self.config.regularizer] if held else [])]
        if dtype.name not in ("float32", "float64"):
            return None
        return (dtype, member.delta, held) if all(getattr(r, "elementwise", False) is True for r in rules) else None

    def _regularized(self, parameter: Parameter) -> bool:
        return self.config.regularizer is not None and parameter.spec.kind != "bias"

    def _optimizer(self, parameter: Parameter) -> Any:
        made = optimizer_step.copied(self.config.optimizer)
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
        """The regularizer's norm of all weights that it holds for and that are not frozen; 0 without one."""
        regularizer = self.config.regularizer
        if regularizer is None:
            return 0.0
        self._read_deltas()
        held = [m.parameter for m in self.members if m.delta and self._regularized(m.parameter)]
        return sum(float(regularizer.norm(parameter.value)) for parameter in held)

    def step(self) -> float:
        """Update all weights from their gradients, or none; returns the gradients' common norm before clipping.

        Frozen layers are left out of both.

        Raises
        ------
        DataError
            If the norm is not finite and gradients are to be clipped.
        RuleError
            If an optimizer returns anything but finite numbers of the weights' shape.
        StateError
            If what an optimizer would remember is not finite.
        ConfigError
            If a delta cannot be used. Weights and optimizers are as they were after any error.
        """
        self._read_deltas()
        live = [part for part in self.parts if part.delta]
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            norm = self._norm(sum(part.gather() for part in live))
            before = [part.snapshot() for part in live]
            try:
                for part in live:
                    part.propose(norm, self.config.clip_norm)
            except BaseException:
                for part, kept in zip(live, before, strict=True):
                    part.restore(kept)
                raise
        for part in live:
            part.commit()
        return norm

    def _norm(self, squares: float) -> float:
        """The root of the gradients' sum of squares, computed again with care where that overflowed or vanished."""
        live = [member for member in self.members if member.delta]
        size = sum(member.parameter.value.size for member in live)
        # What squares lose by falling below the least float32 is then less than rounding.
        if math.isfinite(squares) and squares > size * float(np.finfo(np.float32).tiny) / np.finfo(np.float32).eps:
            return math.sqrt(squares)
        gradients = [np.asarray(member.parameter.known_gradient()) for member in live]
        if self.config.clip_norm is None:
            return euclidean(gradients)
        try:
            return global_norm(gradients)
        except DataError as error:
            bad = [m.place for m, g in zip(live, gradients, strict=True) if not np.isfinite(g).all()]
            raise error.at(", ".join(bad[:3]) or "all gradients") from None

    # ------------------------------------------------------------------ deltas
    def _read_deltas(self) -> None:
        """Take up deltas that were set since the last step; all of them, or none."""
        found = deltas.effective(self._chains)
        if found == self._deltas:
            return
        regrouped = [_by_delta(part.members, found) for part in self.parts]
        pairs = list(zip(self.parts, regrouped, strict=True))
        divided = [part.divided(groups) if len(groups) > 1 else [part] for part, groups in pairs]
        for part, groups in pairs:
            if len(groups) == 1:
                part.members = groups[0]
        self.parts = [part for some in divided for part in some]
        members = {member.place: member for part in self.parts for member in part.members}
        self.members, self._deltas = [members[member.place] for member in self.members], found


def _by_delta(members: list[Member], found: dict[str, float]) -> list[list[Member]]:
    """The members with their new deltas, those of one delta together."""
    groups: dict[float, list[Member]] = {}
    for member in members:
        delta = found[member.owner]
        groups.setdefault(delta, []).append(replace(member, delta=delta))
    return list(groups.values())


class SingleArray:
    """One weight array with an optimizer of its own; its methods are those of :class:`FlatGroup`."""

    def __init__(self, members: list[Member], optimizer: Any) -> None:
        self.members, self.optimizer = members, optimizer
        self._gradient: Array = np.zeros(())
        self._proposed: Array = self._gradient

    @property
    def member(self) -> Member:
        """The one member."""
        return self.members[0]

    @property
    def delta(self) -> float:
        """Its delta."""
        return self.member.delta

    def divided(self, members: list[list[Member]]) -> list[SingleArray]:
        """Itself: one array has one delta."""
        return [self]

    def gather(self) -> float:
        """Read the gradient; returns its sum of squares."""
        self._gradient = self.member.parameter.known_gradient()
        return float(np.vdot(self._gradient, self._gradient))

    def snapshot(self) -> Any:
        """What :meth:`restore` needs to undo :meth:`propose`."""
        return optimizer_step.optimizer_state(self.optimizer)

    def restore(self, kept: Any) -> None:
        """Put the optimizer back to what it was."""
        optimizer_step.put_optimizer_state(self.optimizer, kept)

    def propose(self, norm: float, limit: float | None) -> None:
        """Compute the new weights; put none in place."""
        parameter = self.member.parameter
        # A stand-in carries the run's optimizer and the clipped gradient; the layer's own stay as they are.
        stand_in = Parameter(parameter.name, parameter.spec, parameter.value)
        stand_in.optimizer = self.optimizer
        stand_in.gradient = self._gradient if limit is None else clipped(self._gradient, norm, limit)
        self._proposed = optimizer_step.updated(stand_in, self.member.delta, self.member.place)

    def commit(self) -> None:
        """Give the parameter the weights that were proposed."""
        self.member.parameter.value = self._proposed
