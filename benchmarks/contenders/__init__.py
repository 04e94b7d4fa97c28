"""The compared libraries; each module has ``make(problem) -> Contender``."""

from __future__ import annotations

import importlib

from contenders.contender import Contender, Unavailable

#: Module names by the names in tables. graphnet is first; all ratios are its time divided by another's.
MODULES = {
    "graphnet": "ours",
    "graphnet on numpy": "ours_numpy",
    "torch.nn": "torch_layer",
    "torch loop": "torch_loop",
    "jax scan": "jax_scan",
    "onnxruntime": "onnx_runtime",
}

__all__ = ["MODULES", "Contender", "Unavailable", "load"]


def load(name: str) -> object:
    """Import the module of a contender; raises ImportError if its library is missing."""
    return importlib.import_module(f"contenders.{MODULES[name]}")
