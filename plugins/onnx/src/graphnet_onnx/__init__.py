"""ONNX files for graphnet: export of models, import, and the interface of ONNX backends."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphnet_onnx.reading.loading import load, load_with_report
    from graphnet_onnx.reading.report import Report
    from graphnet_onnx.writing.array import TracedArray
    from graphnet_onnx.writing.converters import converter
    from graphnet_onnx.writing.errors import ExportError
    from graphnet_onnx.writing.export import export, to_onnx

__all__ = ["ExportError", "Report", "TracedArray", "converter", "export", "load", "load_with_report", "to_onnx"]

#: The module of each public name. They are imported when they are first read, because graphnet imports this package
#: with its plugins, and the package onnx takes a while.
_MODULES = {
    "ExportError": "graphnet_onnx.writing.errors",
    "Report": "graphnet_onnx.reading.report",
    "TracedArray": "graphnet_onnx.writing.array",
    "converter": "graphnet_onnx.writing.converters",
    "export": "graphnet_onnx.writing.export",
    "load": "graphnet_onnx.reading.loading",
    "load_with_report": "graphnet_onnx.reading.loading",
    "to_onnx": "graphnet_onnx.writing.export",
}


def __getattr__(name: str) -> Any:
    if name == "backend":  # a module, and no name in one
        return import_module("graphnet_onnx.backend")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
