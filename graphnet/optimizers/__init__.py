"""Optimizers, and clipping of gradients."""

from typing import TYPE_CHECKING

from graphnet.core.arguments import explain_constructors
from graphnet.core.attributes import missing_from
from graphnet.optimizers.adam import Adam
from graphnet.optimizers.adam_w import AdamW
from graphnet.optimizers.base import Optimizer, RegularizerLike
from graphnet.optimizers.clipping import clip_by_global_norm
from graphnet.optimizers.rmsprop import RMSprop
from graphnet.optimizers.sgd import Sgd
from graphnet.optimizers.sgd_with_momentum import SgdWithMomentum

__all__ = [
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "RegularizerLike",
    "Sgd",
    "SgdWithMomentum",
    "clip_by_global_norm",
]

explain_constructors([globals()[name] for name in __all__])

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
