"""The libraries that are compared: each file has ``make(problem) -> Contender``."""

from __future__ import annotations

import importlib

from contenders.contender import Contender, Unavailable

#: By the name that tables show: the module here. graphnet is first; all ratios are its time over another's.
MODULES = {
    "graphnet": "ours",
    "torch.nn": "torch_layer",
    "torch loop": "torch_loop",
    "jax scan": "jax_scan",
    "onnxruntime": "onnx_runtime",
}

__all__ = ["MODULES", "Contender", "Unavailable", "load"]


def load(name: str) -> object:
    """The module of a contender; ImportError where its library is missing."""
    return importlib.import_module(f"contenders.{MODULES[name]}")
