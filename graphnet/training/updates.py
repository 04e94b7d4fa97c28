"""One optimizer step for all weights of a graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from graphnet.core.describe import deltas
from graphnet.core.errors import DataError, StateError
from graphnet.core.finite import gradients_not_finite
from graphnet.core.norms import euclidean
from graphnet.core.run.runner import Runner
from graphnet.core.run.thread_policy import combined, of_rules
from graphnet.optimizers.clipping import global_norm
from graphnet.training.config import TrainingConfig
from graphnet.training.flat_group import FlatGroup
from graphnet.training.group_member import GroupMember
from graphnet.training.parameter_groups import (
    check_patterns,
    frozen_layers,
    optimizer_with,
    settings_of,
    undecayed_rows,
)
from graphnet.training.single_group import SingleGroup

#: For each number, a sum of squares above which the squares that underflow in float32 do not matter.
UNDERFLOW = float(np.finfo(np.float32).tiny) / float(np.finfo(np.float32).eps)


class Updates:
    """The optimizers of a training run; the optimizers that the layers hold are not used.

    Weight arrays with the same dtype, delta and regularization are updated together as one flat array if the optimizer
    and the regularizer are ``elementwise``; see :class:`FlatGroup`. Every other weight array has its own optimizer. The
    results are equal up to rounding.

    The delta of a layer is multiplied by those of the composite layers around it, and read at each step. A layer with
    delta 0 is frozen: its weights and moments stay equal to the bit, and it counts neither in the gradient norm nor in
    the penalty. A layer whose delta changes keeps its moments and its step count.

    Parameters
    ----------
    runner : Runner
        All its weights must exist.
    config : TrainingConfig

    Attributes
    ----------
    groups : list of FlatGroup or SingleGroup
    threads : int or None
        BLAS threads for a step: 1, unless an optimizer of a single large array may multiply matrices; None: no limit.

    Raises
    ------
    ConfigError
        If a delta is not a finite number of at least 0, or a shared layer has several deltas.
    """

    def __init__(self, runner: Runner, config: TrainingConfig) -> None:
        self.config = config
        graph = getattr(runner, "graph", None)
        own: deltas.Chains = {path: [(layer,)] for path, layer in runner.layers.items()}
        self._chains = own if graph is None else deltas.chains(graph)
        self._frozen = frozen_layers(config, runner.layers)
        self._deltas = self._effective()
        layers = [layer for uses in self._chains.values() for chain in uses for layer in chain]
        self._delta_layers = list({id(layer): layer for layer in layers}.values())
        #: The deltas of these layers at the last step; empty where they are not plain floats.
        self._last_read: list[Any] = []
        self.members = [
            GroupMember(
                f"{path}/{name}",
                parameter,
                self._deltas[path],
                path,
                settings_of(config, f"{path}/{name}", parameter.spec),
                undecayed_rows(config, parameter.spec),
            )
            for path, layer in runner.layers.items()
            for name, parameter in layer.params.items()
        ]
        self._size = sum(member.parameter.value.size for member in self.members)
        check_patterns(config, [member.path for member in self.members])
        by_key: dict[Any, list[GroupMember]] = {}
        for i, member in enumerate(self.members):
            by_key.setdefault(self._group_key(member) or i, []).append(member)
        self._compiler = getattr(runner, "elementwise", None)
        self.groups: list[FlatGroup | SingleGroup] = [self._group(members) for members in by_key.values()]
        single = [group.member.parameter.value.shape for group in self.groups if isinstance(group, SingleGroup)]
        self.threads = combined("float64", [of_rules("float64", [s], [s], [s]) for s in single]).whole

    def _group(self, members: list[GroupMember]) -> FlatGroup | SingleGroup:
        """A group of these arrays, with a new optimizer."""
        optimizer = self._optimizer(members[0])
        if self._group_key(members[0]) is None:
            return SingleGroup(members, optimizer)
        return FlatGroup(members, optimizer, self._compiler)

    def grouping(self) -> dict[str, Any]:
        """The paths of the arrays of each group, on which the rounding of the norm depends, and the deltas of layers at
        the last step.
        """
        return {
            "groups": [[member.path for member in group.members] for group in self.groups],
            "deltas": dict(self._deltas),
        }

    def rebuild(self, grouping: Mapping[str, Any]) -> None:
        """Make new groups as :meth:`grouping` has returned them, with optimizers without state.

        Raises
        ------
        StateError
            If the groups do not contain exactly the arrays of the graph.
        """
        groups = grouping["groups"]
        expected, received = sorted(member.path for member in self.members), sorted(p for part in groups for p in part)
        if expected != received:
            raise StateError("groups of other weights", where="resume", expected=expected, received=received)
        self._deltas, self._last_read = dict(grouping["deltas"]), []
        self.members = [replace(member, delta=self._deltas[member.layer_path]) for member in self.members]
        by_path = {member.path: member for member in self.members}
        self.groups = [self._group([by_path[path] for path in part]) for part in groups]

    def _group_key(self, member: GroupMember) -> tuple[Any, ...] | None:
        """What the arrays of one group have in common; None for an array that cannot share a group."""
        dtype, regularized = member.parameter.value.dtype, self.regularized(member)
        rules = [self.config.optimizer, *([self.config.regularizer] if regularized else [])]
        if dtype.name not in ("float32", "float64"):
            return None
        elementwise = all(getattr(rule, "elementwise", False) is True for rule in rules)
        return (dtype, member.delta, regularized, member.settings) if elementwise else None

    def regularized(self, member: GroupMember) -> bool:
        """Whether the regularizer applies to a weight array."""
        if self.config.regularizer is None or not dict(member.settings).get("regularize", True):
            return False
        return member.parameter.spec.kind != "bias"

    def _optimizer(self, member: GroupMember) -> Any:
        optimizer = optimizer_with(self.config.optimizer, member.settings)
        if self.regularized(member):
            optimizer.add_regularizer(self.config.regularizer)
        return optimizer

    def set_rate(self, factor: float) -> float | None:
        """Multiply the learning rates of the configuration by a factor, and return that of most weights.

        None if the optimizer has no attribute ``learning_rate``.
        """
        initial: float | None = getattr(self.config.optimizer, "learning_rate", None)
        if initial is None:
            return None
        for group in self.groups:
            group.optimizer.learning_rate = dict(group.members[0].settings).get("learning_rate", initial) * factor
        return initial * factor

    def penalty(self) -> float:
        """The sum of the regularizer's norms of all regularized, unfrozen weights; 0 without a regularizer."""
        regularizer = self.config.regularizer
        if regularizer is None:
            return 0.0
        self._read_deltas()
        values = [m.decayed(m.parameter.value) for m in self.members if m.delta and self.regularized(m)]
        return sum(float(regularizer.norm(value)) for value in values)

    def step(self) -> float:
        """Update all weights or, after an error, none; return the norm of all gradients together, before clipping.

        Frozen layers are excluded from both.

        Raises
        ------
        DataError
            If the norm is not finite and gradients are to be clipped.
        RuleError
            If an optimizer does not return finite numbers of the shape of the weights.
        StateError
            If the new state of an optimizer is not finite.
        ConfigError
            If a delta is invalid. After any error weights and optimizers are unchanged.
        """
        self._read_deltas()
        active = [group for group in self.groups if group.delta]
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            norm = self._norm(sum(group.gather() for group in active))
            snapshots = [group.snapshot() for group in active]
            try:
                for group in active:
                    group.propose(norm, self.config.clip_norm)
            except BaseException:
                for group, snapshot in zip(active, snapshots, strict=True):
                    group.restore(snapshot)
                raise
        for group in active:
            group.commit()
        return norm

    def _norm(self, squares: float) -> float:
        """The norm for a sum of squares; computed again, more carefully, if that overflowed or underflowed."""
        # Above this bound the squares that underflow in float32 change the sum by less than rounding.
        if self._size * UNDERFLOW < squares < math.inf:
            return math.sqrt(squares)
        active = [member for member in self.members if member.delta]
        gradients = [np.asarray(member.parameter.known_gradient()) for member in active]
        bad = [m.path for m, g in zip(active, gradients, strict=True) if not np.isfinite(g).all()]
        if bad:
            raise gradients_not_finite(bad)
        if self.config.clip_norm is None:
            return euclidean(gradients)
        try:
            return global_norm(gradients)
        except DataError as error:
            raise error.at("all gradients") from None

    # ------------------------------------------------------------------ deltas
    def _read_deltas(self) -> None:
        """Read all deltas and regroup the arrays whose delta has changed; after an error nothing is changed."""
        read = [layer.delta for layer in self._delta_layers]
        if read == self._last_read:
            return
        current = self._effective()
        if current != self._deltas:
            self._regroup(current)
        self._last_read = read if all(type(delta) is float for delta in read) else []

    def _effective(self) -> dict[str, float]:
        """The delta of each layer; 0 for those that the configuration freezes."""
        return {path: 0.0 if path in self._frozen else d for path, d in deltas.effective(self._chains).items()}

    def _regroup(self, current: dict[str, float]) -> None:
        """Regroup the arrays whose delta has changed; after an error nothing is changed."""
        members_by_delta = [_by_delta(group.members, current) for group in self.groups]
        pairs = list(zip(self.groups, members_by_delta, strict=True))
        new_groups = [group.split(members) if len(members) > 1 else [group] for group, members in pairs]
        for group, members in pairs:
            if len(members) == 1:
                group.members = members[0]
        self.groups = [group for groups in new_groups for group in groups]
        by_path = {member.path: member for group in self.groups for member in group.members}
        self.members, self._deltas = [by_path[member.path] for member in self.members], current


def _by_delta(members: list[GroupMember], current: dict[str, float]) -> list[list[GroupMember]]:
    """The members with their current deltas, grouped by delta."""
    groups: dict[float, list[GroupMember]] = {}
    for member in members:
        delta = current[member.layer_path]
        groups.setdefault(delta, []).append(replace(member, delta=delta))
    return list(groups.values())
