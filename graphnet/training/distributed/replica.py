"""What every rank computes for a batch: its rows, forward and backward."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core import collective, random
from graphnet.core.collective import Share
from graphnet.core.describe.parameter import Array
from graphnet.core.run.runner import Runner
from graphnet.data.batches import Batch, Examples
from graphnet.training.distributed.buckets import buckets_of
from graphnet.training.distributed.communicator import Communicator
from graphnet.training.distributed.contributions import Contributions
from graphnet.training.distributed.gradient_sums import GradientSums
from graphnet.training.distributed.row_sums import RowSums
from graphnet.training.distributed.rows import BatchAxes, rows_of_rank
from graphnet.training.distributed.task import Settings, Task
from graphnet.training.guards import guarded
from graphnet.training.tbptt import TruncatedRunner
from graphnet.training.totals import Totals, batch_terms, loss_arguments, takes_operations, valid_targets

#: The output with the first loss, among arrays of rows; a state has a path.
OUTPUT = ""


@dataclass
class Computed:
    """What rank 0 has of a batch that all ranks have computed.

    Attributes
    ----------
    values : mapping of output name to (float, float)
        The loss of each output with valid targets, and the number of its terms.
    gradients : mapping of path to array
        Empty if no target is valid.
    failures : mapping of rank to int
        For ranks with numbers that are not finite, which of their contributions was the first.
    shapes : mapping of output name to tuple of int
        Of the outputs of the whole batch.
    output : array or None
        The output with the first loss, if the task asked for it.
    states : mapping of name to array
        The final states, with truncated backpropagation.
    metrics : list of (float, float)
        The sums and counts of the metrics that every rank computes.
    """

    values: Mapping[str, tuple[float, float]]
    gradients: dict[str, Array]
    failures: Mapping[int, int]
    shapes: Mapping[str, tuple[int, ...]]
    output: Array | None
    states: dict[str, Array]
    metrics: list[tuple[float, float]]


class Replica:
    """Computes the rows of one rank.

    Parameters
    ----------
    runner : Runner
    settings : Settings
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self.runner, self.settings = runner, settings
        self.axes = BatchAxes.of(runner)
        self.buckets = buckets_of(runner.parameters, settings.bucket)
        self._numbers = {name: number for number, name in enumerate(runner.graph.inputs)}
        operations = runner.operations
        self._options: dict[str, dict[str, Any]] = {
            name: {"operations": operations} if operations and takes_operations(loss) else {}
            for name, loss in settings.losses.items()
        }

    def compute(self, task: Task, given: Batch | Examples, communicator: Communicator) -> Computed:
        """Compute this rank's rows of a batch; what is returned is complete on rank 0 only.

        From examples, only these rows of the inputs are taken.

        Raises
        ------
        WorkerError, GroupChanged, GroupClosed
            As the sums of the communicator.
        """
        total = self.axes.rows(given) if isinstance(given, Batch) else task.count
        start, stop = rows_of_rank(total, communicator.rank, communicator.size)
        counts = stop > start
        own = slice(start, stop) if counts else slice(0, 1)
        batch, inputs = self._inputs(task, given, own)
        contributions = Contributions(communicator, counts)
        with ExitStack() as stack:
            if task.numbers is not None and communicator.rank:
                stack.enter_context(random.using(generator(task.numbers)))
            window = None if task.window is None else self._window(task.window)
            share = Share(
                own.start, own.stop, total, self._longest(batch, window),
                contributions.gather if self.settings.statistics else None,
            )  # fmt: skip
            stack.enter_context(collective.sharing(share))
            return self._compute(task, batch, self.axes.part(batch, own, inputs), own, contributions, total)

    def _inputs(self, task: Task, given: Batch | Examples, own: slice) -> tuple[Batch, Mapping[str, Array]]:
        """A batch, whose inputs may be those of the own rows alone, and the inputs of these rows."""
        if isinstance(given, Batch):
            return given, self.axes.inputs_of(given, own)
        assert task.rows is not None
        batch = given.batch(task.rows, task.count, own)
        return batch, {name: np.ascontiguousarray(array) for name, array in batch.inputs.items()}

    def _compute(
        self, task: Task, batch: Batch, part: Batch, own: slice, contributions: Contributions, total: int
    ) -> Computed:
        truncated = None
        if task.window is None:
            outputs = self.runner.forward(part.inputs, lengths=part.lengths_or_none, input_errors=False)
        else:
            truncated = self._window([self.axes.piece(piece, own) for piece in task.window])
            outputs = truncated.run_window()
        shapes = {name: self._whole_shape(name, output, total) for name, output in outputs.items()}
        rows = RowSums(contributions, own, total)
        main = next(iter(self.settings.losses))
        if task.outputs:
            rows.begin(OUTPUT, outputs[main], self.axes.outputs[main])
        for name, array in ({} if truncated is None else truncated.state.arrays).items():
            rows.begin(name, array, 0)
        masks = valid_targets(self.settings.losses, shapes, batch)
        terms = {n: batch_terms(self.settings.losses[n], n, shapes[n], batch, mask) for n, mask in masks.items()}
        values, errors = self._losses(outputs, part, terms, contributions.counts)
        sums = GradientSums(self.buckets, self.runner.parameters, contributions)
        if errors:
            self._backward(errors, truncated, sums)
            sums.finish()
        report = contributions.finish(values, self._metrics(outputs, part, contributions.counts))
        by_output = {name: (value, terms[name]) for name, value in zip(terms, report.values, strict=True)}
        gradients = sums.results()
        arrays = rows.results(report)
        return Computed(by_output, gradients, report.failures, shapes, arrays.pop(OUTPUT, None), arrays, report.metrics)

    # ------------------------------------------------------------------ losses and gradients
    def _losses(
        self, outputs: Mapping[str, Array], part: Batch, terms: Mapping[str, float], counts: bool
    ) -> tuple[list[float], dict[str, Array]]:
        """This rank's part of the loss of each output, and the errors of its rows.

        A mean is over the terms of the whole batch; outputs without valid targets in these rows have an error of zero.
        """
        losses, values, errors = self.settings.losses, dict.fromkeys(terms, 0.0), {}
        own = {name: outputs[name].shape for name in losses}
        masks = valid_targets(losses, own, part) if counts else {}
        for name, whole in terms.items():
            if name not in masks:
                errors[name] = np.zeros_like(outputs[name])
                continue
            loss, mask = losses[name], masks[name]
            with guarded("loss", loss, "value_and_error"):
                arguments = loss_arguments(name, outputs, part, mask)
                value, error = loss.value_and_error(*arguments, **self._options[name])
            factor = 1.0
            if loss.reduction == "mean":
                factor = batch_terms(loss, name, own[name], part, mask) / whole if whole else 0.0
            values[name] = value * factor
            scale = factor * self.settings.loss_weights.get(name, 1.0)
            errors[name] = error if scale == 1.0 else error * error.dtype.type(scale)
        return list(values.values()), errors

    def _backward(self, errors: Mapping[str, Array], truncated: TruncatedRunner | None, sums: GradientSums) -> None:
        """Compute the gradients of these rows, and begin to add them up; without rows, only if ranks need statistics.

        With statistics of the whole batch, gradients wait for the end of the pass, so that all sums are in one order.
        """
        counts = sums.contributions.counts
        if not counts and not self.settings.statistics:
            return
        run = self.runner.backward if truncated is None else truncated.backward
        if self.settings.statistics or len(self.buckets) == 1:
            run(errors)
            return
        with collective.listening(sums.completed):
            run(errors)

    def _metrics(self, outputs: Mapping[str, Array], part: Batch, counts: bool) -> list[tuple[float, float]]:
        """What the metrics find in these rows."""
        settings = self.settings
        totals = Totals(settings.losses, settings.metrics)
        if counts and settings.metrics:
            totals.update_only_metrics(outputs, part, totals.valid(outputs, part))
        return [metric.partial() or (0.0, 0.0) for metric in totals.metrics]

    # ------------------------------------------------------------------ shapes
    def _window(self, pieces: Any) -> TruncatedRunner:
        """Truncated backpropagation over these pieces."""
        assert self.settings.tbptt is not None
        truncated = TruncatedRunner(self.runner, *self.settings.tbptt)
        truncated.continue_with(pieces)
        return truncated

    def _longest(self, batch: Batch, window: TruncatedRunner | None) -> dict[int, int]:
        """The steps of the longest row of the whole batch, by input number."""
        lengths = batch.lengths if window is None else window.window_lengths() or {}
        return {self._numbers[name]: int(counts.max()) for name, counts in lengths.items()}

    def _whole_shape(self, name: str, output: Array, total: int) -> tuple[int, ...]:
        shape = list(output.shape)
        shape[self.axes.outputs[name]] = total
        return tuple(shape)


def generator(numbers: Mapping[str, Any]) -> np.random.Generator:
    """A generator in the state of that of rank 0."""
    bits = getattr(np.random, numbers["bit_generator"])()
    bits.state = numbers
    return np.random.Generator(bits)
