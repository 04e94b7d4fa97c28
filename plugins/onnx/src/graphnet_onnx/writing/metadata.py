"""What a file says about the model besides its graph."""

from __future__ import annotations

import json
from typing import Any

import onnx
from onnx import helper

from graphnet import __version__
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.graph import Graph


def model_metadata(
    proto: onnx.ModelProto, source: Any, graph: Graph, states: list[dict[str, str]], batch_major: bool
) -> None:
    """Enter the producer, and as metadata the names of axes, classes and states."""
    proto.producer_name, proto.producer_version = "graphnet", __version__
    metadata = {"graphnet.version": __version__, "graphnet.model": graph.name}
    axes = {name: list(spec.shape.names) for name, spec in graph.inputs.items() if spec.shape is not None}
    if batch_major:
        axes = {name: [*reversed(n[:2]), *n[2:]] if n[:2] == [TIME, BATCH] else n for name, n in axes.items()}
    metadata["graphnet.axes"] = json.dumps(axes)
    classes = getattr(getattr(source, "config", None), "classes", None)
    if classes:
        named = classes if isinstance(classes, dict) else list(classes)
        metadata["graphnet.classes"] = json.dumps(named, default=str)
    if states:
        metadata["graphnet.states"] = json.dumps(states)
    helper.set_model_props(proto, metadata)
