"""Runs a batch again, node by node, to find where a number that is not finite arose first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphnet.core.compile.plan import Call
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import GraphnetError
from graphnet.core.run.observed.codes import Places, fitted
from graphnet.core.run.observed.origin import Origin
from graphnet.core.run.observed.record import Key, Record
from graphnet.core.run.observed.steps import ObservingBackend
from graphnet.core.run.observed.walk import ForwardWalk
from graphnet.core.run.observed.walk_backward import BackwardWalk
from graphnet.core.run.runner import Runner
from graphnet.data.batches import Batch
from graphnet.losses import Loss
from graphnet.training.nonfinite.batch_start import BatchStart, with_runner
from graphnet.training.nonfinite.loss_places import loss_places
from graphnet.training.totals import Totals, loss_arguments


def observing(runner: Runner) -> tuple[Runner, Record]:
    """A runner of the same graph that runs node by node, and its record."""
    backend = ObservingBackend()
    return Runner(runner.graph, backend=backend, reach=runner.reach), backend.record


@dataclass
class ObservedBatch:
    """One batch that was run node by node.

    Parameters
    ----------
    feed : Feed
        With a runner of :func:`observing`.
    record : Record
    losses : mapping of output name to Loss
    batch : Batch
    outputs : mapping of name to array
        As the feed has returned them.
    loss_weights : mapping of output name to float, optional
    """

    feed: Any
    record: Record
    losses: Mapping[str, Loss]
    batch: Batch
    outputs: Mapping[str, Array]
    loss_weights: Mapping[str, float] | None = None

    # ------------------------------------------------------------------ the loss
    def errors(self) -> dict[str, Array]:
        """The error of each output that has one in this batch."""
        return self._totals().add_with_errors(self.outputs, self.batch)[1]

    def _totals(self) -> Totals:
        return Totals(self.losses, (), self.loss_weights)

    def of_loss(self) -> list[Origin]:
        """The origins of a loss that is not finite, in the order of computation; none if it is finite here."""
        seeds: list[tuple[Key, Places]] = []
        own: list[Origin] = []
        for name, mask in self._totals().valid(self.outputs, self.batch).items():
            loss, timed = self.losses[name], self._timed(name)
            output, target, *rest = loss_arguments(name, self.outputs, self.batch, mask)
            if math.isfinite(loss.value(output, target, *rest)):
                continue
            places = loss_places(loss, output, target, mask, rest[1] if len(rest) > 1 else None, timed)
            bad = ~_finite(output, 2 if timed else 1)
            both = places & bad if (places & bad).any() else bad & _valid(mask, bad.shape)
            if both.any():
                seeds.append((((), self._slot(name)), self._in_window(both, timed)))
            else:
                own.append(self._of_loss_itself(name, loss, places, timed))
        return self._located(self.walk().run(seeds)) or own

    def _of_loss_itself(self, name: str, loss: Loss, places: Places, timed: bool) -> Origin:
        """The origin of a loss that is not finite for a finite output: the target, or the loss."""
        first = tuple(int(i) for i in np.argwhere(places)[0]) if places.any() else None
        step = None if first is None or not timed else first[0]
        row = None if first is None else first[1]
        target: Array = np.asarray(self.batch.targets[name])
        if target.dtype.kind == "f" and first is not None:
            at = np.asarray(target[first] if timed else target[first[1]])
            if not np.isfinite(at).all():
                return Origin("target", name, step=step, row=row, received="NaN" if np.isnan(at).any() else "infinity")
        return Origin("loss", f"{name}, {type(loss).__name__}", step=step, row=row)

    # ------------------------------------------------------------------ gradients
    def of_gradients(self, bad: Mapping[str, set[str]], *, errors: bool = False) -> list[Origin]:
        """The origins of gradients that are not finite, after ``feed.backward``.

        Parameters
        ----------
        bad : mapping of layer path to names of weights
        errors : bool
            See :meth:`BackwardWalk.run`.
        """
        walk = BackwardWalk(self.plan, self.record, self.mixing, self.walk())
        return self._located(walk.run(bad, errors))

    def bad_gradients(self) -> dict[str, set[str]]:
        """The weights whose gradients are not finite, in the pass that was observed."""
        bad: dict[str, set[str]] = {}
        for path, layer in self.feed.runner.layers.items():
            for name, parameter in layer.params.items():
                if parameter.gradient is not None and not np.isfinite(parameter.gradient).all():
                    bad.setdefault(path, set()).add(name)
        return bad

    # ------------------------------------------------------------------ every node
    def of_nodes(self) -> list[Origin]:
        """The nodes that have made NaN of numbers that were none, though nothing may depend on it."""
        record = self.record
        seeds = [(key, (codes & 1) != 0) for key, codes in record.values.items() if (codes & 1).any()]
        return self._located(self.walk().run(seeds))

    # ------------------------------------------------------------------ inside
    @property
    def plan(self) -> Any:
        """The plan that has run."""
        return self.feed.runner.plan

    def walk(self) -> ForwardWalk:
        """Explains values of the forward pass."""
        return ForwardWalk(self.plan, self.record, self.mixing, self._bad_weight)

    def mixing(self, call: Call) -> tuple[bool, bool]:
        """Whether a node may compute a step from others, and a row from others."""
        found: tuple[bool, bool] = self.record.bound[call.path].mixing()
        return found

    def _bad_weight(self, path: str) -> str | None:
        layer = self.feed.runner.layers[path]
        arrays = {**{n: p.value for n, p in layer.params.items()}, **layer.buffer_values}
        return next((name for name, array in arrays.items() if not np.isfinite(array).all()), None)

    def _slot(self, name: str) -> int:
        return dict(self.plan.outputs)[name]

    def _timed(self, name: str) -> bool:
        shape = self.feed.runner.last_pass.shapes.slots[self._slot(name)]
        return shape is not None and shape.names[:2] == ("time", "batch")

    def _in_window(self, places: Places, timed: bool) -> Places:
        """Places of an output in the axes of what has run, which may begin with earlier pieces."""
        truncated = self.feed.truncated
        return places if truncated is None or not timed else np.asarray(truncated.in_window(places))

    def _located(self, origins: list[Origin]) -> list[Origin]:
        """Origins whose steps count from the beginning of the batch."""
        truncated = self.feed.truncated
        if truncated is None:
            return origins
        return [o if o.step is None else replace(o, step=truncated.step_in_piece(o.step, o.row)) for o in origins]


def _valid(mask: Array | None, shape: tuple[int, ...]) -> Places:
    """The places that a mask leaves."""
    if mask is None:
        return np.ones(shape, bool)
    axes = 2 if shape[0] > 1 and mask.ndim > 1 else 1
    places = np.asarray(mask.reshape(*mask.shape[:axes], -1).any(axis=-1))
    return fitted(places.reshape(-1, mask.shape[axes - 1]), shape)


def _finite(output: Array, axes: int) -> Places:
    finite = np.isfinite(output).reshape(*output.shape[:axes], -1).all(axis=-1)
    return np.asarray(finite).reshape(output.shape[0] if axes == 2 else 1, -1)


Weights = Mapping[str, float] | None


def run_again(
    feed: Any, losses: Mapping[str, Loss], start: BatchStart, batch: Batch, loss_weights: Weights
) -> ObservedBatch:
    """Run the forward pass of a batch again, from the state before it."""
    runner, record = observing(feed.runner)
    start.rewind(feed)
    again = with_runner(feed, runner)
    return ObservedBatch(again, record, losses, batch, again.forward(batch), loss_weights)


def explain_loss(
    feed: Any, losses: Mapping[str, Loss], start: BatchStart, batch: Batch, loss_weights: Weights
) -> Origin | None:
    """Where a loss that is not finite began; None where the batch does not give one again."""
    try:
        found = run_again(feed, losses, start, batch, loss_weights).of_loss()
    except GraphnetError:
        return None
    return found[0] if found else None


def explain_gradients(
    feed: Any, losses: Mapping[str, Loss], start: BatchStart, batch: Batch, loss_weights: Weights, trained: set[str]
) -> Origin | None:
    """Where a gradient that is not finite began; None where the batch does not give one again.

    Parameters
    ----------
    trained : set of str
        The weight arrays that count, by ``layer path/name``.
    """
    try:
        observed = run_again(feed, losses, start, batch, loss_weights)
        observed.feed.backward(observed.errors())
    except GraphnetError:
        return None
    bad = observed.bad_gradients()
    counted = {p: {n for n in names if f"{p}/{n}" in trained} for p, names in bad.items()}
    found = observed.of_gradients(counted)
    if found or not any(counted.values()):
        return found[0] if found else None
    path, names = next((p, n) for p, n in counted.items() if n)
    return Origin("gradient", f"{path}/{min(names)}")
