"""The error of a model that cannot be written as an ONNX file."""

from __future__ import annotations

from graphnet.core.errors import GraphnetError


class ExportError(GraphnetError, ValueError):
    """A model, or a layer in it, cannot be written as an ONNX file; the message says which, why and what to do."""
