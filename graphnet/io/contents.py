"""The weights and the state in a folder: of a run, which may be in training, or of a model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from graphnet.core.array_types import Array
from graphnet.core.errors import FileError
from graphnet.io import state
from graphnet.io.checkpoint import BEST, WEIGHTS
from graphnet.io.checkpoint import STATE as STATE_PART
from graphnet.io.checkpoint_store import newest
from graphnet.io.model_folder import STATE as STATE_FILE
from graphnet.io.model_folder import WEIGHTS as WEIGHTS_FILE
from graphnet.io.weights import read_arrays


@dataclass(frozen=True)
class Contents:
    """Weights and state that belong together.

    Attributes
    ----------
    path : Path
        The file with the weights.
    size : int
        Its bytes.
    weights : dict of name to array
        Of the best epoch; of a run without a complete epoch, the present ones.
    state : dict of name to array, or None
    """

    path: Path
    size: int
    weights: dict[str, Array]
    state: dict[str, Array] | None

    @classmethod
    def read(cls, folder: Path) -> Contents:
        """Read the newest whole checkpoint of a run; or the files of a model, or of a run of an earlier version.

        Raises
        ------
        FileError
            If a file is missing, or damaged.
        """
        checkpoint = newest(folder, (BEST, WEIGHTS, STATE_PART))
        if checkpoint is None:
            return cls._of_files(folder)
        for part in (BEST, WEIGHTS):
            arrays = checkpoint.arrays(part)
            if arrays is not None:
                file = f"{part}.safetensors"
                state_arrays = checkpoint.arrays(STATE_PART)
                return cls(checkpoint.path / file, len(checkpoint.files[file]), arrays, state_arrays)
        raise FileError("the checkpoint has no weights", where=str(checkpoint.path))

    @classmethod
    def _of_files(cls, folder: Path) -> Contents:
        path = folder / WEIGHTS_FILE
        weights = read_arrays(path)
        size = os.stat(path).st_size
        found = read_arrays(folder / STATE_FILE, state.FORMAT, "a state") if (folder / STATE_FILE).is_file() else None
        return cls(path, size, weights, found)
