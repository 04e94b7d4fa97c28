"""The folder of a model: the graph, the configuration, the weights and the state, which appear together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphnet.core.errors import FileError
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.io.draft import Draft, refuse_used, unusable, used
from graphnet.io.lock import is_locked
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
    *,
    overwrite: bool = False,
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
    overwrite : bool
        Whether a folder that ``save_model`` wrote is replaced, by one step that leaves the old or the new one.

    Raises
    ------
    FileError
        If the folder is not empty, or cannot be written; there is nothing then.
    """
    graph = runner.completed()
    facts: dict[str, Any] = {} if history is None else {"epoch": history.best_epoch}
    facts["model"] = model_hash(graph)
    words = {name: str(fact) for name, fact in facts.items()}
    replaced = overwrite and _is_model(path)
    if not replaced:
        _refuse_used(path)
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
    draft = Draft(path, replace=replaced)
    try:
        for name, parts in files.items():
            draft.write(name, parts)
        draft.write(MANIFEST, [manifest.encoded()])
        try:
            draft.commit()
        except FileExistsError:
            _refuse_used(path)
            raise
    except OSError as error:
        raise unusable(path, error) from error
    finally:
        draft.discard()


#: What is in the folder of a model.
CONTENTS = frozenset({MODEL, WEIGHTS, STATE, VERSIONS, HISTORY, MANIFEST})


def _is_model(path: Path) -> bool:
    """Whether a folder has a model, and nothing else that would be lost if it were replaced."""
    names = used(path)
    return MODEL in names and WEIGHTS in names and CONTENTS.issuperset(names) and not is_locked(path)


def _refuse_used(path: Path) -> None:
    """Raise a FileError if there is something at a path that is not to be overwritten."""
    if not _is_model(path):
        refuse_used(path)
        return
    raise FileError(
        "a saved model is never overwritten by default",
        where=str(path),
        expected="a folder that is missing or empty",
        received="a saved model",
        remedy="Name another folder, or replace the model: save(..., overwrite=True).",
    )
