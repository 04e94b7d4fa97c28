"""What becomes of each operator; one family a file."""

from graphnet_onnx.reading.handlers import dense, elementwise
from graphnet_onnx.reading.handlers.registry import HANDLERS

__all__ = ["HANDLERS", "dense", "elementwise"]
