"""The settings of a training run, checked when the record is created."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from graphnet.core import dtypes
from graphnet.core.arguments import explain_arguments
from graphnet.core.attributes import explain_frozen
from graphnet.core.describe.optimizer_step import copied
from graphnet.core.errors import ConfigError, unknown
from graphnet.data.labels import checked_classes
from graphnet.initializers import Constant, Xavier
from graphnet.initializers.base import Initializer
from graphnet.losses import CrossEntropy, Loss
from graphnet.metrics import Metric
from graphnet.optimizers import Adam, Optimizer
from graphnet.optimizers.schedules import Schedule
from graphnet.regularizers import Regularizer
from graphnet.training import checks
from graphnet.training.callbacks import Callback
from graphnet.training.elsewhere import ELSEWHERE
from graphnet.training.names import named

#: The schedules whose settings are ``decay`` and ``decay_epochs``; see :func:`graphnet.training.schedule.schedule_of`.
SCHEDULES = ("constant", "cosine", "step")


#: The fields that take registered objects, or their names, with their kinds.
NAMED = {
    "loss": "losses",
    "optimizer": "optimizers",
    "regularizer": "regularizers",
    "metrics": "metrics",
    "callbacks": "callbacks",
    "weights_initializer": "initializers",
    "bias_initializer": "initializers",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingConfig:
    """All settings of a training run; with the same graph and data, the same seed gives the same run.

    Losses, metrics, optimizers, regularizers, initializers and callbacks may be given by their names, as in model
    files: ``loss="cross_entropy"``, ``optimizer="adam"``, ``metrics=["accuracy", "f1"]``. Upper case, underscores and
    hyphens do not count: ``"cross_entropy"`` is ``CrossEntropy``. An object that is made by its name has the default
    settings. Plugins add names.

    Parameters
    ----------
    data : str or mapping, optional
        Name of a data set, or path of an ``.npz`` file or a folder, relative to the model file; or a mapping with
        ``path`` and the settings by which a table or a folder is read (docs/data.md). Read by the command line only;
        ``Trainer.fit`` takes arrays.
    loss : Loss or mapping of output name to Loss
        A single loss requires a graph with one output. Outputs without a loss are not trained.
    loss_weights : mapping of output name to float, optional
        Factors of at least 0 by which the losses of several outputs are multiplied before they are added; 1 for an
        output that it does not have.
    classes : sequence, or mapping of output name to sequence, optional
        The names of the classes in order, text or numbers, for labels that are such names. None: text and booleans
        among the targets of ``fit`` name them, sorted; ``fit`` then sets this field, so that a run keeps them.
    optimizer : Optimizer
        Copied for every group of weight arrays that can be updated together; this object itself is not changed. Its
        regularizer, if it has one, moves to ``regularizer``.
    regularizer : Regularizer, optional
        Applied to every weight array except biases that are separate arrays.
    metrics : tuple of Metric
        Computed on the first output that has a loss. The first metric selects the best epoch.
    callbacks : tuple of Callback
        Called in addition to those passed to the Trainer.
    epochs, batch_size : int, at least 1
    shuffle : bool
        Whether the examples are put in a new random order in each epoch.
    drop_last : bool
        Whether the examples that do not fill a last batch are left out of each epoch: different ones in each epoch if
        ``shuffle`` is True, else the last ones. Validation, evaluation and prediction use all examples. Not available
        for a Stream, whose rows stay the same until its end.
    batching : {'random', 'length'}
        Which examples form a batch: consecutive ones, or sequences of similar length.
    batch_major : bool
        Whether arrays of sequences (inputs, targets, masks, predictions) are ``(batch, time, …)`` instead of ``(time,
        batch, …)``, for every input and output that has these two axes. The graph itself is always time-major.
    tbptt : (int, int), optional
        (k1, k2), each at least 1: truncated backpropagation through time. Sequences are cut into pieces of k1 steps,
        the state is carried over, and each piece makes one update, whose gradient goes back over the last k2 steps; see
        :mod:`graphnet.training.tbptt`. None: sequences are run whole. Required for a Stream.
    seed : int, at least 0
        Seed for the weights, dropout, the order of the examples and the choice of the held-out ones.
    clip_norm : float above 0, optional
        Upper bound of the norm of all gradients together; larger ones are scaled down by one factor. Frozen layers
        (``delta`` 0) are not counted, neither here nor in the regularization loss.
    accumulate : int, at least 1
        The batches whose gradients one update uses: their mean. An epoch ends with an update, of the batches that are
        left.
    average : float in (0, 1), optional
        Decay of an exponential moving average of the weights, updated after each update. Validation, the best weights
        and the trained model then have the averages; the training itself does not.
    frozen : str or sequence of str
        Nodes that are not trained, with all that is inside them: their names, paths or patterns, such as
        ``'encoder/*'``. See also ``layer.trainable``.
    parameter_groups : mapping of pattern to mapping of setting to value
        Settings of the optimizer for the weight arrays whose path, ``node/.../name``, a pattern matches:
        ``{'encoder/*': {'learning_rate': 0.0001}}``; later patterns win. ``regularize: false`` leaves the regularizer
        out.
    decay_biases : bool
        Whether regularizer and weight decay (of AdamW) also apply to gains and biases; those biases that are separate
        arrays are never regularized.
    schedule : Schedule or {'constant', 'cosine', 'step'}
        How the learning rate changes: one of :mod:`graphnet.schedules`, by epoch or by update; or a name with the
        settings ``decay`` and ``decay_epochs``.
    decay : float in [0, 1], optional
        The factor at which 'cosine' ends (default 0), or by which 'step' multiplies each time (default 0.1).
    decay_epochs : int, optional
        The epochs over which 'cosine' falls (default ``epochs``), or between two drops of 'step' (default a third of
        ``epochs``).
    weights_initializer, bias_initializer : Initializer
    dtype : {'float32', 'float64'}
        The dtype to which data are converted; the weights keep the dtype of their layers.
    validation : float in [0, 1)
        Share of the training examples that is held out to select the best epoch; 0: the training loss selects it.
    patience : int, optional
        Number of epochs without improvement after which training stops;
        :class:`~graphnet.callbacks.EarlyStopping` for another figure than the one that selects the best epoch.
    threads : int, optional
        Upper bound of the BLAS threads during training. None: all threads of the process for large products, one for
        small ones; two runs of a large model are then equal to the bit only with the same number of threads.
    backend : str, optional
        The backend that runs the graph: 'numpy', 'reference' (node by node), or one of a plugin; None: the default of
        :class:`graphnet.Runner`.
    on_nan : {'stop', 'skip'}
        What follows a loss, a gradient or a new weight that is not finite. 'stop': an error that names where it arose
        first, and the weights of the best epoch so far. 'skip': weights, buffers, carried states, the random generator
        and optimizers stay what they were before the batch, a warning says so, and training goes on with the next
        batch; see :attr:`EpochRecord.skipped_batches <graphnet.training.history.EpochRecord>`. An epoch of which every
        batch was skipped ends the run.
    detect_anomaly : bool
        Whether every batch runs node by node, and every value and error is checked: NaN is then an error where it
        arises, even if the loss does not depend on it. Slow; the backend is 'reference'.
    save_bad_batch : str, optional
        The path of an ``.npz`` file to which such a batch is written, with weights and states; only its owner may read
        it, and no file is overwritten. Its arrays are those of
        :func:`graphnet.training.nonfinite.saved_batch.save_batch`.
    checkpoint_epochs, checkpoint_steps : int, optional
        A run in a folder gets a checkpoint after each such number of epochs or updates; None: not by their number.
    checkpoint_seconds : float above 0, optional
        A checkpoint is also due after the first update that ends when the last one is so old; None: not by time. There
        is always one before the first update, and one at the end.
    keep_checkpoints : int, at least 1
        How many checkpoints are kept, of the last ones; each has the weights of the best epoch too.

    Raises
    ------
    ConfigError
        If a value is out of range or of the wrong type.
    DtypeError
        If ``dtype`` is not float32 or float64.

    Examples
    --------
    >>> TrainingConfig(epochs=3, clip_norm=1)
    TrainingConfig(epochs=3, clip_norm=1.0)
    """

    data: str | Mapping[str, Any] | None = None
    loss: Loss | Mapping[str, Loss] = field(default_factory=CrossEntropy)
    loss_weights: Mapping[str, float] | None = None
    classes: tuple[str | bool | int | float, ...] | Mapping[str, tuple[str | bool | int | float, ...]] | None = None
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
    accumulate: int = 1
    average: float | None = None
    frozen: str | tuple[str, ...] = ()
    parameter_groups: Mapping[str, Mapping[str, float | bool]] = field(default_factory=dict)
    decay_biases: bool = True
    schedule: Literal["constant", "cosine", "step"] | Schedule | str = "constant"
    decay: float | None = None
    decay_epochs: int | None = None
    weights_initializer: Initializer = field(default_factory=Xavier)
    bias_initializer: Initializer = field(default_factory=lambda: Constant(0.0))
    dtype: str = "float32"
    validation: float = 0.0
    patience: int | None = None
    threads: int | None = 1
    backend: str | None = None
    on_nan: str = "stop"
    detect_anomaly: bool = False
    save_bad_batch: str | None = None
    checkpoint_epochs: int | None = None
    checkpoint_steps: int | None = None
    checkpoint_seconds: float | None = 10.0
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        self._set(**{name: named(name, kind, getattr(self, name)) for name, kind in NAMED.items()})
        self._set(
            data=checks.data("data", self.data),
            loss=checks.losses(self.loss),
            loss_weights=checks.loss_weights(self.loss_weights, self.loss),
            classes=checked_classes(self.classes),
            metrics=checks.adapted(checks.metrics(self.metrics), self.loss),
            callbacks=checks.callbacks(self.callbacks),
            epochs=checks.integer("epochs", self.epochs, 1),
            batch_size=checks.integer("batch_size", self.batch_size, 1),
            shuffle=checks.boolean("shuffle", self.shuffle),
            drop_last=checks.boolean("drop_last", self.drop_last),
            batch_major=checks.boolean("batch_major", self.batch_major),
            tbptt=checks.integer_pair("tbptt", self.tbptt),
            seed=checks.integer("seed", self.seed, 0),
            clip_norm=checks.real("clip_norm", self.clip_norm, lambda x: x > 0, "above 0", optional=True),
            accumulate=checks.integer("accumulate", self.accumulate, 1),
            average=checks.real("average", self.average, lambda x: 0 < x < 1, "between 0 and 1", optional=True),
            frozen=checks.patterns("frozen", self.frozen),
            decay_biases=checks.boolean("decay_biases", self.decay_biases),
            decay=checks.real("decay", self.decay, lambda x: 0 <= x <= 1, "in [0, 1]", optional=True),
            decay_epochs=checks.integer("decay_epochs", self.decay_epochs, 1, optional=True),
            dtype=dtypes.name(self.dtype, where="TrainingConfig.dtype"),
            validation=checks.real("validation", self.validation, lambda x: 0 <= x < 1, "in [0, 1)"),
            patience=checks.integer("patience", self.patience, 1, optional=True),
            threads=checks.integer("threads", self.threads, 1, optional=True),
            checkpoint_epochs=checks.integer("checkpoint_epochs", self.checkpoint_epochs, 1, optional=True),
            checkpoint_steps=checks.integer("checkpoint_steps", self.checkpoint_steps, 1, optional=True),
            checkpoint_seconds=checks.real(
                "checkpoint_seconds", self.checkpoint_seconds, lambda x: x > 0, "above 0", optional=True
            ),
            keep_checkpoints=checks.integer("keep_checkpoints", self.keep_checkpoints, 1),
        )
        self._set(
            detect_anomaly=checks.boolean("detect_anomaly", self.detect_anomaly),
            save_bad_batch=checks.text("save_bad_batch", self.save_bad_batch),
        )
        checks.choice("on_nan", self.on_nan, ("stop", "skip"))
        checks.choice("batching", self.batching, ("random", "length"))
        checks.backend("backend", self.backend)
        checks.has_method("optimizer", self.optimizer, "calculate_update")
        checks.has_method("weights_initializer", self.weights_initializer, "initialize")
        checks.has_method("bias_initializer", self.bias_initializer, "initialize")
        self._check_schedule()
        self._move_regularizer()
        self._set(parameter_groups=checks.parameter_groups(self.parameter_groups, self.optimizer))
        if not self.decay_biases and not isinstance(self.optimizer, Optimizer):
            checks.refuse("decay_biases", "True with an optimizer that is not a graphnet.optimizers.Optimizer", False)

    def _check_schedule(self) -> None:
        if isinstance(self.schedule, str) and self.schedule not in SCHEDULES:
            self._set(schedule=named("schedule", "schedules", self.schedule))
        if not isinstance(self.schedule, (str, Schedule)):
            checks.refuse("schedule", f"a Schedule, or one of {', '.join(SCHEDULES)}", self.schedule)
        if self.schedule not in ("cosine", "step") and (self.decay, self.decay_epochs) != (None, None):
            raise ConfigError(
                "decay and decay_epochs have no effect on this schedule",
                where="TrainingConfig.schedule",
                expected="schedule 'cosine' or 'step', or no decay",
                received=repr(self.schedule),
                key_path=("schedule",),
            )

    def _move_regularizer(self) -> None:
        """Move the optimizer's regularizer to this record, which files store; the caller's optimizer is not changed."""
        regularizer = getattr(self.optimizer, "regularizer", None)
        if regularizer is not None:
            if self.regularizer is not None:
                raise ConfigError(
                    "two regularizers",
                    where="TrainingConfig.regularizer",
                    expected="one, here or in the optimizer",
                    received=f"{self.regularizer!r} and {regularizer!r}",
                    key_path=("regularizer",),
                )
            optimizer = copied(self.optimizer)
            optimizer.regularizer = None
            self._set(optimizer=optimizer, regularizer=regularizer)
        if self.regularizer is not None:
            checks.has_method("regularizer", self.regularizer, "calculate")
            checks.has_method("regularizer", self.regularizer, "norm")

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def changed(self, **fields: Any) -> TrainingConfig:
        """A copy with some fields replaced.

        Raises
        ------
        ConfigError
            If a name is not a field, or a value is invalid.

        Examples
        --------
        >>> TrainingConfig(epochs=3).changed(seed=7)
        TrainingConfig(epochs=3, seed=7)
        """
        known = [field.name for field in dataclasses.fields(self)]
        for name in fields:
            if name not in known:
                raise unknown("setting", name, known, where="TrainingConfig", error=ConfigError)
        return dataclasses.replace(self, **fields)

    def config(self) -> dict[str, Any]:
        """The fields that differ from their defaults, by name: those that a file stores and ``repr`` shows."""
        default = _defaults()
        return {
            name: getattr(self, name)
            for name in default
            if checks.comparable(getattr(self, name)) != checks.comparable(default[name])
        }

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal; objects by class and configuration."""
        if not isinstance(other, TrainingConfig):
            return False
        return bool(checks.comparable(self.config()) == checks.comparable(other.config()))

    def __hash__(self) -> int:
        return hash((self.epochs, self.batch_size, self.seed, self.dtype))

    def __repr__(self) -> str:
        return f"TrainingConfig({', '.join(f'{name}={value!r}' for name, value in self.config().items())})"


def _defaults() -> dict[str, Any]:
    """The default of each field, by name."""
    return {
        field.name: field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        for field in dataclasses.fields(TrainingConfig)
    }


def require_config(config: Any, where: str) -> TrainingConfig:
    """Return a configuration; the default one for None.

    Raises
    ------
    ConfigError
        For anything but a TrainingConfig.
    """
    if config is None:
        return TrainingConfig()
    if isinstance(config, TrainingConfig):
        return config
    fields = ", ".join(f"{key}=..." for key in config) if isinstance(config, dict) else "..."
    raise ConfigError(
        "not a configuration",
        where=where,
        expected="a TrainingConfig",
        received=repr(config)[:100],
        remedy=f"Write TrainingConfig({fields}).",
    )


explain_arguments(TrainingConfig, ELSEWHERE)
explain_frozen(TrainingConfig, "Make another configuration: config.changed(epochs=10), for example.")
#: Remedies for the settings that are set as attributes of a Model or a Trainer.
SETTINGS = {
    **{name: f"It is a setting: pass {name}=... to Model.fit, or to TrainingConfig." for name in _defaults()},
    "learning_rate": "It belongs to the optimizer: pass optimizer=Adam(learning_rate=...) to Model.fit.",
}
