"""Reading model files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from graphnet.core.arguments import explained
from graphnet.core.checks import integer
from graphnet.core.describe import weights
from graphnet.core.describe.graph import Graph
from graphnet.core.distribution import NAME
from graphnet.core.errors import FileError
from graphnet.core.files.border import reading
from graphnet.core.files.kinds import known_kind
from graphnet.core.files.source import is_regular, read_bytes
from graphnet.core.run import allocation
from graphnet.core.run.runner import Runner
from graphnet.io import requirements
from graphnet.io.reading import TOP, Reader
from graphnet.io.tree import Item, read
from graphnet.plugins import manager

if TYPE_CHECKING:
    from graphnet.training.config import TrainingConfig

FORMAT = "graphnet/1"
#: Bytes of the longest model file.
MAX_BYTES = 2**24


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


@explained
def read_model(path: str | os.PathLike[str], *, max_bytes: int | None = None, allocate: bool = True) -> ModelFile:
    """Read a model file, a pipe or standard input (``/dev/stdin``).

    Parameters
    ----------
    path : path
    max_bytes : int, optional
        The bytes that the weights may need together; None: 128 MiB. A few characters in a file can ask for any number.
    allocate : bool
        Whether to create the weights whose sizes are known. False: the layers have no weights until the graph runs, and
        no size is refused.

    Raises
    ------
    FileError
        If the file does not exist, or is not YAML, or its weights need more than ``max_bytes``.
    GraphnetError
        For all other faults, with file, line and key path.
    """
    text = read_text(path, "a model file")
    return parse_model(text, str(path), path=Path(path), max_bytes=max_bytes, allocate=allocate)


def read_text(path: str | os.PathLike[str], expected: str) -> str:
    """The text of a file of YAML.

    Raises
    ------
    FileError
        If it cannot be read, is too long or is not UTF-8.
    """
    data = read_bytes(path, expected, MAX_BYTES)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        received = known_kind(data) or "bytes that are not UTF-8 text"
        raise FileError("cannot be read", where=str(path), expected=expected, received=received) from None


def parse_model(
    text: str,
    source: str = "<text>",
    *,
    path: Path | None = None,
    max_bytes: int | None = None,
    allocate: bool = True,
) -> ModelFile:
    """Read a model from its text; see :func:`read_model`."""
    return build_model(lambda: read(text, source), source, path=path, max_bytes=max_bytes, allocate=allocate)


def build_model(
    tree: Callable[[], Item],
    source: str,
    *,
    path: Path | None = None,
    max_bytes: int | None = None,
    allocate: bool = True,
) -> ModelFile:
    """The model that a tree describes: of a text, with values of another file in it, for example.

    ``tree`` is called here, so that whatever reading raises has ``source`` as its place.
    """
    integer("read_model", "max_bytes", max_bytes, 1, optional=True)
    with reading(source, "a model"):
        with weights.deferred():
            file, runner = _parsed(tree(), path)
        if allocate:
            allocation.check(runner, max_bytes, source)
            allocation.create_known(runner)
        return file


def _parsed(top: Item, path: Path | None) -> tuple[ModelFile, Runner]:
    keys = top.mapping()
    if "format" in keys and keys["format"].value != FORMAT:
        raise FileError(
            "unknown format", where=str(keys["format"].place), expected=FORMAT, received=keys["format"].described()
        )
    keys = top.mapping(TOP, required=("format", "inputs", "nodes", "outputs"))
    plugins = manager()
    required = requirements.check(keys.get("plugins"), plugins)
    reader = Reader(plugins.registry.preferring([*required, NAME]))
    graph = reader.graph(top, default_name(path), "")
    runner = reader.check_shapes(graph)
    return ModelFile(graph, reader.training(keys.get("training"), graph), required, path), runner


def default_name(path: Path | None) -> str:
    """The name of a graph that has none: that of its file."""
    named = path is not None and path.stem.isidentifier() and is_regular(path)
    return path.stem if named and path is not None else "model"
