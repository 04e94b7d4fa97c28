"""Import: a model of graphnet from an ONNX file.

``parse`` and ``tensors`` read the file within limits, ``ports`` say which axis may be the batch, and ``attempt``
declares the inputs and gives the outputs their axes for one choice. ``convert`` walks through the nodes, and
``handlers`` say what becomes of each operator. What a name stands for is in ``values``, and how axes of ONNX and of
graphnet belong together in ``layout``.
"""

from graphnet_onnx.reading.loading import load, load_with_report
from graphnet_onnx.reading.report import Report

__all__ = ["Report", "load", "load_with_report"]
