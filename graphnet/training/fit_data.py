"""The training and validation data of a ``fit``, from its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphnet.core.errors import ConfigError
from graphnet.core.run.runner import Runner
from graphnet.data.batches import Batch, Examples, split
from graphnet.data.datasets.stream import Stream
from graphnet.data.examples import examples, no_targets
from graphnet.data.labels import by_output, check_class_counts, encoded, with_classes
from graphnet.data.ports import output_ports
from graphnet.data.weighting import ClassWeights, Weighting, class_table
from graphnet.losses import Loss
from graphnet.training.config import TrainingConfig
from graphnet.training.feeds import piece_examples
from graphnet.training.validation_data import validation_parts

#: Examples whose targets are counted at a time.
COUNTED = 4096


@dataclass(frozen=True)
class DataReader:
    """Checks the data of one graph, losses and configuration.

    Parameters
    ----------
    runner : Runner
    losses : mapping of output name to Loss
    config : TrainingConfig
    """

    runner: Runner
    losses: Mapping[str, Loss]
    config: TrainingConfig

    @property
    def classes(self) -> dict[str, tuple[Any, ...]] | None:
        """The named classes of each output."""
        return by_output(self.losses, self.config.classes)

    def with_classes(self, targets: Any) -> DataReader:
        """A reader whose configuration has the classes that text and booleans among the targets name.

        Raises
        ------
        DataError, ShapeError
            If a label is missing, or an output does not have as many scores as there are classes.
        """
        found = with_classes(self.losses, targets, self.classes)
        ports = output_ports(self.runner)
        sizes = {n: None if ports[n].shape is None else ports[n].shape.sizes[-1] for n in self.losses}  # type: ignore[union-attr]
        check_class_counts(self.losses, found, sizes)
        return self if found == self.config.classes else replace(self, config=self.config.changed(classes=found))

    def examples(
        self, inputs: Any, targets: Any, lengths: Any = None, mask: Any = None, weighting: Weighting | None = None
    ) -> Examples:
        """Checked examples; see :func:`graphnet.data.examples.examples`."""
        return examples(
            self.runner,
            inputs,
            encoded(self.losses, targets, self.classes),
            losses=self.losses,
            metrics=self.config.metrics,
            lengths=lengths,
            mask=mask,
            batch_major=self.config.batch_major,
            dtype=self.config.dtype,
            weighting=weighting,
        )

    def training_and_validation(
        self,
        inputs: Any,
        targets: Any,
        lengths: Any,
        mask: Any,
        validation_data: Any,
        rng: np.random.Generator,
        weighting: Weighting | None = None,
        class_weight: Any = None,
    ) -> tuple[Examples | Stream, Examples | Stream | None]:
        """The data to train on and those held out (None if there are none); ``rng`` selects a configured share.

        The weights of classes apply to the data to train on.
        """
        if targets is None and not isinstance(inputs, Stream):
            raise no_targets("Trainer.fit")
        if isinstance(inputs, Stream):
            weights = () if weighting is None else (weighting.sample_weight, weighting.target_mask)
            self._check_stream((targets, lengths, mask, class_weight, *weights), validation_data)
            return inputs, None if validation_data is None else self._validation(validation_data)
        data = self.examples(inputs, targets, lengths, mask, weighting)
        if validation_data is not None:
            return self._class_weighted(data, class_weight), self._validation(validation_data)
        training, held_out = split(len(data), self.config.validation, rng)
        if training is None or held_out is None:
            return self._class_weighted(data, class_weight), None
        return self._class_weighted(data.subset(training), class_weight), data.subset(held_out)

    def _class_weighted(self, data: Examples, class_weight: Any) -> Examples:
        """The examples with weights of their classes, from the argument of ``fit``."""
        if class_weight is None:
            return data
        names = [name for name, loss in self.losses.items() if loss.task != "numbers"]
        named = class_weight
        if not (
            isinstance(class_weight, Mapping) and class_weight and all(name in self.losses for name in class_weight)
        ):
            if len(names) != 1:
                raise ConfigError(
                    "class_weight belongs to one output with a loss of classes",
                    where="Trainer.fit",
                    expected=f"a mapping with some of {', '.join(names)}" if names else "a loss such as CrossEntropy",
                    received=repr(class_weight)[:100],
                )
            named = {names[0]: class_weight}
        return data.with_class_weights({name: self._weights_of(data, name, value) for name, value in named.items()})

    def _weights_of(self, data: Examples, name: str, value: Any) -> ClassWeights:
        where, shape = f"Trainer.fit, class_weight of {name!r}", data.outputs[name].shape
        names, task = (self.classes or {}).get(name), self.losses[name].task
        size = 2 if task == "labels" else None if shape is None else shape.sizes[-1]
        if task == "numbers" or shape is None or size is None:
            raise ConfigError(
                "class_weight needs a loss of classes and an output of known size",
                where=where,
                expected="declared inputs, and a loss such as CrossEntropy",
                received=repr(self.losses[name]),
                remedy="Pass sample_weight, one number for each example.",
            )
        table = class_table(value, size, names, where)
        if table is not None:
            return ClassWeights(table, task, shape.rank)
        counter = ClassWeights(np.ones(size), task, shape.rank)
        counts = np.zeros(size)
        for batch in data.batches(COUNTED):
            counts += counter.counts(batch.targets[name], batch.masks[name])
        # As scikit-learn: the number of targets, by the number of classes that occur and the targets of each.
        balanced = np.divide(counts.sum() / max(1, (counts > 0).sum()), counts, out=np.zeros(size), where=counts > 0)
        return ClassWeights(balanced, task, shape.rank)

    def _validation(self, validation_data: Any) -> Examples | Stream:
        if isinstance(validation_data, Stream):
            return validation_data
        inputs, targets, lengths, mask, *weights = validation_parts(self.runner.graph, validation_data)
        return self.examples(inputs, targets, lengths, mask, Weighting(*weights))

    def _check_stream(self, others: tuple[Any, ...], validation_data: Any) -> None:
        """Raise a ConfigError for arguments and settings that a stream cannot be combined with."""
        if any(value is not None for value in others):
            raise ConfigError(
                "a Stream takes no targets, lengths, masks or weights",
                where="Trainer.fit",
                expected="the Stream alone",
                remedy="Pass weights and masks to it: Stream(source, targets, sample_weight=..., target_mask=...).",
            )
        if self.config.tbptt is None:
            raise ConfigError(
                "training on a Stream needs tbptt",
                where="TrainingConfig.tbptt",
                expected="(k1, k2), such as (50, 50)",
                received="None",
            )
        if self.config.validation and validation_data is None:
            raise ConfigError(
                "a share of a Stream cannot be held out",
                where="TrainingConfig.validation",
                expected="0, or validation_data",
                received=self.config.validation,
            )

    def first_batch(self, data: Examples | Stream) -> Batch:
        """A small first batch, which determines the sizes that the graph does not declare."""
        if not isinstance(data, Stream):
            return data.batch(np.arange(1), 1)
        assert self.config.tbptt is not None
        piece = data.first(self.config.tbptt[0])
        piece_data = piece_examples(self.runner, piece, self.config.metrics, self.config.dtype, self.losses)
        return piece_data.batch(slice(0, len(piece_data)), len(piece_data))
