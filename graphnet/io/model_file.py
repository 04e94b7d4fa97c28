"""Reading model files."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from graphnet.core.describe.graph import Graph
from graphnet.core.distribution import NAME
from graphnet.core.errors import FileError
from graphnet.io import requirements
from graphnet.io.reading import TOP, Reader
from graphnet.io.tree import read
from graphnet.plugins import manager

if TYPE_CHECKING:
    from graphnet.training.config import TrainingConfig

FORMAT = "graphnet/1"


@dataclass(frozen=True)
class ModelFile:
    """The contents of a model file.

    Attributes
    ----------
    graph : Graph
    training : TrainingConfig or None
    plugins : dict of str to str
        Required distributions and versions.
    path : Path or None
    """

    graph: Graph
    training: TrainingConfig | None = None
    plugins: dict[str, str] = field(default_factory=dict)
    path: Path | None = None


def read_model(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file.

    Raises
    ------
    FileError
        If the file does not exist, or is not YAML.
    GraphnetError
        For all other faults, with file, line and key path.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        received = error.strerror if isinstance(error, OSError) else "bytes that are not UTF-8 text"
        raise FileError("cannot be read", where=str(path), expected="a model file", received=received) from None
    return parse_model(text, str(path), path=Path(path))


def parse_model(text: str, source: str = "<text>", *, path: Path | None = None) -> ModelFile:
    """Read a model from its text; see :func:`read_model`."""
    try:
        return _parsed(text, source, path)
    except RecursionError:
        raise FileError("nested too deeply", where=source, remedy="Use fewer levels of nested graphs.") from None


def _parsed(text: str, source: str, path: Path | None) -> ModelFile:
    top = read(text, source)
    keys = top.mapping()
    if "format" in keys and keys["format"].value != FORMAT:
        raise FileError(
            "unknown format", where=str(keys["format"].place), expected=FORMAT, received=keys["format"].described()
        )
    keys = top.mapping(TOP, required=("format", "inputs", "nodes", "outputs"))
    plugins = manager()
    required = requirements.check(keys.get("plugins"), plugins)
    reader = Reader(plugins.registry.preferring([*required, NAME]))
    default = path.stem if path is not None else "model"
    graph = reader.graph(top, default if default.isidentifier() else "model", "")
    reader.check_shapes(graph)
    return ModelFile(graph, reader.training(keys.get("training")), required, path)
