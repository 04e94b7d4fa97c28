"""When a checkpoint is due, and the thread that writes it."""

from __future__ import annotations

import threading
import time

from graphnet.core.errors import FileError, GraphnetError
from graphnet.core.files.border import described
from graphnet.io.checkpoint_store import CheckpointStore
from graphnet.training.config import TrainingConfig
from graphnet.training.snapshot import Snapshot

#: The share of the time of a training for which it may be stopped to copy its arrays.
SHARE = 0.01


class Schedule:
    """Says when a checkpoint is due: after a number of epochs, steps or seconds, whichever comes first.

    Copies are never taken so often that training stands still for more than ``SHARE`` of its time. Nor does the thread
    that writes them get more than twice that share of a processor: Python runs one thread at a time.
    """

    def __init__(self, config: TrainingConfig, epoch: int, step: int) -> None:
        self._epochs, self._steps, self._seconds = (
            config.checkpoint_epochs,
            config.checkpoint_steps,
            config.checkpoint_seconds,
        )
        self._copying = 0.0
        self._taken(epoch, step)

    def _taken(self, epoch: int, step: int) -> None:
        self._epoch, self._step, self._time = epoch, step, time.monotonic()

    def due_after_batch(self, step: int) -> bool:
        """Whether a checkpoint may be due within an epoch; asked after every batch, so it costs little."""
        if self._steps is not None and step - self._step >= self._steps:
            return True
        return self._seconds is not None and time.monotonic() - self._time >= self._seconds

    def due(self, epoch: int, step: int, writing: float = 0.0) -> bool:
        """Whether a checkpoint is due at this number of completed epochs and steps.

        ``writing`` is the processor time, in seconds, that the last checkpoint took in another thread.
        """
        now = time.monotonic()
        wanted = (
            (self._epochs is not None and epoch - self._epoch >= self._epochs)
            or (self._steps is not None and step - self._step >= self._steps)
            or (self._seconds is not None and now - self._time >= self._seconds)
        )
        return wanted and now - self._time >= max(self._copying, writing / 2) / SHARE

    def taken(self, snapshot: Snapshot, seconds: float) -> None:
        """A copy was taken, which took so long."""
        self._taken(snapshot.epoch, snapshot.step)
        self._copying = seconds


class CheckpointWriter:
    """Writes checkpoints one at a time, in a thread of its own; while it is busy, others are not taken, never queued.

    Parameters
    ----------
    store : CheckpointStore
    background : bool
        False: ``submit`` returns when the checkpoint is written.

    Attributes
    ----------
    saved : (int, int) or None
        Epoch and step of the last checkpoint that is on the disk.
    saved_best : int
        The epoch of the best weights in it; 0: none.
    seconds : float
        The processor time of this thread that the last one took; 0 if the training has waited for it anyway.
    failure : GraphnetError or None
        Why the last one could not be written.
    """

    def __init__(self, store: CheckpointStore, *, background: bool = True) -> None:
        self.store, self.background = store, background
        self.saved: tuple[int, int] | None = None
        self.saved_best = 0
        self.seconds = 0.0
        self.failure: GraphnetError | None = None
        self._fatal: BaseException | None = None
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being written."""
        return self._thread is not None and self._thread.is_alive()

    def record(self, snapshot: Snapshot) -> None:
        """A checkpoint is on the disk."""
        self.saved, self.failure = (snapshot.epoch, snapshot.step), None
        self.saved_best = int(snapshot.values.get("best_epoch") or 0)

    def submit(self, snapshot: Snapshot) -> None:
        """Begin to write a checkpoint; the writer must not be busy."""
        self.wait()
        if not self.background:
            self._write(snapshot)
            return
        self._thread = threading.Thread(target=self._caught, args=(snapshot,), name="graphnet checkpoint")
        self._thread.start()

    def wait(self) -> None:
        """Wait until nothing is being written."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        fatal, self._fatal = self._fatal, None
        if fatal is not None:
            raise fatal

    def _caught(self, snapshot: Snapshot) -> None:
        begin = time.thread_time()
        try:
            self._write(snapshot)
        except BaseException as error:  # raised where the training waits for this thread
            self._fatal = error
        finally:
            self.seconds = time.thread_time() - begin

    def _write(self, snapshot: Snapshot) -> None:
        try:
            self.store.commit(snapshot)
            self.record(snapshot)
        except GraphnetError as error:
            self.failure = error
        except Exception as error:  # no memory for another copy, for example
            self.failure = FileError(
                "the checkpoint cannot be written", where=str(self.store.run), received=described(error)
            )
            self.failure.__cause__ = error
