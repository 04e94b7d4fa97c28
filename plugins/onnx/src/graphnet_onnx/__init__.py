"""ONNX files for graphnet: export of models, import, and the interface of ONNX backends."""

from graphnet_onnx.reading import Report, load, load_with_report

__all__ = ["Report", "load", "load_with_report"]
