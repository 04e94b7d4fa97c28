"""The error of a model that cannot be written as an ONNX file, and the largest size of a file."""

from __future__ import annotations

from graphnet.core.errors import GraphnetError


class ExportError(GraphnetError, ValueError):
    """A model, or a layer in it, cannot be written as an ONNX file; the message says which, why and what to do."""


#: Bytes that a file of protocol buffers can have.
LARGEST = 2**31 - 1


def check_size(size: int, graph: str) -> None:
    """Refuse a file that would be too large.

    Raises
    ------
    ExportError
    """
    if size > LARGEST:
        raise ExportError(
            "an ONNX file cannot have more than 2 GB",
            where=graph,
            received=f"{size:,} bytes",
            remedy="Export it with dtype='float32', or in parts.",
        )
