"""Models from files: a model file, or the folder of a run."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from graphnet.core import checks, random
from graphnet.core.arguments import explained
from graphnet.core.checks import integer
from graphnet.core.errors import FileError
from graphnet.core.run import allocation
from graphnet.io import ModelFile, read_model
from graphnet.io.checkpoint import entries
from graphnet.io.contents import Contents
from graphnet.io.model_folder import MODEL, WEIGHTS
from graphnet.io.run_history import read_history
from graphnet.io.state import state_from
from graphnet.io.sweep_files import refuse_sweep
from graphnet.io.weights import set_weights
from graphnet.models.model import Model


@explained
def load(path: str | os.PathLike[str], *, max_bytes: int | None = None, allow_nonfinite: bool = False) -> Model:
    """A model with its weights, from a folder that ``graphnet train`` or ``Model.save`` wrote; or from a model file.

    A run may be in training: its newest whole checkpoint is read, and the weights are those of the best epoch in it. A
    model file alone has no weights: they are drawn with the initializers and the seed of its configuration, ready
    for ``fit``. The ``history`` of the model is that of the run.

    Parameters
    ----------
    path : path
        A folder, a file, a pipe, or ``/dev/stdin``.
    max_bytes : int, optional
        The bytes that the weights of a model file may need together; None: 128 MiB. With a file of weights: its size,
        if that is more.
    allow_nonfinite : bool
        Whether weights may hold NaN or infinity; otherwise they are refused.

    Raises
    ------
    FileError
        If a file is missing, cannot be read, or is invalid, or the weights need more than ``max_bytes``.
    UnknownNameError, PluginError
        If a layer or a plugin is missing; the message says what to install.
    """
    integer("load", "max_bytes", max_bytes, 1, optional=True)
    allow_nonfinite = checks.flag("load", "allow_nonfinite", allow_nonfinite)
    path = checks.path("load", path)
    content = read_file(path)
    model = Model(content.graph, content.training)
    model.path = path
    if not os.path.isdir(path):
        allocation.check(model.runner, max_bytes, str(path))
        _initialize(model)
        return model
    found = Contents.read(path)
    limit = allocation.MAX_BYTES if max_bytes is None else max_bytes
    allocation.check(model.runner, max(limit, 2 * found.size), str(path))
    _initialize(model)
    set_weights(found.path, found.weights, model.runner, allow_nonfinite=allow_nonfinite)
    if found.state is not None:
        model.state = state_from(found.path, found.state, model.runner)
    model.history = read_history(path)
    return model


def read_file(path: str | os.PathLike[str]) -> ModelFile:
    """The contents of a model file, or of that in the folder of a run; nothing is allocated for the weights.

    Raises
    ------
    FileError, UnknownNameError, PluginError
        As :func:`load`.
    """
    path = Path(path)
    folder = path if os.path.isdir(path) else None
    if folder is not None and not entries(folder):
        refuse_sweep(folder)
        _require_file(folder / WEIGHTS, "the weights of a run")
    with random.using(np.random.default_rng(0)):  # creating layers must not advance the present generator
        return read_model(path if folder is None else folder / MODEL, allocate=False)


def run_model(path: str | os.PathLike[str]) -> Model:
    """The model in the folder of a run; a FileError if ``path`` is not a folder."""
    if not os.path.isdir(path):
        raise FileError(
            "not the folder of a run", where=str(path), expected="a folder that graphnet train or Model.save wrote"
        )
    return load(path)


def _initialize(model: Model) -> None:
    """Initialize the weights whose sizes the declared inputs determine; the rest follows with the first input."""
    with random.using(np.random.default_rng(0)):
        allocation.create_known(model.runner)
    with random.using(np.random.default_rng(model.config.seed)):
        model.runner.initialize(model.config.weights_initializer, model.config.bias_initializer)


def _require_file(path: Path, expected: str) -> None:
    if not os.path.isfile(path):
        received = "a folder" if os.path.isdir(path) else "no such file"
        raise FileError("cannot be read", where=str(path), expected=expected, received=received)
