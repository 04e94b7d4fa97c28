"""What becomes of each operator; one family a file."""

from graphnet_onnx.reading.handlers import (
    choices,
    classical,
    dense,
    elementwise,
    gathering,
    normalization,
    parts,
    recurrent,
    scan,
    shapes,
    windows,
)
from graphnet_onnx.reading.handlers.registry import HANDLERS

#: The modules that fill the table.
FAMILIES = (choices, classical, dense, elementwise, gathering, normalization, parts, recurrent, scan, shapes, windows)

__all__ = ["FAMILIES", "HANDLERS"]
