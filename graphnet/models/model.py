"""A model: a graph, its weights and its training configuration."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn

from graphnet.core import checks, late
from graphnet.core.arguments import ArgumentError, explain_arguments, explain_methods
from graphnet.core.attributes import ExplainedAttributes, FixedAttributeError, refuse_new
from graphnet.core.checks import integer
from graphnet.core.concurrency.claims import KEPT_STATE, READ, WRITE, Claim
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.graph_argument import require_graph
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State, require_state
from graphnet.data.labels import by_output
from graphnet.data.weighting import Weighting
from graphnet.initializers import Initializer
from graphnet.inspect.summary import Summary, summary
from graphnet.io.model_folder import save_model
from graphnet.losses import Loss
from graphnet.metrics import ConfusionMatrix, Metric
from graphnet.models.class_outputs import check_form, confusion_matrix, in_form
from graphnet.models.elsewhere import ELSEWHERE
from graphnet.models.exporting import exported
from graphnet.models.given_data import for_evaluation, for_prediction, for_training
from graphnet.models.model_files import config_in, materialize, read_weights, write_weights
from graphnet.models.prediction import predict
from graphnet.optimizers import Optimizer
from graphnet.optimizers.schedules import Schedule
from graphnet.regularizers import Regularizer
from graphnet.training import keep
from graphnet.training.callbacks import Callback
from graphnet.training.config import SETTINGS, TrainingConfig, require_config
from graphnet.training.elsewhere import ELSEWHERE as ELSEWHERE_IN_FIT
from graphnet.training.evaluation import evaluate
from graphnet.training.history import History
from graphnet.training.keep import KEEP
from graphnet.training.totals import losses_by_output
from graphnet.training.trainer import Trainer

#: The name of a class.
Label = str | bool | int | float
#: Examples that ``predict`` runs at a time.
ROWS = 256


class Model(ExplainedAttributes):
    """A graph with its weights and its training configuration.

    Any number of threads may call ``predict`` and ``evaluate`` at the same time. While one thread trains, ``predict``,
    ``evaluate``, ``fit`` and ``save`` raise a StateError in every other thread, and so does ``fit`` while another
    thread uses the model; see docs/threads.md.

    Parameters
    ----------
    graph : Graph
    config : TrainingConfig, optional

    Attributes
    ----------
    graph : Graph
    config : TrainingConfig
        Used by the next ``fit``; ``evaluate`` uses its losses and metrics.
    runner : Runner
    history : History or None
        Of the last ``fit`` of this object, or of the run from which it was loaded.
    state : State
        The state from which ``predict(stateful=True)`` continues: empty at first, and after training on a Stream the
        state at its end. It is saved and loaded with the weights.
    path : Path or None
        The file or folder from which the model was loaded.

    Raises
    ------
    GraphError, ShapeError
        If the graph cannot be compiled.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet import Builder, FullyConnected
    >>> from graphnet.optimizers import Adam
    >>> g = Builder("classes")
    >>> model = Model(g.build(scores=FullyConnected(2, 2)(g.input("x", "batch, feature=2"))))
    >>> x = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> history = model.fit(x, [0, 1], optimizer=Adam(0.1), epochs=50, seed=3)
    >>> model.predict(x).argmax(axis=1)
    array([0, 1])
    """

    def __init__(self, graph: Graph, config: TrainingConfig | None = None) -> None:
        self.graph = require_graph(graph, "Model")
        self.config = require_config(config, "Model")
        self.runner = Runner(graph, backend=self.config.backend)
        self.history: History | None = None
        self._trained_by: str | None = None  # the backend of the last fit
        self.state = State()
        self.path: Path | None = None

    elsewhere = ELSEWHERE

    @property
    def classes(self) -> dict[str, tuple[Any, ...]]:
        """The names of the classes of each output that has some, in the order of their numbers."""
        if not self.config.classes:
            return {}
        return by_output(losses_by_output(self.graph, self.config), self.config.classes) or {}

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "config":
            value = require_config(value, "Model.config")
        elif name == "state":
            value = require_state(value, "Model.state")
        elif name == "graph" and "graph" in vars(self):
            raise FixedAttributeError("graph cannot be changed", where="Model", remedy="Make another Model.")
        elif "path" in vars(self):  # the last one that the constructor sets
            refuse_new(self, name, Model, SETTINGS)
        object.__setattr__(self, name, value)

    def __call__(self, *inputs: Any, **options: Any) -> NoReturn:
        """Models are not called: raises an ArgumentError that names ``predict``."""
        raise ArgumentError("a model is not called", where="Model", remedy="Call predict(inputs).")

    # ------------------------------------------------------------------ predicting
    def predict(
        self,
        inputs: Any,
        *,
        lengths: Any = None,
        mask: Any = None,
        batch_size: int = ROWS,
        stateful: bool = False,
        form: str = "outputs",
    ) -> Any:
        """The outputs for some examples, in the test phase.

        Parameters
        ----------
        inputs : array, list of sequences, mapping of input name to either, path or DataFrame
            As in :func:`graphnet.data.examples.examples`. A table is read as the one that the model was trained on.
        lengths : int array, or mapping of input name to it, optional
            Valid steps of each row of a padded array; outputs beyond them are zero.
        mask : boolean array (time, batch), or mapping of input name to it, optional
            Instead of lengths: the valid steps of a padded array, anywhere in a row; outputs at the others are zero.
        batch_size : int
            Examples that are run at a time; the outputs depend on it only in rounding.
        stateful : bool
            Continue from ``state``, and store the state at the end of these examples in it: each row of one call
            continues the same row of the previous call. See ``reset_state``.
        form : {'outputs', 'probabilities', 'classes'}
            For outputs with a loss of classes: the outputs themselves (logits, for example); the probability of each
            class, in the order of ``config.classes``, or of the second of two; or the predicted class of each row, by
            its name if the targets of ``fit`` were names, else by its number.

        Returns
        -------
        array, list of arrays, or mapping of output name to either
            A mapping if the graph has several outputs. A list, with the valid steps of each sequence, for an output
            with axes (time, batch, …) if its sequences were a list. The caller may write to the arrays.

        Raises
        ------
        ShapeError, DtypeError, DataError, ConfigError
            Before anything runs.
        StateError
            If ``state`` has another number of rows, or a Scan runs in reverse; if another thread is training the model,
            or with ``stateful`` if another thread is in such a call.
        """
        inputs = for_prediction(self.config.data, inputs)
        size, stateful = integer("predict", "batch_size", batch_size, 1), checks.flag("predict", "stateful", stateful)
        check_form(self.runner, self.config, form)
        with self._claim(READ, "predict"):
            if not stateful:
                outputs = predict(self.runner, self.config, inputs, lengths, mask, batch_size=size)[0]
                return in_form(self.runner, self.config, outputs, form)
            with self._state_claim("predict(stateful=True)"):
                outputs, self.state = predict(
                    self.runner, self.config, inputs, lengths, mask, batch_size=None, state=self.state
                )
                return in_form(self.runner, self.config, outputs, form)

    def reset_state(self, rows: Any = None) -> None:
        """Make the next ``predict(stateful=True)`` start from the zero state.

        Parameters
        ----------
        rows : int or several, optional
            Positions of the rows to reset, while the others continue; None: all, whose number may then change.

        Raises
        ------
        StateError, DtypeError, DataError
            If these are not rows of the state; StateError also if another thread is in a stateful ``predict``.
        """
        with self._state_claim("reset_state"):
            self.state.reset(rows)

    def _claim(self, level: int, action: str) -> Claim:
        """A context in which this thread uses the weights: see ``graphnet.core.concurrency.claims``."""
        return Claim(level, self.runner.keys, action, self)

    def _state_claim(self, action: str) -> Claim:
        """A context in which only this thread uses ``state``."""
        return Claim(KEPT_STATE, frozenset([("state", id(self))]), action, self)

    # ------------------------------------------------------------------ training
    def evaluate(
        self,
        inputs: Any,
        targets: Any = None,
        *,
        lengths: Any = None,
        mask: Any = None,
        sample_weight: Any = None,
        target_mask: Any = None,
    ) -> dict[str, float]:
        """Return ``loss`` and every metric of ``config`` by name, in the test phase.

        Parameters
        ----------
        inputs, targets, lengths, mask
            As in :func:`graphnet.data.examples.examples`; or a Stream alone; or a Dataset alone, whose test split is
            meant; or a table alone, path or DataFrame, which is read as the one that the model was trained on.
        sample_weight, target_mask
            As in ``Trainer.fit``.

        Raises
        ------
        ConfigError, ShapeError, DtypeError, DataError
            Before anything runs.
        StateError
            If another thread is training the model.
        """
        inputs, targets = for_evaluation(self.graph, self.config, inputs, targets)
        return evaluate(
            self.runner,
            self.config,
            inputs,
            targets,
            lengths=lengths,
            mask=mask,
            sample_weight=sample_weight,
            target_mask=target_mask,
        )

    def confusion_matrix(
        self,
        inputs: Any,
        targets: Any,
        *,
        output: str | None = None,
        lengths: Any = None,
        mask: Any = None,
        sample_weight: Any = None,
        target_mask: Any = None,
    ) -> ConfusionMatrix:
        """How often each class was predicted as each class, with the names of the classes, in the test phase.

        Parameters
        ----------
        inputs, targets, lengths, mask, sample_weight, target_mask
            As in :meth:`evaluate`.
        output : str, optional
            The output, if several have a loss of classes.

        Raises
        ------
        ConfigError, ShapeError, DtypeError, DataError
            Before anything runs.
        StateError
            If another thread is training the model.
        """
        inputs, targets = for_evaluation(self.graph, self.config, inputs, targets)
        with self._claim(READ, "confusion_matrix"):
            return confusion_matrix(
                self.runner,
                self.config,
                inputs,
                targets,
                output=output,
                lengths=lengths,
                mask=mask,
                weighting=Weighting(sample_weight, target_mask),
            )

    def fit(
        self,
        inputs: Any,
        targets: Any = None,
        *,
        lengths: Any = None,
        mask: Any = None,
        validation_data: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        target_mask: Any = None,
        warm_start: bool = False,
        callbacks: Iterable[Callback] = (),
        verbose: int | bool | str | None = None,
        data: str | Mapping[str, Any] | None = KEEP,
        loss: Loss | str | Mapping[str, Loss | str] = KEEP,
        loss_weights: Mapping[str, float] | None = KEEP,
        classes: Sequence[Label] | Mapping[str, Sequence[Label]] | None = KEEP,
        optimizer: Optimizer | str = KEEP,
        regularizer: Regularizer | str | None = KEEP,
        metrics: Iterable[Metric | str] = KEEP,
        epochs: int = KEEP,
        batch_size: int = KEEP,
        shuffle: bool = KEEP,
        drop_last: bool = KEEP,
        batching: str = KEEP,
        batch_major: bool = KEEP,
        tbptt: tuple[int, int] | None = KEEP,
        seed: int = KEEP,
        clip_norm: float | None = KEEP,
        accumulate: int = KEEP,
        average: float | None = KEEP,
        frozen: str | tuple[str, ...] = KEEP,
        parameter_groups: Mapping[str, Mapping[str, float | bool]] = KEEP,
        decay_biases: bool = KEEP,
        schedule: Literal["constant", "cosine", "step"] | Schedule | str = KEEP,
        decay: float | None = KEEP,
        decay_epochs: int | None = KEEP,
        weights_initializer: Initializer | str = KEEP,
        bias_initializer: Initializer | str = KEEP,
        dtype: str = KEEP,
        validation: float = KEEP,
        patience: int | None = KEEP,
        threads: int | None = KEEP,
        backend: str | None = KEEP,
        on_nan: str = KEEP,
        detect_anomaly: bool = KEEP,
        save_bad_batch: str | None = KEEP,
        checkpoint_epochs: int | None = KEEP,
        checkpoint_steps: int | None = KEEP,
        checkpoint_seconds: float | None = KEEP,
        keep_checkpoints: int = KEEP,
    ) -> History:
        """Train on some examples; see :meth:`graphnet.training.trainer.Trainer.fit`.

        Parameters
        ----------
        inputs : array, list of sequences, mapping, Stream, Dataset, path or DataFrame
            As in ``Trainer.fit``. A Dataset, or the path of a file or folder, gives its training split, and its
            validation split if it has one. A DataFrame, or the file of a table, is trained on whole if ``targets``
            names columns; :func:`graphnet.datasets.table` has more settings.
        targets, lengths, mask, validation_data, sample_weight, class_weight, target_mask
            As in ``Trainer.fit``; ``targets`` may be the names of columns of a table.
        warm_start : bool
            Whether training continues from the present weights; otherwise they are drawn again from the seed.
        callbacks : iterable of Callback
        verbose : {None, 'auto', 0, 1, 2} or bool
            What is shown of the training; see ``Trainer.fit``. Nothing by default, except on a terminal and in a
            notebook.
        data, loss, ..., keep_checkpoints
            The settings of :class:`~graphnet.training.config.TrainingConfig`, which describes them. Those that are
            given replace the ones of ``config`` from now on; ``KEEP`` leaves a setting as it is.

        Raises
        ------
        ConfigError, ShapeError, DtypeError, DataError
            Before anything changes.
        StateError
            If the loss is not finite; before anything changes, if another thread is using the model.
        """
        settings = keep.given(locals())
        with self._claim(WRITE, "fit"), self._state_claim("fit"):
            given = for_training(self.graph, self.config.changed(**settings), inputs, targets, validation_data)
            config = given.config
            trainer = Trainer(self.graph, config, callbacks=callbacks)
            previous, self.config = self.config, config  # callbacks evaluate with the losses of this training
            try:
                trainer.fit(
                    given.inputs,
                    given.targets,
                    lengths=lengths,
                    mask=mask,
                    validation_data=given.validation_data,
                    sample_weight=sample_weight,
                    class_weight=class_weight,
                    target_mask=target_mask,
                    warm_start=warm_start,
                    verbose=verbose,
                )
            finally:
                if not trainer.history.epochs:
                    self.config = previous
                else:
                    self.history, self.runner, self.config = trainer.history, trainer.runner, trainer.config
                    self.state = State() if trainer.state is None else trainer.state
                    self._trained_by = trainer.runner.backend
            return trainer.history

    # ------------------------------------------------------------------ files
    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the graph, the configuration, the weights and the history to a folder, which ``graphnet.load`` reads.

        The folder appears when all of it is on the disk, by one rename. ``graphnet verify`` checks it.

        Parameters
        ----------
        folder : path
            Missing, or an empty folder.
        overwrite : bool
            Whether a model that is already there is replaced: by one step, so that a failure leaves the old one. A
            folder with anything else, such as a run, is never replaced.

        Raises
        ------
        FileError
            If there is something in the folder, or it cannot be written.
        PluginError, ConfigError, GraphError
            If a file cannot represent a layer or a setting; ``save_weights`` is then possible still.
        ShapeError
            If the sizes of the weights are not known yet.
        StateError
            If another thread is training the model.
        """
        overwrite = checks.flag("Model.save", "overwrite", overwrite)
        with self._claim(READ, "save"):
            path = checks.path("Model.save", folder)
            materialize(self.runner, self.config)
            config = config_in(self.config, self.path, path)
            save_model(path, self.runner, config, self.state, self.history, self._trained_by, overwrite=overwrite)

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write the weights and buffers alone to a safetensors file, by ``node path/name``.

        This works for every model, also one with layers that a file cannot represent. An earlier file of weights is
        replaced, atomically: a failure leaves it as it was.

        Raises
        ------
        FileError
            If the path is a folder, or a file that has no weights, or the file cannot be written.
        ShapeError
            If the sizes of the weights are not known yet.
        StateError
            If another thread is training the model.
        """
        with self._claim(READ, "save_weights"):
            materialize(self.runner, self.config)
            write_weights(checks.path("Model.save_weights", path), self.runner)

    def load_weights(self, path: str | os.PathLike[str], *, allow_nonfinite: bool = False) -> None:
        """Set the weights and buffers to those of a file that ``save_weights`` wrote, of a model with the same nodes.

        All of them are checked before any is changed. ``fit(warm_start=True)`` continues from them. Arrays are
        converted to the dtypes of the layers.

        Parameters
        ----------
        path : path
        allow_nonfinite : bool
            Whether NaN and infinity are accepted.

        Raises
        ------
        FileError
            If the file cannot be read or is damaged, lacks an array or has one more, has another dtype than float32 or
            float64, or a number that is not finite.
        ShapeError
            If an array has another shape; if the sizes of the weights are not known yet.
        StateError
            If another thread is using the model.
        """
        allow_nonfinite = checks.flag("Model.load_weights", "allow_nonfinite", allow_nonfinite)
        with self._claim(WRITE, "load_weights"):
            materialize(self.runner, self.config)
            file = checks.path("Model.load_weights", path)
            read_weights(file, self.runner, allow_nonfinite=allow_nonfinite)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows."""
        return dict(late.call("mimebundle", self))

    def export(self, form: str = "mermaid", **options: Any) -> str | bytes:
        """This model as a file for other programs.

        Parameters
        ----------
        form : str
            Name of an exporter, built in or of a plugin.
        **options
            Of the exporter: its keyword-only parameters.

        Raises
        ------
        UnknownNameError
            If there is no such exporter.
        ConfigError
            If the exporter has no such option.
        RuleError
            If the exporter fails, or returns neither text nor bytes.
        """
        return exported(self, form, options)

    def summary(self) -> Summary:
        """The nodes with shapes and numbers of parameters; prints as a table. See :func:`graphnet.summary`."""
        return summary(self)

    def __repr__(self) -> str:
        return f"Model({self.graph!r})"


explain_arguments(Model)
explain_methods(Model, "predict", "reset_state", "evaluate", "confusion_matrix", "save", "export")
explain_methods(Model, "save_weights", "load_weights", "summary")
explain_methods(Model, "fit", hints=ELSEWHERE_IN_FIT)
