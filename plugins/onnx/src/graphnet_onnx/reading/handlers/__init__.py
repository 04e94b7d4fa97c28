"""What becomes of each operator; one family a file."""

from graphnet_onnx.reading.handlers import classical, dense, elementwise, normalization, recurrent, shapes, windows
from graphnet_onnx.reading.handlers.registry import HANDLERS

__all__ = ["HANDLERS", "classical", "dense", "elementwise", "normalization", "recurrent", "shapes", "windows"]
