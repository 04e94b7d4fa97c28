"""The folder of a model: the graph, the configuration, the weights and the state, which appear together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.io.draft import Draft, refuse_used, unusable
from graphnet.io.manifest import MANIFEST, MODEL_FOLDER, Manifest
from graphnet.io.run_history import HISTORY, history_file
from graphnet.io.state import state_file
from graphnet.io.versions import versions
from graphnet.io.weights import weights_file
from graphnet.io.writing import model_text
from graphnet.training.fingerprint import model_hash

if TYPE_CHECKING:
    from graphnet.training.config import TrainingConfig
    from graphnet.training.history import History

MODEL, WEIGHTS, STATE = "model.yaml", "weights.safetensors", "state.safetensors"
VERSIONS = "versions.json"


def save_model(
    path: Path,
    runner: Runner,
    config: TrainingConfig,
    state: State,
    history: History | None = None,
    backend: str | None = None,
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
    history : History, optional
        Of the training.
    backend : str, optional
        The backend that has trained the weights.

    Raises
    ------
    FileError
        If the folder is not empty, or cannot be written; there is nothing then.
    """
    graph = runner.completed()
    facts: dict[str, Any] = {} if history is None else {"epoch": history.best_epoch}
    facts["model"] = model_hash(graph)
    words = {name: str(fact) for name, fact in facts.items()}
    refuse_used(path)
    files: dict[str, list[Any]] = {
        MODEL: [model_text(graph, config).encode("utf-8")],
        WEIGHTS: weights_file(runner, "save", words),
        VERSIONS: [(json.dumps(versions(backend=backend), indent=2) + "\n").encode()],
    }
    if history is not None:
        files[HISTORY] = [history_file(history)]
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
