"""The folder of a model: the graph, the configuration, the weights and the state, which appear together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.io.draft import Draft, refuse_used, unusable
from graphnet.io.manifest import MANIFEST, MODEL_FOLDER, Manifest
from graphnet.io.state import state_file
from graphnet.io.versions import versions
from graphnet.io.weights import weights_file
from graphnet.io.writing import model_text
from graphnet.training.fingerprint import model_hash

if TYPE_CHECKING:
    from graphnet.training.config import TrainingConfig

MODEL, WEIGHTS, STATE, VERSIONS = "model.yaml", "weights.safetensors", "state.safetensors", "versions.json"


def save_model(
    path: Path, runner: Runner, config: TrainingConfig, state: State, backend: str | None, facts: Mapping[str, Any]
) -> None:
    """Write a folder that ``graphnet.load`` reads.

    Parameters
    ----------
    path : Path
        Missing, or an empty folder.
    runner : Runner
        Holds the weights.
    config : TrainingConfig
    state : State
        Written unless it is empty.
    backend : str or None
        The backend that has trained the weights.
    facts : mapping of str to JSON value
        What the metadata of the weights and the manifest say too.

    Raises
    ------
    FileError
        If the folder is not empty, or cannot be written; there is nothing then.
    """
    graph = runner.completed()
    facts = {**facts, "model": model_hash(graph)}
    words = {name: str(fact) for name, fact in facts.items()}
    refuse_used(path)
    files: dict[str, list[Any]] = {
        MODEL: [model_text(graph, config).encode("utf-8")],
        WEIGHTS: weights_file(runner, "save", words),
        VERSIONS: [(json.dumps(versions(backend=backend), indent=2) + "\n").encode()],
    }
    if state.rows is not None:
        files[STATE] = state_file(state, words)
    manifest = Manifest.of(MODEL_FOLDER, facts, files)
    draft = Draft(path)
    try:
        for name, parts in files.items():
            draft.write(name, parts)
        draft.write(MANIFEST, [manifest.encoded()])
        try:
            draft.commit()
        except FileExistsError:
            refuse_used(path)
            raise
    except OSError as error:
        raise unusable(path, error) from error
    finally:
        draft.discard()
