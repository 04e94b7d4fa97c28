"""Equations of layers and graphs, recorded from their rules."""

from __future__ import annotations

from graphnet.inspect.equations.equation import Equations
from graphnet.inspect.equations.find import equations

__all__ = ["Equations", "equations"]
