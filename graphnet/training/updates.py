"""One optimizer step for all weights of a graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphnet.core import weights
from graphnet.core.parameter import Array, Parameter
from graphnet.core.runner import Runner
from graphnet.optimizers import clip_by_global_norm
from graphnet.training.config import TrainingConfig
from graphnet.training.schedule import rate_factor


class Updates:
    """The optimizers of a training run: one for each weight array of a graph, apart from those that the layers hold.

    Parameters
    ----------
    runner : Runner
        With all its weights made.
    config : TrainingConfig
    """

    def __init__(self, runner: Runner, config: TrainingConfig) -> None:
        self.config = config
        self.steps: list[tuple[str, Parameter, Parameter, float]] = []
        for path, layer in runner.layers.items():
            for name, parameter in layer._parameters.items():
                # A stand-in carries the run's optimizer and the clipped gradient; the layer's own stay as they are.
                stand_in = Parameter(name, parameter.spec, parameter.value)
                stand_in.optimizer = self._optimizer(parameter)
                self.steps.append((f"{path}/{name}", parameter, stand_in, layer.delta))

    def _optimizer(self, parameter: Parameter) -> Any:
        made = weights.copied(self.config.optimizer)
        if self.config.regularizer is not None and parameter.spec.kind != "bias":
            made.add_regularizer(self.config.regularizer)
        return made

    def set_epoch(self, epoch: int) -> float | None:
        """Set the learning rate of an epoch; None where the optimizer has no such attribute."""
        first: float | None = getattr(self.config.optimizer, "learning_rate", None)
        if first is None:
            return None
        rate = first * rate_factor(self.config, epoch)
        for _, _, stand_in, _ in self.steps:
            stand_in.optimizer.learning_rate = rate
        return rate

    def penalty(self) -> float:
        """The regularizer's norm of all weights that it holds for; 0 without one."""
        regularizer = self.config.regularizer
        if regularizer is None:
            return 0.0
        return sum(float(regularizer.norm(p.value)) for _, p, _, _ in self.steps if p.spec.kind != "bias")

    def step(self) -> float:
        """Update all weights from their gradients, or none; returns the gradients' common norm before clipping.

        Raises
        ------
        DataError
            If the norm is not finite.
        RuleError
            If an optimizer returns anything but finite numbers of the weights' shape.
        """
        gradients = [weights.gradient(parameter) for _, parameter, _, _ in self.steps]
        clipped, norm = self._clipped(gradients)
        found = []
        for (place, parameter, stand_in, delta), gradient in zip(self.steps, clipped, strict=True):
            stand_in.value, stand_in.gradient = parameter.value, gradient
            found.append((parameter, weights.updated(stand_in, delta, place)))
        for parameter, value in found:
            parameter.value = value
        return norm

    def _clipped(self, gradients: list[Array]) -> tuple[list[Array], float]:
        if self.config.clip_norm is not None:
            return clip_by_global_norm(gradients, self.config.clip_norm)
        return gradients, math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
