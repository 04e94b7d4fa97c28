"""The examples of a graph's inputs and targets, and their division into batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ShapeError
from graphnet.data.ports import OutputPort
from graphnet.data.sources import Rows, Source
from graphnet.data.weighting import ClassWeights, leading


@dataclass(frozen=True)
class Batch:
    """The data of one training step.

    Attributes
    ----------
    inputs, targets : mapping of name to array
    lengths : mapping of input name to int array
        The valid steps of each row, for inputs whose rows differ in length.
    masks : mapping of output name to boolean array (time, batch), or None
        The valid steps of each target; None if all are valid.
    rows : int
        The number of examples.
    fresh : boolean array (batch,) or None
        For a piece of a stream: the rows that start from the zero state.
    positions : int array, slice or None
        The positions of the rows in the sources; None for a piece of a stream.
    weights : mapping of output name to array
        How much each target counts, over leading axes of it; outputs that are not in it have no weights.
    """

    inputs: Mapping[str, Array]
    lengths: Mapping[str, Array]
    targets: Mapping[str, Array]
    masks: Mapping[str, Array | None]
    rows: int
    fresh: Array | None = None
    positions: Rows | None = None
    weights: Mapping[str, Array] = field(default_factory=dict)

    @property
    def lengths_or_none(self) -> Mapping[str, Array] | None:
        """The ``lengths`` argument of a Runner."""
        return self.lengths or None


class Examples:
    """Examples of a graph: one source for each input and target, all with the same number of rows.

    Created by :func:`graphnet.data.examples.examples`, which checks them.

    Parameters
    ----------
    inputs, targets : mapping of name to Source
    outputs : mapping of name to OutputPort
    rows : int array, optional
        The positions of the examples in the sources; None: all.
    indivisible : str, optional
        An input without declared axes whose axis 0 the graph reads as time, so that all its rows must be in one batch,
        in their order.
    weights, target_masks : mapping of output name to Source, optional
        How much each target counts, and which ones count at all.
    class_weights : mapping of output name to ClassWeights, optional
        Weights that depend on the target.
    """

    def __init__(
        self,
        inputs: Mapping[str, Source],
        targets: Mapping[str, Source],
        outputs: Mapping[str, OutputPort],
        rows: Array | None = None,
        indivisible: str | None = None,
        *,
        weights: Mapping[str, Source] | None = None,
        target_masks: Mapping[str, Source] | None = None,
        class_weights: Mapping[str, ClassWeights] | None = None,
    ) -> None:
        self.inputs = inputs
        self.targets = targets
        self.outputs = outputs
        self.rows = rows
        self.indivisible = indivisible
        self.weights = dict(weights or {})
        self.target_masks = dict(target_masks or {})
        self.class_weights = dict(class_weights or {})

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values()))) if self.rows is None else len(self.rows)

    def subset(self, rows: Array) -> Examples:
        """Some of these examples, without a copy."""
        self.check_divisible()
        return self._with(rows if self.rows is None else self.rows[rows], self.indivisible, self.class_weights)

    def with_class_weights(self, class_weights: Mapping[str, ClassWeights]) -> Examples:
        """The same examples, with these weights of classes."""
        return self._with(self.rows, self.indivisible, class_weights)

    def _with(self, rows: Array | None, indivisible: str | None, class_weights: Mapping[str, ClassWeights]) -> Examples:
        return Examples(
            self.inputs,
            self.targets,
            self.outputs,
            rows,
            indivisible,
            weights=self.weights,
            target_masks=self.target_masks,
            class_weights=class_weights,
        )

    def batches(
        self,
        size: int,
        rng: np.random.Generator | None = None,
        *,
        by_length: bool = False,
        drop_last: bool = False,
        done: int = 0,
    ) -> Iterator[Batch]:
        """Batches of ``size`` examples, the last one possibly smaller; in order, or in one drawn from ``rng``.

        With ``by_length`` the sequences of a batch are of similar length, so there is little padding. With
        ``drop_last`` the examples at the end of the order that do not fill a batch are left out, before they are
        sorted by length. The first ``done`` batches are left out; they are not read.

        Raises
        ------
        ShapeError
            If all rows must be in one batch.
        """
        if size < len(self) or rng is not None:
            self.check_divisible()
        order, count = self.rows, len(self)
        if rng is not None:
            order = rng.permutation(len(self)) if order is None else rng.permutation(order)
        if drop_last:
            count -= count % size
            order = order if order is None else order[:count]
        if by_length:
            order = self.by_length(size, np.arange(count) if order is None else order, rng)
        for start in range(done * size, count, size):
            stop = min(start + size, count)
            yield self.batch(slice(start, stop) if order is None else order[start:stop], stop - start)

    def check_divisible(self) -> None:
        """Raise a ShapeError if all rows must be in one batch, in their order."""
        if self.indivisible is not None:
            raise ShapeError(
                "examples are taken from axis 0, because no axes are declared, but a layer reads it as time",
                where=f"input {self.indivisible!r}",
                expected="declared axes",
                remedy="Declare the input as 'time, batch, feature'; or run all steps in one batch, unshuffled.",
            )

    def by_length(self, size: int, order: Array, rng: np.random.Generator | None) -> Array:
        """An order with similar lengths in each batch: examples sorted by length, then full batches shuffled."""
        counts = [lengths for s in self.inputs.values() if (lengths := s.lengths(order)) is not None]
        if not counts:
            return order
        ordered = order[np.argsort(np.max(counts, axis=0), kind="stable")]
        if rng is None:
            return ordered
        full = len(ordered) // size
        batch_order = rng.permutation(full)  # the last batch, which may be smaller, stays last
        parts = [ordered[i * size : (i + 1) * size] for i in batch_order]
        return np.concatenate([*parts, ordered[full * size :]])

    def batch(self, rows: Rows, count: int, part: slice | None = None) -> Batch:
        """The batch of these ``count`` rows of the sources; the inputs are those of a part of its rows, if it is given.

        The inputs of a part have the steps of the whole batch.
        """
        chosen = rows if part is None else _within(rows, part)
        inputs = {name: source.take(chosen, rows) for name, source in self.inputs.items()}
        lengths = {name: counts for name, s in self.inputs.items() if (counts := s.lengths(rows)) is not None}
        targets = {name: source.take(rows) for name, source in self.targets.items()}
        masks = {name: self.mask(name, rows, target.shape) for name, target in targets.items()}
        weights = {
            name: each for name, target in targets.items() if (each := self._weights(name, rows, target)) is not None
        }
        return Batch(inputs, lengths, targets, masks, count, positions=rows, weights=weights)

    def mask(self, output: str, rows: Rows, shape: tuple[int, ...]) -> Array | None:
        """The valid targets of an output, over leading axes of its targets' shape; None if all are."""
        valid = self._valid_steps(output, rows, shape[0])
        if output not in self.target_masks:
            return valid
        own = leading(self.target_masks[output].take(rows), shape, self.outputs[output].axis)
        own = own[: shape[0]]
        return own if valid is None else own & valid.reshape(*valid.shape, *(1,) * (own.ndim - 2))

    def _weights(self, output: str, rows: Rows, target: Array) -> Array | None:
        """How much each target counts; None if all count the same."""
        part = None
        if output in self.weights:
            part = leading(self.weights[output].take(rows), target.shape, self.outputs[output].axis)[: len(target)]
        if output in self.class_weights:
            own = self.class_weights[output].of(target)
            part = own if part is None else own * part.reshape(*part.shape, *(1,) * (own.ndim - part.ndim))
        return part

    def _valid_steps(self, output: str, rows: Rows, steps: int) -> Array | None:
        """The valid (step, row) of an output; None if all are."""
        origin = self.outputs[output].origin
        counts = None if origin is None else self.inputs[origin].lengths(rows)
        if counts is None or counts.min() >= steps:
            return None
        valid: Array = np.arange(steps)[:, None] < counts
        return valid


def _within(rows: Rows, part: slice) -> Rows:
    """Some of these rows, by their place among them."""
    if isinstance(rows, slice):
        start = rows.start or 0
        return slice(start + part.start, start + part.stop)
    chosen: Array = rows[part]
    return chosen


def split(count: int, share: float, rng: np.random.Generator) -> tuple[Array | None, Array | None]:
    """Positions to train on and positions held out, both sorted; (None, None) if none are held out.

    With two examples or more, at least one is on each side.

    Examples
    --------
    >>> train, held_out = split(10, 0.3, np.random.default_rng(0))
    >>> len(train), len(held_out), sorted([*train, *held_out]) == list(range(10))
    (7, 3, True)
    """
    if share == 0.0 or count < 2:
        return None, None
    held_out = min(max(1, round(share * count)), count - 1)
    order = rng.permutation(count)
    return np.sort(order[held_out:]), np.sort(order[:held_out])
