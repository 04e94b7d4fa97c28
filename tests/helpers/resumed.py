"""Runs that are stopped after any update and resumed, in memory: what was stored passes through JSON, and is compared."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass, replace

import pytest

from graphnet.core.errors import GraphnetWarning
from graphnet.training import Trainer
from graphnet.training.checkpoints import Checkpoints
from graphnet.training.snapshot import Snapshot


class Recorder(Checkpoints):
    """Keeps a snapshot of every moment at which one may be taken."""

    def __init__(self):
        self.snapshots = []

    def start(self, trainer):
        self.snapshots.append(trainer.snapshot())

    after_batch = after_epoch = start

    def end(self, trainer):
        self.ended = True


@dataclass
class Stored:
    """A run that is stored nowhere."""

    graph: object
    config: object
    snapshot: Snapshot
    checkpoints: Checkpoints | None = None
    callbacks: tuple = ()


def through_json(snapshot):
    """The snapshot as a store gives it back."""
    values = json.loads(json.dumps(snapshot.values, allow_nan=False))
    arrays = {part: {n: a.copy() for n, a in by_name.items()} for part, by_name in snapshot.arrays.items()}
    return replace(snapshot, arrays=arrays, values=values)


def comparable(snapshot):
    """A snapshot as plain data, without durations: arrays by their bytes, dtypes and shapes."""
    values = _without_seconds(json.loads(json.dumps(snapshot.values)))
    arrays = {
        f"{part}/{name}": (a.dtype.str, a.shape, a.tobytes())
        for part, by_name in snapshot.arrays.items()
        for name, a in by_name.items()
    }
    return {"epoch": snapshot.epoch, "step": snapshot.step, "values": values, **arrays}


def _without_seconds(value):
    if isinstance(value, dict):
        return {k: _without_seconds(v) for k, v in value.items() if k != "seconds"}
    return [_without_seconds(item) for item in value] if isinstance(value, list) else value


def assert_same(one, other, where):
    one, other = comparable(one), comparable(other)
    assert one.keys() == other.keys(), where
    for name in one:
        assert one[name] == other[name], (where, name)


def whole_run(make):
    """The snapshots of a run that is not stopped; ``make()`` returns graph, config, callbacks and arguments of fit."""
    graph, config, callbacks, arguments = make()
    recorder = Recorder()
    trainer = Trainer(graph, config, callbacks=callbacks, checkpoints=recorder)
    trainer.fit(**arguments)
    assert recorder.ended
    return trainer, recorder.snapshots


def resumed_run(make, snapshot, **options):
    """The same run in new objects, from one of its snapshots."""
    graph, config, callbacks, arguments = make()
    recorder = Recorder()
    stored = Stored(graph, config, through_json(snapshot), recorder)
    trainer = Trainer.resume(stored, callbacks=callbacks, **options)
    over = snapshot.values["stopped"] == "patience" or snapshot.epoch >= options.get("epochs", config.epochs)
    with pytest.warns(GraphnetWarning, match="the run is over") if over else nullcontext():
        trainer.fit(**arguments)
    return trainer, recorder.snapshots


def check_every_stop(make, every=1):
    """Stop after every update, resume, and compare all later checkpoints and the result with the whole run."""
    expected, snapshots = whole_run(make)
    for i in range(0, len(snapshots), every):
        trainer, again = resumed_run(make, snapshots[i])
        assert len(again) == len(snapshots) - i, i
        assert_same(again[0], snapshots[i], f"restored at {i}")
        assert_same(again[-1], snapshots[-1], f"resumed at {i}")
        assert figures(trainer) == figures(expected), i
    return expected, snapshots


def figures(trainer):
    """History, weights, buffers and state of a trainer, as plain data."""
    records = [{**record.flat(), "seconds": 0} for record in trainer.history.epochs]
    arrays = {name: p.value.tobytes() for name, p in trainer.runner.parameters.items()}
    arrays |= {name: a.tobytes() for name, a in trainer.runner.buffers.items()}
    state = None if trainer.state is None else {n: a.tobytes() for n, a in trainer.state.arrays.items()}
    return repr(records), trainer.history.best_epoch, trainer.history.stopped, arrays, state
