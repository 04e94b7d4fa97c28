"""The files of a model: its folder, and its weights alone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from graphnet.core import random
from graphnet.core.errors import FileError
from graphnet.core.run.runner import Runner
from graphnet.io.run_folder import relative
from graphnet.io.weights import load_weights, require_replaceable, save_weights
from graphnet.models.data_paths import folder_of
from graphnet.models.data_setting import moved
from graphnet.training.config import TrainingConfig


def config_in(config: TrainingConfig, loaded_from: Path | None, folder: Path) -> TrainingConfig:
    """The configuration for a file in a folder: the path of a data file points from there to the same file."""
    base = Path() if loaded_from is None else loaded_from if os.path.isdir(loaded_from) else folder_of(loaded_from)
    return config.changed(data=moved(config.data, base, lambda path: relative(path, folder)))


def materialize(runner: Runner, config: TrainingConfig) -> None:
    """Create the weights that do not exist yet, from a separate generator.

    Raises
    ------
    ShapeError
        If their sizes are not known.
    """
    if not runner.drawn:
        with random.using(np.random.default_rng(config.seed)):
            runner.materialize()


def write_weights(path: Path, runner: Runner) -> None:
    """Write the weights to a file, in place of an earlier one.

    Raises
    ------
    FileError
        If it is a folder, or a file of something else, or cannot be written.
    """
    _refuse_folder(path)
    require_replaceable(path)
    save_weights(path, runner)


def read_weights(path: Path, runner: Runner, *, allow_nonfinite: bool) -> None:
    """Set the weights to those of a file.

    Raises
    ------
    FileError, ShapeError
        Before anything changes.
    """
    if os.path.isdir(path):
        raise FileError(
            "a folder, not a file of weights",
            where=str(path),
            expected="a file that Model.save_weights wrote",
            received="a folder",
            remedy="graphnet.load(path) opens a model or a run; its weights are in weights.safetensors.",
        )
    load_weights(path, runner, allow_nonfinite=allow_nonfinite)


def _refuse_folder(path: Path) -> None:
    if os.path.isdir(path):
        raise FileError(
            "a folder, not a file",
            where=str(path),
            expected="the path of a file, such as weights.safetensors",
            received="a folder",
            remedy="Model.save(path) writes a folder, with the graph and the configuration.",
        )
