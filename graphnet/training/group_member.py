"""One weight array of a graph, as the optimizers of a training run see it."""

from __future__ import annotations

from dataclasses import dataclass

from graphnet.core.describe.parameter import Parameter


@dataclass(frozen=True)
class GroupMember:
    """One weight array of a graph, and the delta that applies to it.

    Attributes
    ----------
    path : str
        ``layer path/name``.
    parameter : Parameter
    delta : float
    layer_path : str
    """

    path: str
    parameter: Parameter
    delta: float
    layer_path: str = ""
