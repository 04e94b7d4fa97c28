"""The training and validation data of a ``fit``, from its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.errors import ConfigError
from graphnet.core.run.runner import Runner
from graphnet.data.batches import Batch, Examples, split
from graphnet.data.datasets.stream import Stream
from graphnet.data.examples import examples, no_targets
from graphnet.losses import Loss
from graphnet.training.config import TrainingConfig
from graphnet.training.feeds import piece_examples


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

    def examples(self, inputs: Any, targets: Any, lengths: Any = None, mask: Any = None) -> Examples:
        """Checked examples; see :func:`graphnet.data.examples.examples`."""
        return examples(
            self.runner,
            inputs,
            targets,
            losses=self.losses,
            metrics=self.config.metrics,
            lengths=lengths,
            mask=mask,
            batch_major=self.config.batch_major,
            dtype=self.config.dtype,
        )

    def training_and_validation(
        self, inputs: Any, targets: Any, lengths: Any, mask: Any, validation_data: Any, rng: np.random.Generator
    ) -> tuple[Examples | Stream, Examples | Stream | None]:
        """The data to train on and those held out (None if there are none); ``rng`` selects a configured share."""
        if targets is None and not isinstance(inputs, Stream):
            raise no_targets("Trainer.fit")
        if isinstance(inputs, Stream):
            self._check_stream(targets, lengths, mask, validation_data)
            data: Examples | Stream = inputs
        else:
            data = self.examples(inputs, targets, lengths, mask)
        if validation_data is not None:
            return data, self._validation(validation_data)
        if isinstance(data, Stream):
            return data, None
        training, held_out = split(len(data), self.config.validation, rng)
        return (data, None) if training is None or held_out is None else (data.subset(training), data.subset(held_out))

    def _validation(self, validation_data: Any) -> Examples | Stream:
        if isinstance(validation_data, Stream):
            return validation_data
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
            raise ConfigError(
                "invalid validation_data",
                where="Trainer.fit",
                expected="(inputs, targets) or (inputs, targets, lengths)",
                received=type(validation_data).__name__,
                remedy="To hold out a share of the examples, set validation in the configuration.",
            )
        return self.examples(*validation_data)

    def _check_stream(self, targets: Any, lengths: Any, mask: Any, validation_data: Any) -> None:
        """Raise a ConfigError for arguments and settings that a stream cannot be combined with."""
        if any(value is not None for value in (targets, lengths, mask)):
            raise ConfigError(
                "a Stream takes no targets, lengths or mask", where="Trainer.fit", expected="the Stream alone"
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
