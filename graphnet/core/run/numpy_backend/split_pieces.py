"""The pieces of a Scan that was taken apart, besides nodes and recurrences: repeated values, and smaller Scans."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Loop
from graphnet.core.compile.recurrences.split import ONCE, Repeat, Rest
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.recurrence import Frame
from graphnet.core.run.numpy_backend.region import inputs_of
from graphnet.core.run.row_masks import Rows, add
from graphnet.core.run.thread_policy import ThreadPolicy


class Owner(Protocol):
    """The Scan that a piece belongs to: steps and rows, shapes of slots without their rows, and options."""

    size: tuple[int, int]
    shapes: list[tuple[int, ...]]
    options: BindOptions


class BoundRepeat:
    """Brings a value to another number of rows, bound."""

    def __init__(self, step: Repeat, stages: list[int], shapes: Shapes, size: tuple[int, int], dtype: str) -> None:
        self.step, self.size, self.dtype = step, size, dtype
        shape = shapes.slots[step.target]
        assert shape is not None
        self.sizes = tuple(n or 0 for n in shape.sizes)
        self.once = step.source is not None and stages[step.source] == ONCE

    def forward(self, values: list[Any], run: RunContext) -> None:
        """Fill the slot of the target."""
        source = self.step.source
        if source is None:
            values[self.step.target] = np.broadcast_to(np.zeros((), self.dtype), self.sizes)
        elif self.once:
            values[self.step.target] = np.broadcast_to(values[source], self.sizes)
        else:
            repeated = np.broadcast_to(values[source], (self.size[0], *values[source].shape))
            values[self.step.target] = repeated.reshape(self.sizes)

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the error of the source."""
        error, source = errors[self.step.target], self.step.source
        if error is None or source is None:
            return
        if self.once:
            add(errors, source, error.sum(axis=0, keepdims=True))
        else:
            add(errors, source, error.reshape(*self.size, *error.shape[1:]).sum(axis=0))


class BoundRest:
    """The Scan of states that are not linear, bound."""

    def __init__(self, piece: Rest, scan: Any, owner: Owner) -> None:
        assert piece.loop is not None
        self.piece, self.loop, self.scan, self.owner = piece, piece.loop, scan, owner
        self.initial = [slot for slot in piece.loop.initial if slot is not None]

    def start(self, run: RunContext) -> None:
        """Look up what stays the same for a whole pass."""
        self.run = run
        self.scan.start(run)

    def policy(self, keep: bool) -> ThreadPolicy:
        """Which BLAS threads it runs with."""
        policy: ThreadPolicy = self.scan.policy(keep)
        return policy

    def forward(self, values: list[Any], frame: Frame) -> Any:
        """Fill the slots of its outputs and the final states."""
        owner, loop = self.owner, self.loop
        slots = list(values)
        for slot in loop.sequences:
            slots[slot] = values[slot].reshape(*owner.size, *owner.shapes[slot])
        for place, s in zip(self.initial, self.piece.states, strict=True):
            state = frame.initial[s]
            slots[place] = (
                np.zeros((owner.size[1], *owner.shapes[place]), owner.options.dtype) if state is None else state
            )
        saved = self.scan.forward(slots, self.run)
        for slot in loop.outputs:
            array = slots[slot] if frame.ends is None else frame.ends.repeated(slots[slot])
            values[slot] = array.reshape(-1, *owner.shapes[slot])
        for slot, s in zip(loop.finals, self.piece.states, strict=True):
            frame.final[s] = slots[slot]
        return saved, self.run

    def backward(self, saved: Any, errors: list[Any], frame: Frame) -> None:
        """Add to the errors of what it reads."""
        owner, loop = self.owner, self.loop
        tape, run = saved
        own: list[Any] = [None] * len(errors)
        for slot in loop.outputs:
            if errors[slot] is not None:
                error = errors[slot].reshape(*owner.size, *owner.shapes[slot])
                own[slot] = error if frame.ends is None else frame.ends.zeroed(error)
        for slot, s in zip(loop.finals, self.piece.states, strict=True):
            own[slot] = frame.errors[s]
        self.scan.backward(tape, own, run, None)
        for slot in loop.sequences:
            if own[slot] is not None:
                add(errors, slot, own[slot].reshape(-1, *owner.shapes[slot]))
        for slot in loop.contexts:
            if own[slot] is not None:
                add(errors, slot, own[slot])
        for place, s in zip(self.initial, self.piece.states, strict=True):
            frame.errors[s] = own[place]


def reads_of(piece: Any) -> list[int]:
    """The slots that a piece reads."""
    if isinstance(piece, Rest):
        assert piece.loop is not None
        return [*piece.loop.sequences, *piece.loop.contexts]
    return inputs_of(piece) if isinstance(piece, (Call, Loop)) else list(piece.inputs)
