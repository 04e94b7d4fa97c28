"""How a model is trained: one frozen record, checked when it is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphnet.core import dtypes
from graphnet.core.describe.optimizer_step import copied
from graphnet.core.errors import ConfigError, nearest
from graphnet.initializers import Constant, Xavier
from graphnet.initializers.base import Initializer
from graphnet.losses import CrossEntropy, Loss
from graphnet.metrics import Metric
from graphnet.optimizers import Adam, Optimizer
from graphnet.regularizers import Regularizer
from graphnet.training import checks
from graphnet.training.callbacks import Callback

#: What the learning rate may do; see :func:`graphnet.training.schedule.rate_factor`.
SCHEDULES = ("constant", "cosine", "step")


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingConfig:
    """Everything that a training run depends on, next to the graph and the data; the same seed gives the same run.

    Parameters
    ----------
    data : str, optional
        Name of a data set, or path of an ``.npz`` file relative to the model file. For the command line; a Trainer is
        given its arrays.
    loss : Loss or mapping of output name to Loss
        One loss is for a graph with one output. Outputs without a loss are not trained on.
    optimizer : Optimizer
        Every group of weight arrays that can be updated together gets a copy of its own; this one is never used. A
        regularizer that it holds moves to ``regularizer``.
    regularizer : Regularizer, optional
        Of every weight array but biases that are arrays of their own.
    metrics : tuple of Metric
        Of the first output that has a loss. The first metric decides which epoch was the best.
    callbacks : tuple of Callback
        What listens to the run, besides those that the Trainer is given.
    epochs, batch_size : int, at least 1
    shuffle : bool
        Draw a new order of the examples for each epoch.
    drop_last : bool
        Leave out of training, in each epoch, the examples that do not fill a last batch: other ones each time where
        ``shuffle`` is True, else the last ones. Validation, evaluation and prediction use all examples. Not for a
        Stream, whose rows stay the same to its end.
    batching : {'random', 'length'}
        Which examples make a batch: those that come one after the other, or sequences of similar length.
    batch_major : bool
        Whether arrays of sequences (inputs, targets, masks, predictions) are ``(batch, time, …)`` instead of ``(time,
        batch, …)``. It holds for every input and output that has these two axes; the graph's own stay as they are.
    tbptt : (int, int), optional
        (k1, k2), each at least 1: cut sequences into pieces of k1 steps, with the state carried over and one update a
        piece, whose gradients count what the weights did in the last k2 steps (truncated backpropagation through time;
        see :mod:`graphnet.training.tbptt`). None: sequences are run whole. A Stream needs it.
    seed : int, at least 0
        Of the weights, of dropout, of the order of the examples and of the choice of held-out ones.
    clip_norm : float above 0, optional
        Scale all gradients by one factor, so that their common norm is at most this. Frozen layers (``delta`` 0) do not
        count, here and in the regularization loss.
    schedule : {'constant', 'cosine', 'step'}
        What the learning rate is multiplied by; see :func:`graphnet.training.schedule.rate_factor`.
    decay : float in [0, 1], optional
        Where 'cosine' ends (0 unless given), or what 'step' multiplies by each time (0.1 unless given).
    decay_epochs : int, optional
        How long 'cosine' falls (``epochs`` unless given), or the epochs between two drops of 'step' (a third).
    weights_initializer, bias_initializer : Initializer
    dtype : {'float32', 'float64'}
        What floats are computed in; the weights keep the dtype of their layers.
    validation : float in [0, 1)
        Share of the training examples that is held out to choose the best epoch; 0: the training loss chooses.
    patience : int, optional
        Stop after so many epochs without a better one.
    threads : int, optional
        At most this many BLAS threads while training. None: as many as the process has where products are large, and
        one where they are small, as in every pass; runs of large models are then equal to the bit only where that
        number stays the same.
    backend : str, optional
        What runs the graph: 'numpy', 'reference' (node by node), or the name of a plugin's; None: as
        :class:`graphnet.Runner` chooses.

    Raises
    ------
    ConfigError
        For a value outside its range or of another type.
    DtypeError
        For another dtype.

    Examples
    --------
    >>> TrainingConfig(epochs=3, clip_norm=1)
    TrainingConfig(epochs=3, clip_norm=1.0)
    """

    data: str | None = None
    loss: Loss | Mapping[str, Loss] = field(default_factory=CrossEntropy)
    optimizer: Optimizer = field(default_factory=Adam)
    regularizer: Regularizer | None = None
    metrics: tuple[Metric, ...] = ()
    callbacks: tuple[Callback, ...] = ()
    epochs: int = 20
    batch_size: int = 32
    shuffle: bool = True
    drop_last: bool = False
    batching: str = "random"
    batch_major: bool = False
    tbptt: tuple[int, int] | None = None
    seed: int = 0
    clip_norm: float | None = None
    schedule: str = "constant"
    decay: float | None = None
    decay_epochs: int | None = None
    weights_initializer: Initializer = field(default_factory=Xavier)
    bias_initializer: Initializer = field(default_factory=lambda: Constant(0.0))
    dtype: str = "float32"
    validation: float = 0.0
    patience: int | None = None
    threads: int | None = 1
    backend: str | None = None

    def __post_init__(self) -> None:
        self._put(
            data=checks.text("data", self.data),
            loss=checks.losses(self.loss),
            metrics=checks.metrics(self.metrics),
            callbacks=checks.callbacks(self.callbacks),
            epochs=checks.whole("epochs", self.epochs, 1),
            batch_size=checks.whole("batch_size", self.batch_size, 1),
            shuffle=checks.truth("shuffle", self.shuffle),
            drop_last=checks.truth("drop_last", self.drop_last),
            batch_major=checks.truth("batch_major", self.batch_major),
            tbptt=checks.pair("tbptt", self.tbptt),
            seed=checks.whole("seed", self.seed, 0),
            clip_norm=checks.real("clip_norm", self.clip_norm, lambda x: x > 0, "above 0", optional=True),
            decay=checks.real("decay", self.decay, lambda x: 0 <= x <= 1, "from 0 to 1", optional=True),
            decay_epochs=checks.whole("decay_epochs", self.decay_epochs, 1, optional=True),
            dtype=dtypes.name(self.dtype, where="TrainingConfig.dtype"),
            validation=checks.real("validation", self.validation, lambda x: 0 <= x < 1, "from 0, below 1"),
            patience=checks.whole("patience", self.patience, 1, optional=True),
            threads=checks.whole("threads", self.threads, 1, optional=True),
        )
        checks.choice("batching", self.batching, ("random", "length"))
        checks.backend("backend", self.backend)
        checks.method("optimizer", self.optimizer, "calculate_update")
        checks.method("weights_initializer", self.weights_initializer, "initialize")
        checks.method("bias_initializer", self.bias_initializer, "initialize")
        self._check_schedule()
        self._move_regularizer()

    def _check_schedule(self) -> None:
        checks.choice("schedule", self.schedule, SCHEDULES)
        if self.schedule == "constant" and (self.decay, self.decay_epochs) != (None, None):
            raise ConfigError(
                "decay and decay_epochs do nothing to a constant learning rate",
                where="TrainingConfig.schedule",
                expected="schedule 'cosine' or 'step', or no decay",
                received=repr(self.schedule),
            )

    def _move_regularizer(self) -> None:
        """Files know the regularizer only here; the caller's optimizer keeps its own."""
        held = getattr(self.optimizer, "regularizer", None)
        if held is not None:
            if self.regularizer is not None:
                raise ConfigError(
                    "two regularizers",
                    where="TrainingConfig.regularizer",
                    expected="one, here or in the optimizer",
                    received=f"{self.regularizer!r} and {held!r}",
                )
            bare = copied(self.optimizer)
            bare.regularizer = None
            self._put(optimizer=bare, regularizer=held)
        if self.regularizer is not None:
            checks.method("regularizer", self.regularizer, "calculate")
            checks.method("regularizer", self.regularizer, "norm")

    def _put(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def changed(self, **fields: Any) -> TrainingConfig:
        """The same configuration with other values for some fields.

        Raises
        ------
        ConfigError
            For a name that is no field, and as the constructor.

        Examples
        --------
        >>> TrainingConfig(epochs=3).changed(seed=7)
        TrainingConfig(epochs=3, seed=7)
        """
        known = [part.name for part in dataclasses.fields(self)]
        for name in fields:
            if name not in known:
                raise ConfigError(
                    "no such setting",
                    where="TrainingConfig",
                    expected=f"one of {', '.join(known)}",
                    received=name,
                    remedy=nearest(name, known) or None,
                )
        return dataclasses.replace(self, **fields)

    def config(self) -> dict[str, Any]:
        """The fields that differ from their defaults, by name: what a file holds, and ``repr`` shows."""
        default = _defaults()
        return {
            name: getattr(self, name)
            for name in default
            if checks.described(getattr(self, name)) != checks.described(default[name])
        }

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal; objects by class and configuration."""
        return isinstance(other, TrainingConfig) and checks.described(self.config()) == checks.described(other.config())

    def __hash__(self) -> int:
        return hash((self.epochs, self.batch_size, self.seed, self.dtype))

    def __repr__(self) -> str:
        return f"TrainingConfig({', '.join(f'{name}={value!r}' for name, value in self.config().items())})"


def _defaults() -> dict[str, Any]:
    found = {}
    for part in dataclasses.fields(TrainingConfig):
        made = part.default_factory
        found[part.name] = part.default if made is dataclasses.MISSING else made()
    return found
