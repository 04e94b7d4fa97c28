"""Predictions of a graph in the test phase, from arrays or lists of sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.data.batches import Examples
from graphnet.data.examples import examples
from graphnet.data.masks import checked_masks, scatter_steps, swap_time_and_batch
from graphnet.data.ports import input_ports
from graphnet.data.sources import SequenceSource
from graphnet.training.config import TrainingConfig


def predict(
    runner: Runner,
    config: TrainingConfig,
    inputs: Any,
    lengths: Any,
    mask: Any,
    *,
    batch_size: int | None,
    state: State | None = None,
) -> tuple[Any, State]:
    """The result of ``Model.predict``, and the state at the end.

    Parameters
    ----------
    runner : Runner
    config : TrainingConfig
        Its ``dtype`` and ``batch_major`` are used.
    inputs, lengths, mask
        As in ``Model.predict``.
    batch_size : int or None
        Examples that are run at a time; None: all.
    state : State, optional
        The state to continue from; it needs all examples in one batch.
    """
    data = examples(runner, inputs, lengths=lengths, mask=mask, batch_major=config.batch_major, dtype=config.dtype)
    if state is not None:
        state.check(runner.states, len(data), f"Model({runner.graph!r})")
    parts: dict[str, list[Array]] = {name: [] for name in runner.graph.outputs}
    end = State() if state is None else state
    for batch in data.batches(len(data) if batch_size is None else batch_size):
        counts = batch.lengths_or_none
        if state is None:
            outputs = runner.forward(batch.inputs, phase=Phase.test, lengths=counts, keep=False)
        else:
            outputs, end = runner.resume(batch.inputs, state, phase=Phase.test, lengths=counts, keep=False)
        for name, output in outputs.items():
            parts[name] += _rows_or_array(data, name, output, batch.lengths)
    results = {name: _joined(data, name, arrays) for name, arrays in parts.items()}
    if mask is not None:
        results = _at_masked_steps(runner.graph, config, data, results, inputs, mask)
    if config.batch_major:
        results = swap_time_and_batch(results, {n for n, port in data.outputs.items() if port.origin is not None})
    return next(iter(results.values())) if len(results) == 1 else results, end


def _is_list(data: Examples, name: str) -> bool:
    """Whether an output is returned as a list, with the valid steps of each sequence."""
    origin = data.outputs[name].origin
    return origin is not None and isinstance(data.inputs[origin], SequenceSource)


def _rows_or_array(data: Examples, name: str, output: Array, lengths: Any) -> list[Array]:
    """One array for each sequence, or the whole array."""
    if not _is_list(data, name):
        return [output]
    counts = lengths[data.outputs[name].origin]
    return [np.array(output[:count, i]) for i, count in enumerate(counts)]


def _joined(data: Examples, name: str, arrays: list[Array]) -> Any:
    return arrays if _is_list(data, name) else np.concatenate(arrays, axis=data.outputs[name].axis)


def _at_masked_steps(
    graph: Graph, config: TrainingConfig, data: Examples, results: dict[str, Any], inputs: Any, mask: Any
) -> dict[str, Any]:
    """Outputs over time as padded arrays, with zeros at the steps that the mask excludes."""
    ports = input_ports(graph)
    named = inputs if isinstance(inputs, dict) else dict.fromkeys(list(data.inputs)[:1], inputs)
    if config.batch_major:
        named = swap_time_and_batch(named, {name for name, port in ports.items() if port.sequence})
    masks = checked_masks(graph, ports, named, mask, None, config.batch_major)
    return {
        name: scatter_steps(value, masks[origin]) if (origin := data.outputs[name].origin) in masks else value
        for name, value in results.items()
    }
