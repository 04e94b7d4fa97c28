"""The course of one ``fit``: epochs, callbacks, checkpoints, and how it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from graphnet.core.errors import GraphnetError
from graphnet.training.callbacks import EarlyStopping
from graphnet.training.guards import guarded
from graphnet.training.nonfinite.worse import warn_if_worse
from graphnet.training.progress import Shown
from graphnet.training.resumption import Resumption
from graphnet.training.run_state import RunState


class RunLoop:
    """Runs the epochs of a Trainer, and calls its callbacks and then its checkpoints.

    Parameters
    ----------
    trainer : Trainer
        Its history, state and request to stop are set.
    state : RunState
    progress : Shown or None
        Is called after the callbacks; it is not part of the run.
    """

    def __init__(self, trainer: Any, state: RunState, progress: Shown | None = None) -> None:
        self.trainer, self.state = trainer, state
        self.epochs, self.best = state.epochs, state.best
        self.callbacks, self.checkpoints = trainer.callbacks, trainer.checkpoints
        self.progress = progress
        if progress is not None:
            self.callbacks = (*self.callbacks, progress)
        if self.checkpoints is not None:
            self.epochs.at_beginning = state.generators.beginning

    def run(self, resumption: Resumption | None) -> None:
        """Run all epochs, or those that are left of a run that goes on; then restore the weights of the best one.

        Raises
        ------
        GraphnetError
            As ``Trainer.fit``.
        """
        try:
            self._run(resumption)
        finally:
            if self.progress is not None:
                self.progress.close()

    def _run(self, resumption: Resumption | None) -> None:
        history = self.trainer.history
        try:
            self._start(resumption)
            self._run_epochs()
        except KeyboardInterrupt:
            history.stopped = "interrupted"
        except SystemExit:  # the process is to end at once: nothing more is written
            self._restore(failed=True)
            raise
        except BaseException as error:
            history.stopped = "failed"
            self._restore(failed=True)
            for failure in self._end():
                error.add_note(f"Then: {failure}")
            raise
        self._restore()
        failures = self._end()
        if failures:
            raise failures[0]

    def _start(self, resumption: Resumption | None) -> None:
        """Call ``on_start`` of all callbacks, with the past of the run; then restore all that decides its future."""
        self.state.resumed = resumption is not None
        if resumption is not None:
            self.state.restore_past(resumption.snapshot)
        self._call("on_start", self.epochs.feed.count)
        if resumption is not None:
            self.state.restore(resumption.snapshot)
            if not resumption.over and self.state.stopped is not None:  # by a callback, or after fewer epochs
                self.state.stopped, self.trainer.stopping = None, False
        if self.checkpoints is not None:
            self.checkpoints.start(self.trainer)

    def _run_epochs(self) -> None:
        trainer, history = self.trainer, self.trainer.history
        if self.state.stopped is not None:
            history.stopped = self.state.stopped
            return
        for epoch in range(len(history) + 1, trainer.config.epochs + 1):
            record = self.epochs.run(epoch, self._on_batch_end)
            with self.epochs.averages.in_place():
                record = replace(record, best=self.best.update(record))
            trainer.state = self.epochs.feed.state if record.best else trainer.state
            history.epochs.append(record)
            history.best_epoch = self.best.epoch
            self._call("on_epoch_end", record)
            if trainer.stopping or self._out_of_patience(epoch):
                history.stopped = self.state.stopped = "callback" if trainer.stopping else "patience"
            elif epoch == trainer.config.epochs:
                self.state.stopped = "finished"
            if self.checkpoints is not None:
                self.checkpoints.after_epoch(trainer)
            if self.state.stopped is not None:
                warn_if_worse(history, all(loss.reduction == "mean" for loss in self.epochs.losses.values()))
                return

    def _on_batch_end(self, epoch: int, batch: int, loss: float) -> None:
        self.state.step += 1
        self._call("on_batch_end", epoch, batch, loss)
        if self.checkpoints is not None:
            self.checkpoints.after_batch(self.trainer)

    def _out_of_patience(self, epoch: int) -> bool:
        patience: int | None = self.trainer.config.patience
        if patience is not None and epoch - self.best.epoch >= patience:
            return True
        return any(callback.exhausted for callback in self.callbacks if isinstance(callback, EarlyStopping))

    # ------------------------------------------------------------------ the end
    def _restore(self, *, failed: bool = False) -> None:
        if self.best.epoch or failed:
            self.best.restore()
        self.trainer.history.best_epoch = self.best.epoch

    def _end(self) -> list[GraphnetError]:
        """Call ``on_end`` of every callback, also where those before it failed; returns the failures."""
        failures: list[GraphnetError] = []
        self.state.ended = True
        try:
            if self.checkpoints is not None:
                self.checkpoints.end(self.trainer)
        except GraphnetError as error:
            failures.append(error)
        for callback in self.callbacks:
            try:
                with guarded("callback", callback, "on_end"):
                    callback.on_end(self.trainer, self.trainer.history)
            except GraphnetError as error:
                failures.append(error)
        return failures

    def _call(self, method: str, *arguments: Any) -> None:
        """Call a method of every callback."""
        for callback in self.callbacks:
            with guarded("callback", callback, method):
                getattr(callback, method)(self.trainer, *arguments)
