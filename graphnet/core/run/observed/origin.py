"""The place where a number that is not finite arose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphnet.core.run.observed.codes import Places
from graphnet.core.run.observed.record import Scope


@dataclass(frozen=True)
class Origin:
    """A node in one pass, or a value that enters the graph.

    Attributes
    ----------
    kind : str
        ``'forward'``, ``'backward'``, ``'input'``, ``'state'``, ``'weight'``, ``'loss error'`` or ``'gradient'``; see
        :class:`graphnet.core.errors.NonFiniteError`.
    path : str
        Of the node, or the name of the input, the output, the state or the weight array.
    order : int
        The number of the call among those of the pass; 0 for what enters the graph.
    scope : Scope
        The Scans around the node, with their steps.
    step, row : int or None
    received : str
        ``NaN``, ``infinity`` or ``-infinity``, if it is known.
    """

    kind: str
    path: str
    order: int = 0
    scope: Scope = ()
    step: int | None = None
    row: int | None = None
    received: str = ""


def first_place(places: Places, scope: Scope, inner_batch: bool = True) -> tuple[int | None, int | None]:
    """The first step, and the first row in it; the step of the outermost Scan for a node in its cell."""
    if not places.any():
        return (scope[0][1] if scope else None), None
    t, row = (int(i) for i in np.argwhere(places)[0])
    step = scope[0][1] if scope else t if places.shape[0] > 1 else None
    return step, row if places.shape[1] > 1 or inner_batch else None
