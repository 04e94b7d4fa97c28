"""Reading one damaged file, with the time and the memory that it takes."""

from __future__ import annotations

import hashlib
import resource
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from fuzz_files.originals import checkpointed, originals, recurrent
from graphnet import GraphnetError, Runner, State, Trainer, datasets, load, summary
from graphnet.io import load_state, load_weights
from graphnet.io.manifest import CHECKPOINT, Manifest
from graphnet.io.run_folder import MODEL, STATE, WEIGHTS
from graphnet.io.verify import verify
from graphnet.models.loading import read_file
from graphnet.models.predict_file import read_inputs
from graphnet.models.train_file import prepare
from graphnet.training.nonfinite.worse import TrainingWarning

#: Seconds of processor time, and bytes, that one file may cost.
SECONDS, BYTES = 2.0, 10**9


class Finding(NamedTuple):
    """What is wrong with how a file was read, and the file."""

    problem: str
    kind: str
    data: bytes

    @property
    def name(self) -> str:
        """A name for the file in the corpus."""
        return f"{self.kind}-{hashlib.sha256(self.data).hexdigest()[:12]}"


def _model(path: Path) -> None:
    str(summary(read_file(path).graph))
    load(path)


def _series(path: Path) -> None:
    stream = datasets.Stream(path, path, batch=2)
    for piece in stream.pieces(7):
        assert len(piece.inputs) <= 7


def _weights(path: Path) -> None:
    load_weights(path, Runner(recurrent()))


def _state(path: Path) -> None:
    assert isinstance(load_state(path, Runner(recurrent())), State)


def _run(path: Path) -> None:
    """The file as the model of a run whose other files are whole."""
    folder = path.with_name("run")
    folder.mkdir(exist_ok=True)
    (folder / MODEL).write_bytes(path.read_bytes())
    for name, kind in ((WEIGHTS, "weights"), (STATE, "state")):
        (folder / name).write_bytes(originals()[kind][0])
    load(folder)


def _training(path: Path) -> None:
    """The file as a model that is trained with whole data, as far as it is checked before training starts."""
    path.with_name("data.npz").write_bytes(originals()["npz"][0])
    prepare(path, output=path.with_name("new"), data=str(path.with_name("data.npz")))


def _checkpoint(path: Path, damaged: str) -> Path:
    """A run whose only checkpoint has the file in the place of another one, and a manifest that fits it."""
    whole = checkpointed()
    run = path.with_name(f"run of {damaged}")
    shutil.rmtree(run, ignore_errors=True)
    folder = run / "checkpoints" / whole["name"].decode()
    folder.mkdir(parents=True)
    files = {**whole, damaged: path.read_bytes()}
    (run / "model.yaml").write_bytes(files.pop("model.yaml"))
    del files["name"]
    if damaged != "manifest.json":
        known = Manifest.parse(files["manifest.json"], folder / "manifest.json", CHECKPOINT)
        entry = (len(files[damaged]), hashlib.sha256(files[damaged]).hexdigest())
        files["manifest.json"] = replace(known, files={**known.files, damaged: entry}).encoded()
    for name, contents in files.items():
        (folder / name).write_bytes(contents)
    return run


def _manifest(path: Path) -> None:
    run = _checkpoint(path, "manifest.json")
    list(verify(run))
    load(run)


def _resumed(damaged: str) -> Callable[[Path], None]:
    """Reads a run, and trains one more epoch."""

    def reader(path: Path) -> None:
        run = _checkpoint(path, damaged)
        list(verify(run))
        data = path.with_name("data.npz")
        data.write_bytes(originals()["npz"][0])
        split = datasets.npz(data).train
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrainingWarning)  # a number that was changed may be valid
            Trainer.resume(run, epochs=4, allow=("versions", "backend")).fit(split.inputs, split.targets)

    return reader


def _onnx(path: Path) -> None:
    from graphnet_onnx import load as load_onnx

    str(summary(load_onnx(path).graph))


READERS = {
    "onnx": _onnx,
    "manifest": _manifest,
    "progress": _resumed("training.json"),
    "moments": _resumed("training.safetensors"),
    "run": _run,
    "training": _training,
    "model": _model,
    "npz": datasets.npz,
    "inputs": lambda path: read_inputs(path, recurrent()),
    "series": _series,
    "weights": _weights,
    "state": _state,
}


def read(kind: str, data: bytes, path: Path) -> Finding | None:
    """Read a file of a kind; what is wrong, or None."""
    path.write_bytes(data)
    memory, began = _peak(), time.process_time()
    problem = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            READERS[kind](path)
    except GraphnetError as error:
        text = str(error)
        if not text.strip() or len(text) > 4000 or "Traceback" in text:
            problem = f"a message of {len(text)} characters: {text[:100]!r}"
    except Exception as error:
        problem = f"{type(error).__name__}: {str(error)[:300]}"
    seconds, grown = time.process_time() - began, _peak() - memory
    if seconds > SECONDS:
        problem = f"{seconds:.1f} s of processor time"
    elif grown > BYTES:
        problem = f"{grown / 1e6:.0f} MB of memory"
    return None if problem is None else Finding(problem, kind, data)


def _peak() -> int:
    """The most bytes that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
