"""The state of a training run: copied into a Snapshot between two updates, and restored from one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import StateError
from graphnet.core.run.state import State
from graphnet.training.best_weights import BestWeights
from graphnet.training.callbacks.base import TrainingRun
from graphnet.training.epoch import CurrentEpoch, EpochRunner
from graphnet.training.feeds import StreamPieces
from graphnet.training.history import EpochRecord
from graphnet.training.object_kinds import layout
from graphnet.training.object_reader import ObjectReader
from graphnet.training.object_writer import ObjectWriter
from graphnet.training.run_generators import RunGenerators
from graphnet.training.run_objects import RunObjects
from graphnet.training.snapshot import FRESH, Snapshot, reading


class RunState:
    """Everything that decides the future of a training run, and how to read and set it.

    Parameters
    ----------
    run : TrainingRun
        Its history, its best state and whether it is stopping are read and set.
    epochs : EpochRunner
    best : BestWeights
    objects : RunObjects
        The layers, callbacks and other objects of the run.
    fingerprint : mapping of str to JSON value
        A part of each snapshot.

    Attributes
    ----------
    step : int
        Updates since the beginning of the run.
    stopped : str or None
        How the run has ended; None while it goes on.
    resumed : bool
        Whether the run continues from a checkpoint.
    ended : bool
        Whether only ``on_end`` of the callbacks is left: the weights are no longer those of the last update.
    """

    def __init__(
        self,
        run: TrainingRun,
        epochs: EpochRunner,
        best: BestWeights,
        objects: RunObjects,
        fingerprint: Mapping[str, Any],
    ) -> None:
        self.run, self.epochs, self.best = run, epochs, best
        self.objects, self.fingerprint = objects, fingerprint
        self.generators = RunGenerators(epochs)
        self.step = 0
        self.stopped: str | None = None
        self.ended = self.resumed = False
        self._records: list[Any] = []
        self._best_copy: tuple[int, dict[str, Array]] = (-1, {})

    # ------------------------------------------------------------------ reading
    def snapshot(self) -> Snapshot:
        """A copy of the present state.

        Raises
        ------
        ConfigError
            If an object has an attribute that cannot be kept.
        """
        writer = ObjectWriter()
        runner, updates = self.epochs.runner, self.epochs.updates
        present = {**{name: p.value for name, p in runner.parameters.items()}, **runner.buffers}
        values = {
            "fingerprint": self.fingerprint,
            "epochs": self.epochs.config.epochs,
            "stopped": self.stopped,
            "stopping": self.run.stopping,
            "best_epoch": self.best.epoch,
            "best_score": writer.value(self.best.score, "best score"),
            "layouts": {name: axes for name, array in present.items() if (axes := layout(array)) is not None},
            "history": self._history(writer),
            "grouping": updates.grouping(),
            "optimizers": [writer.object(g.optimizer, f"optimizer {i}") for i, g in enumerate(updates.groups)],
            "pace": writer.value(self.epochs.pace.state(), "pace"),
            "accumulation": writer.value(self.epochs.accumulation.state(), "accumulation"),
            "averages": writer.value(self.epochs.averages.state(), "averages"),
            "objects": self.objects.written(writer),
            "pieces": self._pieces(writer),
            "unread": writer.value(getattr(self.epochs.feed, "unread", None), "unread"),
            "epoch": None if self.epochs.current is None else self._epoch(self.epochs.current, writer),
            "generators": self.generators.written(writer.arrays),
        }
        arrays: dict[str, Mapping[str, Array]] = {"weights": {name: a.copy() for name, a in present.items()}}
        if self.best.epoch:
            arrays["best"] = self._best_arrays()
        if self.run.state is not None and self.run.state.rows is not None:
            arrays["state"] = _state_arrays(self.run.state)
        return Snapshot(len(self.run.history), self.step, {**arrays, "training": writer.arrays}, values)

    def _best_arrays(self) -> dict[str, Array]:
        """Copies of the best weights, made once for each best epoch."""
        if self._best_copy[0] != self.best.epoch:
            self._best_copy = self.best.epoch, {name: array.copy() for name, array in self.best.arrays.items()}
        return self._best_copy[1]

    def _history(self, writer: ObjectWriter) -> list[Any]:
        """The records of all epochs; each is converted once."""
        records = self.run.history.epochs
        for record in records[len(self._records) :]:
            self._records.append(writer.value(record, f"epoch {record.epoch}"))
        return self._records[: len(records)]

    def _pieces(self, writer: ObjectWriter) -> Any:
        truncated = self.epochs.feed.truncated
        return None if truncated is None else writer.value(truncated.carried(), "pieces")

    def _epoch(self, current: CurrentEpoch, writer: ObjectWriter) -> dict[str, Any]:
        metrics = current.totals.metrics
        return {
            "number": current.number,
            "rate": writer.value(current.rate, "rate"),
            "norm": writer.value(current.norm, "norm"),
            "batches": current.batches,
            "skipped": current.skipped,
            "initial": writer.value(current.initial, "initial loss"),
            "position": list(current.position),
            "seconds": time.perf_counter() - current.start,
            "totals": writer.value(current.totals.partial(), "totals"),
            "metrics": [writer.object(metric, f"epoch, metric {metric.name}") for metric in metrics],
        }

    # ------------------------------------------------------------------ restoring
    def restore_past(self, snapshot: Snapshot) -> None:
        """Restore what callbacks may read in ``on_start``: the history, the weights and the best ones.

        Raises
        ------
        StateError
            If the snapshot is damaged, or does not belong to this run.
        """
        with reading():
            reader = ObjectReader(snapshot.arrays["training"])
            values = snapshot.values
            records = [reader.value(record, None, "") for record in values["history"]]
            for number, record in enumerate(records, 1):
                _check_record(number, record)
            self.run.history.epochs = records
            self.run.history.best_epoch = values["best_epoch"]
            self._set_weights(snapshot.arrays["weights"], values["layouts"])
            if values["best_epoch"]:
                score = reader.value(values["best_score"], None, "best score")
                if not isinstance(score, tuple):
                    raise TypeError(f"the score of the best epoch: {score}")
                _check_numbers("the best epoch", values["best_epoch"], *score)
                copies = {name: np.array(array) for name, array in snapshot.arrays["best"].items()}
                self.best.carry_on(values["best_epoch"], score, copies)
            if "state" in snapshot.arrays:
                self.run.state = _state(snapshot.arrays["state"])
            self.step = snapshot.step
            self.stopped = values["stopped"]

    def restore(self, snapshot: Snapshot) -> None:
        """Restore everything else, and what callbacks have changed in ``on_start``; generators last.

        Raises
        ------
        StateError
            As :meth:`restore_past`.
        """
        with reading():
            values, arrays = snapshot.values, snapshot.arrays["training"]
            reader = ObjectReader(arrays)
            self._set_weights(snapshot.arrays["weights"], values["layouts"])
            self._restore_optimizers(values, reader)
            for name in ("pace", "accumulation", "averages"):
                part: Any = getattr(self.epochs, name)
                state = reader.value(values[name], None, name)
                _check_kinds(name, part.state(), state)
                part.load_state(state)
            self.objects.restore(values["objects"], reader)
            if self.epochs.feed.truncated is not None:
                self.epochs.feed.truncated.carry_on(reader.value(values["pieces"], None, "pieces"))
            if isinstance(self.epochs.feed, StreamPieces):
                self.epochs.feed.unread = reader.value(values["unread"], None, "unread")
            self.run.stopping = values["stopping"]
            current = None if values["epoch"] is None else self._restored_epoch(values["epoch"], reader)
            self.epochs.current = current
            self.generators.restore(values["generators"], arrays)

    def _set_weights(self, arrays: Mapping[str, Array], layouts: Mapping[str, list[int]]) -> None:
        runner = self.epochs.runner
        present = {**{name: p.value for name, p in runner.parameters.items()}, **runner.buffers}
        fits = {name: (a.shape, a.dtype) for name, a in arrays.items()}
        if fits != {name: (a.shape, a.dtype) for name, a in present.items()}:
            raise StateError(
                "the checkpoint has other weights than the model",
                where="resume",
                expected=_shapes(arrays, present),
                received=_shapes(present, arrays),
                remedy="Resume with the model of the run.",
            )
        for path, layer in runner.layers.items():
            for name, parameter in layer.params.items():
                parameter.value = _laid_out(arrays[f"{path}/{name}"], layouts.get(f"{path}/{name}"))
            buffers = {name: f"{path}/{name}" for name in layer.buffer_values}
            layer.store.replace_buffers({n: _laid_out(arrays[key], layouts.get(key)) for n, key in buffers.items()})

    def _restore_optimizers(self, values: Mapping[str, Any], reader: ObjectReader) -> None:
        updates = self.epochs.updates
        updates.rebuild(values["grouping"])
        for i, (group, written) in enumerate(zip(updates.groups, values["optimizers"], strict=True)):
            reader.object(written, group.optimizer, f"optimizer {i}")
            state = getattr(group.optimizer, "state", None)
            if callable(state) and not isinstance(state(), Mapping):
                raise TypeError(f"the state of optimizer {i}")

    def _restored_epoch(self, written: Mapping[str, Any], reader: ObjectReader) -> CurrentEpoch:
        current = CurrentEpoch(written["number"], self.epochs.totals())
        current.rate = reader.value(written["rate"], None, "rate")
        current.norm = reader.value(written["norm"], None, "norm")
        current.batches, current.position = written["batches"], tuple(written["position"])
        current.skipped = written["skipped"]
        current.initial = reader.value(written["initial"], None, "initial loss")
        current.start = time.perf_counter() - written["seconds"]
        given = [each for each in (current.rate, current.norm, current.initial) if each is not None]
        counts = current.number, current.batches, current.skipped, *current.position
        _check_numbers("the epoch that was interrupted", *counts, *given)
        totals = reader.value(written["totals"], None, "totals")
        sums = *totals["values"].values(), *totals["terms"].values()
        _check_numbers("the sums of the epoch", *sums, totals["penalty"], totals["examples"])
        current.totals.carry_on(totals)
        for metric, state in zip(current.totals.metrics, written["metrics"], strict=True):
            reader.object(state, metric, f"epoch, metric {metric.name}")
        return current


def _check_kinds(what: str, now: Any, state: Any) -> None:
    """Raise a TypeError where a state has no number, array or mapping in the place of one."""
    if isinstance(now, Mapping):
        if not isinstance(state, Mapping):
            raise TypeError(f"{what}: {state}")
        for name in now.keys() & state.keys():
            _check_kinds(f"{what}, {name}", now[name], state[name])
    elif isinstance(now, np.ndarray) and not isinstance(state, np.ndarray):
        raise TypeError(f"{what}: {state}")
    elif isinstance(now, (int, float)) and state is not None:
        _check_numbers(what, state)


def _check_numbers(what: str, *values: Any) -> None:
    """Raise a TypeError unless these are numbers, an OverflowError for an integer that no float holds."""
    if not all(isinstance(value, (int, float, np.number)) for value in values):
        raise TypeError(f"{what}: {values}")
    for value in values:
        float(value)


def _check_record(number: int, record: Any) -> None:
    """Raise a TypeError if this is not the record of an epoch."""
    if not isinstance(record, EpochRecord) or record.epoch != number:
        raise TypeError(f"record {number} of the history")
    figures = [*record.flat().values(), record.initial_loss]
    _check_numbers(f"record {number} of the history", *(figure for figure in figures if figure is not None))


def _laid_out(array: Array, axes: list[int] | None) -> Array:
    """A copy of an array with its axes in this order in memory."""
    if axes is None:
        return np.array(array, order="C")
    return np.array(array.transpose(axes), order="C").transpose(np.argsort(axes))


def _shapes(arrays: Mapping[str, Array], others: Mapping[str, Array]) -> str:
    """The shapes and dtypes of the arrays that the others lack, or have otherwise; the first few."""
    names = [
        name
        for name, a in arrays.items()
        if name not in others or (a.shape, a.dtype) != (others[name].shape, others[name].dtype)
    ]
    shown = ", ".join(f"{name} {arrays[name].shape} {arrays[name].dtype}" for name in names[:3])
    return f"{shown}{', …' if len(names) > 3 else ''}" or "nothing more"


def _state_arrays(state: State) -> dict[str, Array]:
    """A recurrent state as a file has it."""
    arrays = {name: np.array(array, order="C") for name, array in state.arrays.items()}
    return arrays if state.fresh is None else {**arrays, FRESH: state.fresh.astype(np.uint8)}


def _state(arrays: Mapping[str, Array]) -> State:
    fresh = arrays.get(FRESH)
    return State({name: a for name, a in arrays.items() if name != FRESH}, None if fresh is None else fresh != 0)
