"""Models from files: a model file, or the folder of a run."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np

from graphnet.core import random
from graphnet.core.errors import FileError, ShapeError
from graphnet.io import load_state, load_weights, read_model
from graphnet.io.run_folder import MODEL, STATE, WEIGHTS
from graphnet.models.model import Model


def load(path: str | os.PathLike[str]) -> Model:
    """A model with its weights, from a folder that ``graphnet train`` or ``Model.save`` wrote; or from a model file.

    A model file alone has no weights: they are drawn with the initializers and the seed of its configuration, ready
    for ``fit``.

    Raises
    ------
    FileError
        If a file is missing, cannot be read, or is invalid.
    UnknownNameError, PluginError
        If a layer or a plugin is missing; the message says what to install.
    """
    path = Path(path)
    folder = path if path.is_dir() else None
    file = path if folder is None else folder / MODEL
    _require_file(file, "a model file, or the folder of a run")
    if folder is not None:
        _require_file(folder / WEIGHTS, "the weights of a run")
    with random.using(np.random.default_rng(0)):  # creating layers must not advance the present generator
        content = read_model(file)
    model = Model(content.graph, content.training)
    model.path = path
    _initialize(model)
    if folder is not None:
        load_weights(folder / WEIGHTS, model.runner)
        if (folder / STATE).is_file():
            model.state = load_state(folder / STATE, model.runner)
    return model


def run_model(path: str | os.PathLike[str]) -> Model:
    """The model in the folder of a run; a FileError if ``path`` is not a folder."""
    if not Path(path).is_dir():
        raise FileError(
            "not the folder of a run", where=str(path), expected="a folder that graphnet train or Model.save wrote"
        )
    return load(path)


def _initialize(model: Model) -> None:
    """Initialize the weights whose sizes the declared inputs determine; the rest follows with the first input."""
    with random.using(np.random.default_rng(model.config.seed)):
        with contextlib.suppress(ShapeError):
            model.runner.materialize()
        model.runner.initialize(model.config.weights_initializer, model.config.bias_initializer)


def _require_file(path: Path, expected: str) -> None:
    if not path.is_file():
        received = "a folder" if path.is_dir() else "no such file"
        raise FileError("cannot be read", where=str(path), expected=expected, received=received)
