"""The engine that trains one model with several processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from graphnet.core.arguments import explain_arguments
from graphnet.core.checks import flag, integer
from graphnet.core.errors import ConfigError
from graphnet.core.run.runner import Runner
from graphnet.data.batches import Examples
from graphnet.layers import BatchNormalization
from graphnet.metrics import Metric
from graphnet.training.computation import Computation
from graphnet.training.distributed.communicator import Communicator
from graphnet.training.distributed.comparison import Comparison
from graphnet.training.distributed.follower import follow
from graphnet.training.distributed.group import Group
from graphnet.training.distributed.leader import Leader
from graphnet.training.distributed.lookup import communicator_class
from graphnet.training.distributed.task import Settings, Setup
from graphnet.training.nonfinite.batch_start import may_draw


class DataParallel:
    """Computes each batch with several processes: ``Trainer(..., engine=DataParallel("ray", workers=4))``.

    The rows of a batch are divided over the ranks, and their gradients are added up; everything else is as in one
    process and happens on rank 0, which is this one: updates, schedules, callbacks, validation and checkpoints. The
    result is that of one process up to the order of sums. The other ranks have no state, so that a rank that is lost
    costs the repetition of one step.

    Parameters
    ----------
    communicator : str or Communicator class
        ``"threads"``: threads of this process, for tests; or the name of a plugin's, such as ``"ray"``.
    workers : int, at least 1
        The ranks, this process included.
    batch_norm : {'global', 'local'}
        Whether batch normalization uses the statistics of the whole batch, which takes three sums for each such layer,
        or each rank those of its own rows; the running statistics are then those of rank 0.
    verify : bool
        Whether the first batch is also computed by rank 0 alone and compared, which finds layers and losses that
        combine the rows of a batch.
    bucket : int
        Bytes of gradients that are summed at a time.
    **options
        Those of the communicator, such as ``timeout`` in seconds.

    Raises
    ------
    ConfigError
        For an invalid setting, or a communicator that is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet import Builder, FullyConnected, Trainer, TrainingConfig
    >>> g = Builder("line")
    >>> graph = g.build(FullyConnected(1, 1)(g.input("x", "batch, feature=1")))
    >>> config = TrainingConfig(loss="mean_squared_error", epochs=100, batch_size=4, dtype="float64")
    >>> trainer = Trainer(graph, config, engine=DataParallel("threads", workers=2))
    >>> x = np.linspace(-1, 1, 8)[:, None]
    >>> history = trainer.fit(x, 3 * x)
    >>> history.best.loss < history.epochs[0].loss
    True
    """

    def __init__(
        self,
        communicator: str | type[Communicator] = "threads",
        *,
        workers: int = 2,
        batch_norm: str = "global",
        verify: bool = True,
        bucket: int = 2**24,
        **options: Any,
    ) -> None:
        self.communicator = communicator_class(communicator)
        self.workers = integer("DataParallel", "workers", workers, 1)
        self.verify = flag("DataParallel", "verify", verify)
        self.bucket = integer("DataParallel", "bucket", bucket, 1)
        if batch_norm not in ("global", "local"):
            raise ConfigError("unknown batch_norm", where="DataParallel", expected="'global' or 'local'",
                              received=repr(batch_norm), key_path=("batch_norm",))  # fmt: skip
        self.batch_norm, self.options = batch_norm, options

    def settings(self) -> Mapping[str, Any]:
        """The settings that the folder of a run records."""
        return {"communicator": self.communicator.name, "workers": self.workers, "batch_norm": self.batch_norm}

    @contextmanager
    def start(self, trainer: Any, epochs: Any) -> Iterator[Computation]:
        """Begin a run: launch the group, and end it after the block.

        Raises
        ------
        ConfigError
            If the model or a setting cannot be divided over processes.
        WorkerError
            If the group cannot be launched.
        """
        feed, config = epochs.feed, trainer.config
        runner: Runner = feed.runner
        if config.detect_anomaly:
            raise ConfigError(
                "detect_anomaly checks every node in one process",
                where="DataParallel",
                expected="detect_anomaly=False",
                received="True",
                remedy="Look for the anomaly without an engine.",
            )
        examples = feed.data if feed.truncated is None else None
        if isinstance(examples, Examples):
            examples.check_divisible()
        normalizing = [path for path, layer in runner.layers.items() if isinstance(layer, BatchNormalization)]
        whole = self.batch_norm == "global" and bool(normalizing)
        if whole:
            _check_outside_scans(runner, normalizing)
        setup = Setup(trainer.graph, self._settings(trainer, runner, whole), examples)
        communicator = self.communicator.launch(self.workers, follow, **self.options)
        try:
            comparison = Comparison(self.workers) if self.verify and (whole or not normalizing) else None
            yield Leader(
                Group(communicator, setup, runner), feed, epochs.computation, epochs.totals,
                may_draw(runner, *trainer.losses.values()), comparison,
            )  # fmt: skip
        finally:
            communicator.close()

    def _settings(self, trainer: Any, runner: Runner, statistics: bool) -> Settings:
        config = trainer.config
        backend = (
            config.backend if config.backend is not None and not isinstance(config.backend, str) else runner.backend
        )
        return Settings(
            dict(trainer.losses), dict(config.loss_weights or {}), config.tbptt, backend, config.threads,
            merged(config.metrics), statistics, self.bucket,
        )  # fmt: skip


def merged(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    """The metrics if the ranks can compute all of them for their rows; else none."""
    return metrics if all(isinstance(m, Metric) and m.partial() is not None for m in metrics) else ()


def _check_outside_scans(runner: Runner, paths: list[str]) -> None:
    """Raise a ConfigError for a batch normalization inside a Scan, where rows of the ranks differ in steps."""
    for step in runner.scans:
        inside = [path for path in paths if path.startswith(f"{step.path}/")]
        if inside:
            raise ConfigError(
                "batch normalization inside a Scan has no statistics of the whole batch",
                where=inside[0],
                expected="batch normalization outside of Scans",
                received="batch_norm='global'",
                remedy="Use DataParallel(..., batch_norm='local').",
            )


explain_arguments(DataParallel)
