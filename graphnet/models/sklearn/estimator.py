"""What the classifier and the regressor have in common: parameters, fitting, and predictions as arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from graphnet.core import checks
from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ConfigError, StateError
from graphnet.data.ports import input_ports
from graphnet.losses import Loss
from graphnet.models.model import Model
from graphnet.models.sklearn.examples import as_sequences, checked
from graphnet.models.sklearn.networks import Sizes, network
from graphnet.optimizers import Adam
from graphnet.training.config import TrainingConfig

#: Up to this number of examples, a batch has all of them by default.
FULL_BATCH = 1000
#: The default size of a batch of more examples.
BATCH = 256
#: Default of models that do not come from a file.
EPOCHS, RATE = 200, 0.01


class GraphEstimator(BaseEstimator):
    """Base of ``GraphClassifier`` and ``GraphRegressor``, which have the documentation."""

    _default_loss: type[Loss]
    model_: Model
    n_features_in_: int
    _means: tuple[Any, ...]

    def __init__(
        self,
        model: Any = None,
        *,
        model_parameters: Any = None,
        hidden_units: int = 32,
        loss: Any = None,
        optimizer: Any = None,
        learning_rate: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        regularizer: Any = None,
        validation: float | None = None,
        patience: int | None = None,
        dtype: str = "float64",
        settings: Any = None,
        callbacks: Any = (),
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.model_parameters = model_parameters
        self.hidden_units = hidden_units
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.regularizer = regularizer
        self.validation = validation
        self.patience = patience
        self.dtype = dtype
        self.settings = settings
        self.callbacks = callbacks
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    # ------------------------------------------------------------------ fitting
    def _fit(
        self, X: Any, targets: np.ndarray, weights: np.ndarray | None, means: tuple[Any, ...], outputs: int
    ) -> None:
        """Train ``model_``; a new one unless ``warm_start`` continues with the present one.

        Parameters
        ----------
        means : tuple
            What each output stands for: a class, or the number of a target.
        outputs : int
            Of a new model.
        """
        warm = checks.flag(type(self).__name__, "warm_start", self.warm_start) and hasattr(self, "model_")
        if warm and means != self._means:
            raise StateError(
                "warm_start with other classes or targets than in the last fit",
                where=type(self).__name__,
                expected=str(list(self._means))[:200],
                received=str(list(means))[:200],
                remedy="Pass warm_start=False.",
            )
        model = self.model_ if warm else self._new_model(X, outputs)
        if weights is not None:
            kept = weights > 0
            X = X[kept] if isinstance(X, np.ndarray) else [x for x, keep in zip(X, kept, strict=True) if keep]
            targets, weights = targets[kept], weights[kept]
            if not kept.any():
                raise ConfigError("no example has a weight above 0", where="sample_weight")
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        data = as_sequences(X) if _has_time(model.graph) else X
        history = model.fit(
            data,
            targets,
            sample_weight=weights,
            warm_start=warm,
            verbose=self.verbose,
            callbacks=self.callbacks,
            seed=seed,
            classes=None,
            batch_size=self._batch(model, len(targets)),
        )
        self.model_, self.history_, self._means = model, history, means
        self.n_iter_ = len(history.epochs)
        self.loss_ = history.epochs[-1].loss

    def _new_model(self, X: Any, outputs: int) -> Model:
        is_table = isinstance(X, np.ndarray) and X.ndim == 2
        sizes = Sizes(self.n_features_in_, 1 if is_table else self.n_features_in_, outputs)
        made = network(self.model, self.model_parameters, self.hidden_units, sizes, self.dtype)
        if len(made.graph.inputs) != 1 or len(made.graph.outputs) != 1:
            raise ConfigError(
                "a graph that an estimator cannot have",
                where=f"graph {made.graph.name!r}",
                expected="one input and one output",
                received=f"inputs {', '.join(made.graph.inputs)}; outputs {', '.join(made.graph.outputs)}",
                remedy="Use graphnet.Model.",
            )
        base = made.config or TrainingConfig(loss=self._default_loss(), optimizer=Adam(RATE), epochs=EPOCHS)
        return Model(made.graph, self._config(base))

    def _config(self, base: TrainingConfig) -> TrainingConfig:
        """The configuration of the file, or the default one, with the parameters that are not None."""
        if self.settings is not None and not isinstance(self.settings, Mapping):
            raise ConfigError(
                "not settings",
                where=f"{type(self).__name__}.settings",
                expected="a mapping of fields of TrainingConfig",
                received=repr(self.settings)[:100],
            )
        names = ("loss", "optimizer", "epochs", "regularizer", "validation", "patience", "dtype")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        twice = [name for name in (*given, "batch_size") if name in (self.settings or {}) and name != "dtype"]
        twice = [name for name in twice if getattr(self, name) is not None]
        if twice:  # a search that sets the parameter would change nothing
            raise ConfigError(
                "a setting is given twice",
                where=f"{type(self).__name__}.settings",
                expected=f"{', '.join(twice)} as a parameter or in settings",
                received="both",
            )
        config = base.changed(data=None, batch_major=True, **{**given, **(self.settings or {})})
        if self.learning_rate is None:
            return config
        return config.changed(optimizer=_with_rate(config.optimizer, self.learning_rate))

    def _batch(self, model: Model, examples: int) -> int:
        if self.batch_size is not None:
            return self.batch_size
        if isinstance(self.model, (str, os.PathLike)) or "batch_size" in (self.settings or {}):
            return model.config.batch_size
        return examples if examples <= FULL_BATCH else BATCH

    # ------------------------------------------------------------------ predicting
    def _predicted(self, X: Any, form: str) -> np.ndarray:
        check_is_fitted(self, "model_")
        X = checked(self, X, reset=False)
        data = as_sequences(X) if _has_time(self.model_.graph) else X
        return np.asarray(self.model_.predict(data, form=form))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _has_time(graph: Graph) -> bool:
    """Whether the input is a sequence."""
    return any(port.sequence for port in input_ports(graph).values())


def _with_rate(optimizer: Any, rate: float) -> Any:
    """The same optimizer with another learning rate."""
    changed = {**optimizer.config(), "learning_rate": rate}
    return type(optimizer)(**changed)
