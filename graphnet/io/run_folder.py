"""Run folders: the files that a training run writes."""

from __future__ import annotations

import json
import os
import re
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from graphnet.core.errors import FileError, GraphnetError, GraphnetWarning
from graphnet.io import atomic, run_files
from graphnet.io.checkpoint import CHECKPOINTS, Entry, entries, name, write
from graphnet.io.checkpoint_store import CheckpointStore
from graphnet.io.checkpoint_writer import CheckpointWriter, Schedule
from graphnet.io.draft import Draft, refuse_used, unusable
from graphnet.io.lock import FolderLock
from graphnet.io.model_folder import MODEL, STATE, VERSIONS, WEIGHTS
from graphnet.io.run_files import CURVE, METRICS, SUMMARY, line
from graphnet.io.state import state_file
from graphnet.io.versions import versions
from graphnet.io.weights import weights_file
from graphnet.io.writing import model_text
from graphnet.training.callbacks.base import Callback, TrainingRun
from graphnet.training.checkpoints import CheckpointedRun, Checkpoints
from graphnet.training.config import TrainingConfig
from graphnet.training.fingerprint import model_hash
from graphnet.training.history import EpochRecord, History
from graphnet.training.snapshot import Snapshot

__all__ = ["CURVE", "METRICS", "MODEL", "STATE", "SUMMARY", "VERSIONS", "WEIGHTS", "RunFolder", "line", "numbered"]

T = TypeVar("T")


class RunFolder(Callback, Checkpoints):
    """Writes a run to a folder: the model, checkpoints, metrics, versions, and at its end the results.

    ======================  ===========================================================================
    ``model.yaml``          the graph and the training configuration
    ``versions.json``       graphnet, plugins in order, packages, platform, backend, BLAS and its threads,
                            and the engine, if several processes compute the batches
    ``checkpoints/``        one folder for each of the last checkpoints: all that the run needs to go on,
                            and the weights of the best epoch so far
    ``metrics.jsonl``       one JSON object for each epoch
    ``weights.safetensors`` when the run has ended: the weights of the best epoch
    ``state.safetensors``   after training on a Stream: the recurrent state at its end, in the best epoch
    ``learning_curve.png``  if matplotlib is installed
    ``summary.json``        written last: how the run ended, the best epoch, and the results on the test set
    ``.lock``               says which process writes to the folder, and is locked by it
    ======================  ===========================================================================

    The folder appears before the first update, at once with all that belongs to a run, so invalid data leave no folder,
    and whoever opens it finds a whole run. Nothing is overwritten. Checkpoints are written by another thread; the
    settings ``checkpoint_epochs``, ``checkpoint_steps``, ``checkpoint_seconds`` and ``keep_checkpoints`` of
    :class:`~graphnet.TrainingConfig` say when, and docs/reliability.md says what is guaranteed.

    Parameters
    ----------
    output : path, optional
        The folder, which must be missing or empty. Default: ``runs/NAME-001``, or the next free number.
    runs : path
        The parent of the numbered folders.
    data : str or mapping, optional
        Replaces ``training.data`` in the model file: a path relative to the working directory, or a mapping with such
        paths at ``path`` and ``test``, which are made relative to the folder.
    background : bool
        Whether checkpoints are written while training goes on. False: each is on the disk before the next update.

    Attributes
    ----------
    path : Path or None
        The folder; None before a numbered one exists.
    stop : callable or None
        Is asked after each update; once it returns True, a last checkpoint is written, from which the run can go on,
        and the run ends as by Ctrl-C.
    awaits_test : bool
        Whether ``summarize`` will be called with the results on the test set: the run is complete after that.

    Raises
    ------
    FileError
        If ``output`` is not empty, or another process is writing to it.
    """

    def __init__(
        self,
        output: str | os.PathLike[str] | None = None,
        *,
        runs: str | os.PathLike[str] = "runs",
        data: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        background: bool = True,
    ) -> None:
        self.path: Path | None = None if output is None else Path(output)
        self.runs = Path(runs)
        self.data = data
        self.background = background
        self.awaits_test = False
        self.stop: Callable[[], bool] | None = None
        self._clear()
        self._resumed: Snapshot | None = None
        self._found: list[str] = []
        if self.path is not None:
            refuse_used(self.path)

    def _clear(self) -> None:
        self._root: Path | None = None
        self._lock: FolderLock | None = None
        self._writer: CheckpointWriter | None = None
        self._schedule: Schedule | None = None
        self._backend: str | None = None
        #: What has computed the batches; None for this process alone.
        self._engine: Mapping[str, Any] | None = None
        self._warned: set[str] = set()
        self._step = 0
        self._keep_all = False

    @classmethod
    def resumed(
        cls, path: str | os.PathLike[str], snapshot: Snapshot, found: Sequence[Entry], *, background: bool = True
    ) -> RunFolder:
        """The folder of a run that goes on from a snapshot, which was the newest of the checkpoints ``found`` there.

        It is locked when training starts, and refused if there are other checkpoints by then.
        """
        folder = cls(background=background)
        folder.path, folder._root = Path(path), Path(os.path.abspath(path))
        folder._resumed, folder._found = snapshot, [entry.path.name for entry in found]
        return folder

    @property
    def saved(self) -> tuple[int, int] | None:
        """Completed epochs and updates of the last checkpoint that is on the disk; None before the first one."""
        return None if self._writer is None else self._writer.saved

    # ------------------------------------------------------------------ callbacks
    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """Refuse a folder that is in use by now; it is created after all callbacks have started."""
        if self._resumed is None:
            self._clear()
            if self.path is not None:
                refuse_used(self.path)

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Append the metrics."""
        if self._root is not None and not self._keep_all:
            self._tolerated(METRICS, lambda: run_files.append(self._held() / METRICS, line(record)))

    def on_end(self, trainer: TrainingRun, history: History) -> None:
        """Write the weights of the best epoch, all metrics, the learning curve and the summary; also after an error."""
        if self._root is None or self._writer is None:
            return
        try:
            if self._keep_all:
                return
            self._backend, self._engine = trainer.runner.backend, _engine_of(trainer)
            failures = self._export(trainer, history)
            if history.stopped == "failed" or not self.awaits_test:
                failures += _failures([lambda: self._summarize(history, {})])
            if failures:
                raise failures[0]
        finally:
            if self._keep_all or not self.awaits_test or history.stopped == "failed":
                self.release()

    def _export(self, trainer: TrainingRun, history: History) -> list[GraphnetError]:
        assert self._writer is not None
        failures = [] if self._writer.failure is None or history.stopped == "failed" else [self._writer.failure]
        failures += _failures(
            [
                lambda: self._write(METRICS, "".join(map(line, history.epochs)).encode()),
                lambda: self._export_weights(trainer, history),
            ]
        )
        self._draw(trainer, history)
        failures += _failures([lambda: run_files.clean(self._held())])
        return failures

    def _export_weights(self, trainer: TrainingRun, history: History) -> None:
        """Write the weights after the state, as they are removed before it: with weights there is their state."""
        words = {"epoch": str(history.best_epoch)}
        if trainer.state is not None and trainer.state.rows is not None:
            self._write(STATE, b"".join(state_file(trainer.state, words)))
        self._write(WEIGHTS, b"".join(weights_file(trainer.runner, "RunFolder", {**words, **self._model_word()})))

    def _model_word(self) -> dict[str, str]:
        model = self._writer.store.facts.get("model") if self._writer is not None else None
        return {"model": model} if model else {}

    def _draw(self, trainer: TrainingRun, history: History) -> None:
        """Write the learning curve, if it can be drawn: a picture is not worth a run."""
        try:
            image = run_files.learning_curve(history, trainer.graph.name)
            if image is not None:
                self._write(CURVE, image)
        except Exception as error:  # matplotlib, its configuration, a font, the disk
            problem = f"the learning curve was not drawn: {type(error).__name__}: {error}"
            warnings.warn(problem, GraphnetWarning, stacklevel=2)

    def summarize(self, history: History, test: Mapping[str, float]) -> None:
        """Write ``summary.json`` with the results on the test set (empty without a test set); the run is then complete.

        Raises
        ------
        FileError
            If it cannot be written, or another process is writing to the folder.
        """
        if self._root is None or self._keep_all:
            return
        if self._lock is None:
            self._lock = FolderLock(self._root)
        try:
            self._summarize(history, test)
        finally:
            self.release()

    def _summarize(self, history: History, test: Mapping[str, float]) -> None:
        summary = run_files.summary(history, self._backend, test, self._engine)
        self._write(SUMMARY, (json.dumps(summary, indent=2) + "\n").encode())

    # ------------------------------------------------------------------ checkpoints
    def start(self, trainer: CheckpointedRun) -> None:
        """Create the folder with checkpoint 0; or remove from the folder of a resumed run what will be written again.

        Raises
        ------
        FileError
            If that is not possible.
        """
        self._backend, self._engine = trainer.runner.backend, _engine_of(trainer)
        facts = {"backend": self._backend, **_model_fact(trainer), "epochs": trainer.config.epochs}
        facts |= {"versions": self._versions(trainer)}
        if self._resumed is None:
            snapshot = trainer.snapshot()
            self._create(trainer, snapshot, facts)
        else:
            snapshot = self._resumed
            self._take_up()
        assert self._root is not None and self._lock is not None
        store = CheckpointStore(self._root, self._lock, trainer.config.keep_checkpoints, facts)
        self._writer = CheckpointWriter(store, background=self.background)
        self._writer.record(snapshot)
        self._schedule = Schedule(trainer.config, snapshot.epoch, snapshot.step)
        self._step = snapshot.step
        if self._resumed is not None:
            self._reopen(trainer)

    def _create(self, trainer: CheckpointedRun, snapshot: Snapshot, facts: Mapping[str, Any]) -> None:
        draft = None
        try:
            given = self.path
            target = numbered(self.runs, trainer.graph.name) if given is None else given
            draft = Draft(target, locked=True)
            run_files.fill(draft, self._files(trainer, target, facts))
            folder = draft.path / CHECKPOINTS
            run_files.make(folder)
            write(folder / name(snapshot.epoch, snapshot.step), snapshot, facts)
            run_files.sync(folder)
            self.path = self._place(draft, target, given)
            self._root, self._lock = draft.path, draft.lock
        except OSError as error:
            raise unusable(self.runs if self.path is None else self.path, error) from error
        finally:
            if draft is not None and self._root is None:
                draft.discard()

    def _place(self, draft: Draft, target: Path, given: Path | None) -> Path:
        """Let the folder appear: in its place, or under the next free number."""
        while True:
            try:
                draft.commit(target)
                return target
            except FileExistsError:
                if given is not None:
                    refuse_used(given)
                    raise
                target = _following(target)

    def _files(self, trainer: CheckpointedRun, target: Path, facts: Mapping[str, Any]) -> dict[str, bytes]:
        return {
            MODEL: model_text(trainer.runner.completed(), self.config_in(trainer.config, target)).encode("utf-8"),
            VERSIONS: (json.dumps(facts["versions"], indent=2) + "\n").encode(),
            METRICS: b"",
        }

    def config_in(self, config: TrainingConfig, folder: Path) -> TrainingConfig:
        """The configuration of this run for a file in a folder: paths of data lead from there to the same files."""
        if self.data is not None:
            return config.changed(data=_from_folder(self.data, folder))
        if self._resumed is None or self.path is None or self.path.resolve() == folder.resolve():
            return config
        return config.changed(data=_from_run(config.data, self.path, folder))

    def _versions(self, trainer: CheckpointedRun) -> dict[str, Any]:
        engine = {} if self._engine is None else {"engine": dict(self._engine)}
        return versions(trainer.config.threads, trainer.runner.backend) | engine

    def _take_up(self) -> None:
        """Lock the folder of a resumed run, which must not have gone on since it was read."""
        assert self._root is not None
        self._lock = FolderLock(self._root)
        if [entry.path.name for entry in entries(self._root)] != self._found:
            self.release()
            raise FileError(
                "the run has gone on meanwhile",
                where=str(self.path),
                remedy="Resume it once more, from where it is now.",
            )

    def _reopen(self, trainer: CheckpointedRun) -> None:
        """Take up the folder of a run that goes on; nothing is changed if it has ended, and is complete."""
        root = self._held()
        if trainer.complete and os.path.isfile(root / SUMMARY):
            self._keep_all = True
            return
        run_files.clean(root)
        for file in (SUMMARY, WEIGHTS, STATE, CURVE):
            run_files.remove_if_there(root / file)
        self._write(METRICS, "".join(map(line, trainer.history.epochs)).encode())

    def after_batch(self, trainer: CheckpointedRun) -> None:
        """Take a checkpoint, if one is due and the last one is written."""
        self._step += 1
        assert self._schedule is not None
        if self.stop is not None and self.stop():
            self._interrupt(trainer)
        if self._schedule.due_after_batch(self._step) and self._due(trainer):
            self._take(trainer)

    def after_epoch(self, trainer: CheckpointedRun) -> None:
        """Take a checkpoint, if one is due and the last one is written; after the last epoch in any case."""
        assert self._schedule is not None and self._writer is not None
        if trainer.complete or self._due(trainer):
            self._take(trainer)
        if self.stop is not None and self.stop() and not trainer.complete:
            self._interrupt(trainer)

    def _due(self, trainer: CheckpointedRun) -> bool:
        assert self._schedule is not None and self._writer is not None
        due = self._schedule.due(len(trainer.history), self._step, self._writer.seconds)
        return due and not self._writer.busy

    def _interrupt(self, trainer: CheckpointedRun) -> None:
        """Keep the present point of the run, and end it."""
        assert self._writer is not None
        self._take(trainer)
        self._writer.wait()
        raise KeyboardInterrupt

    def _take(self, trainer: CheckpointedRun) -> None:
        assert self._schedule is not None and self._writer is not None
        self._report_failure()
        begin = time.perf_counter()
        snapshot = trainer.snapshot()
        self._schedule.taken(snapshot, time.perf_counter() - begin)
        self._step = snapshot.step
        self._writer.submit(snapshot)

    def _report_failure(self) -> None:
        """Warn once that a checkpoint was not written; training goes on, and the next one may be."""
        failure = self._writer.failure if self._writer is not None else None
        if failure is not None:
            self._warn(CHECKPOINTS, f"{failure}; training goes on, and the next checkpoint is tried")

    def end(self, trainer: CheckpointedRun) -> None:
        """Wait for the last checkpoint; after an error or an interrupt, keep the weights of the best epoch."""
        if self._writer is None or self._root is None:
            return
        self._writer.wait()
        history = trainer.history
        if history.stopped in ("interrupted", "failed") and not self._keep_all:
            self._tolerated(CHECKPOINTS, lambda: run_files.keep_best(self._writer, trainer))

    # ------------------------------------------------------------------ inside
    def _held(self) -> Path:
        """The folder, if it is still this run's; a FileError otherwise."""
        if self._root is None or self._lock is None:
            raise FileError("the run has no folder any more", where=str(self.path))
        self._lock.check()
        return self._root

    def _write(self, file: str, data: bytes) -> None:
        atomic.write(self._held() / file, data)

    def release(self) -> None:
        """Give the lock back; the run that holds it has ended, or does not go on."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()
        self._resumed = None

    def _tolerated(self, what: str, action: Callable[[], T]) -> None:
        """Do something that training can do without: a failure is a warning, the first time."""
        try:
            action()
        except GraphnetError as error:
            self._warn(what, f"{error}; training goes on")

    def _warn(self, what: str, problem: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            warnings.warn(problem, GraphnetWarning, stacklevel=3)


def _failures(actions: list[Callable[[], object]]) -> list[GraphnetError]:
    """Do all of them, also where those before have failed; returns the failures."""
    failures: list[GraphnetError] = []
    for action in actions:
        try:
            action()
        except GraphnetError as error:
            failures.append(error)
    return failures


def _model_fact(trainer: CheckpointedRun) -> dict[str, str]:
    return {"model": model_hash(trainer.graph)}


def numbered(runs: Path, name: str) -> Path:
    """``runs/name-001``, or the path with the next number after the highest one in use; nothing is created."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-") or "model"
    pattern = re.compile(re.escape(stem) + r"-(\d{3,})\Z")
    try:
        names = os.listdir(runs) if os.path.isdir(runs) else []
    except OSError as error:
        raise unusable(runs, error) from error
    if os.path.lexists(runs) and not os.path.isdir(runs):
        raise unusable(runs, NotADirectoryError(20, "a file"))
    used = [int(match[1]) for found in names if (match := pattern.match(found))]
    return runs / f"{stem}-{max(used, default=0) + 1:03d}"


def _following(path: Path) -> Path:
    """The path with the next number."""
    stem, number = path.name.rsplit("-", 1)
    return path.with_name(f"{stem}-{int(number) + 1:03d}")


def _from_folder(data: str | os.PathLike[str] | Mapping[str, Any], folder: Path) -> str | dict[str, Any]:
    """The setting ``training.data`` with its paths relative to a folder."""
    if not isinstance(data, Mapping):
        return relative(Path(data), folder)
    paths = {name: data[name] for name in ("path", "test") if isinstance(data.get(name), str)}
    return {**data, **{name: relative(Path(path), folder) for name, path in paths.items()}}


def _from_run(data: str | Mapping[str, Any] | None, run: Path, folder: Path) -> str | Mapping[str, Any] | None:
    """The setting ``training.data`` of a run's folder for another folder; names of data sets stay as they are."""

    def path(value: Any) -> Any:
        there = isinstance(value, str) and not os.path.isabs(value) and os.path.exists(run / value)
        return relative(run / value, folder) if there else value

    if isinstance(data, Mapping):
        return {**data, **{name: path(data[name]) for name in ("path", "test") if name in data}}
    return path(data)  # type: ignore[no-any-return]


def relative(path: Path, folder: Path) -> str:
    """A path relative to a folder, so that both can be moved together."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # on another drive
        return str(path.resolve())


def _engine_of(trainer: Any) -> Mapping[str, Any] | None:
    """The settings of the engine of a Trainer; None without one."""
    engine = getattr(trainer, "engine", None)
    return None if engine is None else engine.settings()
