"""A data set in the form in which a graph reads its arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from graphnet.core.describe.graph import Graph
from graphnet.core.run.runner import Runner
from graphnet.data.dataset import Dataset, Split
from graphnet.data.ports import input_ports, output_ports
from graphnet.models.class_names import named
from graphnet.training.config import TrainingConfig
from graphnet.training.totals import losses_by_output


def fitted(graph: Graph, config: TrainingConfig, data: Dataset) -> tuple[TrainingConfig, Dataset]:
    """The data set with sequences as a graph reads them and with names of classes, and the configuration with these.

    In a split, axis 0 of every array is that of the examples. A graph whose input is declared ``time, batch, …`` reads
    axis 0 of an array as time, so such an array becomes a list of sequences; with ``batch_major`` it stays as it is.
    """
    sequences = {name for name, port in input_ports(graph).items() if port.sequence}
    if sequences and not config.batch_major:
        stepwise = _has_target_for_each_step(graph, config, data)
        parts = {
            name: _in_rows(split, sequences, stepwise)
            for name, split in (("train", data.train), ("test", data.test), ("validation", data.validation))
            if split is not None
        }
        data = replace(data, **parts)  # type: ignore[arg-type]
    return named(graph, config, data)


def _has_target_for_each_step(graph: Graph, config: TrainingConfig, data: Dataset) -> bool:
    """Whether the targets are an array that may have steps, and belong to an output over time."""
    if isinstance(data.train.targets, list) or data.train.targets.ndim < 2:
        return False
    outputs = output_ports(Runner(graph, backend=config.backend))
    return any(outputs[name].origin is not None for name in losses_by_output(graph, config))


def _in_rows(split: Split, sequences: set[str], stepwise: bool) -> Split:
    """A split whose arrays of sequences are lists."""

    def rows(values: Any) -> Any:
        return values if isinstance(values, list) else [*values]

    inputs = {name: rows(values) if name in sequences else values for name, values in split.inputs.items()}
    return replace(split, inputs=inputs, targets=rows(split.targets) if stepwise else split.targets)
