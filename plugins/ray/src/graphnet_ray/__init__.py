"""Training of graphnet models by several processes and machines, on Ray."""

from __future__ import annotations

from graphnet_ray.session import connect

__all__ = ["connect"]
