"""Schedules: factors of the learning rate, for each epoch or for each update."""

from typing import TYPE_CHECKING

from graphnet.core.arguments import explain_constructors
from graphnet.core.attributes import missing_from
from graphnet.optimizers.schedules.base import Schedule
from graphnet.optimizers.schedules.cosine import Cosine, CosineRestarts
from graphnet.optimizers.schedules.decays import ExponentialDecay, LinearDecay, Milestones, StepDecay
from graphnet.optimizers.schedules.on_plateau import OnPlateau
from graphnet.optimizers.schedules.one_cycle import OneCycle
from graphnet.optimizers.schedules.warmup import Warmup

__all__ = [
    "Cosine",
    "CosineRestarts",
    "ExponentialDecay",
    "LinearDecay",
    "Milestones",
    "OnPlateau",
    "OneCycle",
    "Schedule",
    "StepDecay",
    "Warmup",
]

explain_constructors([globals()[name] for name in __all__])

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
