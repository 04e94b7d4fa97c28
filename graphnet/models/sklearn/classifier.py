"""The classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, column_or_1d

from graphnet.core.errors import ShapeError
from graphnet.losses import CrossEntropy
from graphnet.models.sklearn.estimator import GraphEstimator
from graphnet.models.sklearn.examples import checked


class GraphClassifier(ClassifierMixin, GraphEstimator):
    """A graph as a classifier of scikit-learn.

    Parameters
    ----------
    model : path, Graph, cell or callable, optional
        None: one hidden layer of ``hidden_units`` rectified linear units (needs graphnet-activations). A path: of a
        model file, whose training settings are the defaults of the parameters below. A Graph: with one input and one
        output, of one number for each class; or of one for two classes, with ``loss="binary_cross_entropy"``. What
        ``Cell.build`` returns: it runs over the sequences, and a dense layer follows its last output. A callable:
        returns a Graph or a cell; it is called with ``n_features`` and ``n_outputs`` if it has such parameters, and
        with ``model_parameters``.
    model_parameters : mapping, optional
        Arguments of a callable ``model``, for a grid search over them.
    hidden_units : int
        Of the default model.
    loss, optimizer, epochs, regularizer, validation, patience : optional
        Fields of :class:`~graphnet.TrainingConfig`, as objects or names. None: those of the model file; without one,
        cross entropy, Adam with a learning rate of 0.01, 200 epochs, no regularizer, and nothing held out.
    learning_rate : float, optional
        Replaces that of the optimizer.
    batch_size : int, optional
        None: that of the model file; without one, all examples up to 1,000, else 256.
    dtype : {'float64', 'float32'}
        Of the data, and of the layers that are made here.
    settings : mapping, optional
        Any other fields of TrainingConfig.
    callbacks : sequence of Callback
    class_weight : mapping or 'balanced', optional
        As in scikit-learn's classifiers.
    random_state : int, RandomState or None
        Determines weights, dropout, and the order of the examples.
    warm_start : bool
        Whether ``fit`` continues from the present weights.
    verbose : int
        Whether ``fit`` shows its progress; as in ``Model.fit``.

    Attributes
    ----------
    classes_ : array
    n_features_in_ : int
        The size of the feature axis of X.
    feature_names_in_ : array
        The columns, if X was a DataFrame with names that are all text.
    model_ : graphnet.Model
        The trained model, which can be saved; it has the names of the classes.
    history_ : History
    n_iter_ : int
        The epochs that ran.
    loss_ : float
        Of the last epoch.

    Notes
    -----
    X is ``(sample, feature)``; for a graph over time ``(sample, time, feature)``, a list with one array ``(time,
    feature)`` for each sample, or ``(sample, time)``, which is one feature over time.

    Weights of samples are exact with full batches: a sample of weight 2 counts as two of them, one of weight 0 as none.

    Examples
    --------
    >>> from graphnet.sklearn import GraphClassifier
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["same", "other", "other", "same"]
    >>> GraphClassifier(random_state=0).fit(X, y).predict(X)
    array(['same', 'other', 'other', 'same'], dtype='<U5')
    """

    _default_loss = CrossEntropy

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
        class_weight: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            model,
            model_parameters=model_parameters,
            hidden_units=hidden_units,
            loss=loss,
            optimizer=optimizer,
            learning_rate=learning_rate,
            epochs=epochs,
            batch_size=batch_size,
            regularizer=regularizer,
            validation=validation,
            patience=patience,
            dtype=dtype,
            settings=settings,
            callbacks=callbacks,
            random_state=random_state,
            warm_start=warm_start,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> GraphClassifier:
        """Train on some examples.

        Parameters
        ----------
        X : array, DataFrame or list of arrays
        y : array-like (sample,)
            Labels, text or numbers.
        sample_weight : array-like (sample,), optional
            At least 0.

        Raises
        ------
        ValueError, TypeError
            As scikit-learn's estimators.
        GraphnetError
            As ``Model.fit``.
        """
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        X = checked(self, X, reset=True)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        check_consistent_length(X, y)
        classes, numbers = np.unique(y, return_inverse=True)
        names = classes.tolist()
        self._fit(X, numbers, self._weights(X, y, sample_weight), tuple(names), max(2, len(names)))
        self._check_outputs(X, max(2, len(names)))
        self.classes_ = classes
        if len(names) > 1 and all(isinstance(name, (str, bool, int, float)) for name in names):
            self.model_.config = self.model_.config.changed(classes=tuple(names))
        return self

    def _check_outputs(self, X: Any, classes: int) -> None:
        """Refuse a graph of the user's with more outputs than classes, of which some would stand for none."""
        shape = self._predicted(X[:1], "probabilities").shape
        if len(shape) > 1 and shape[1] not in (1, classes):
            del self.model_
            raise ShapeError("the model does not have one output for each class", where=type(self).__name__,
                             expected=f"{classes} outputs", received=shape[1])  # fmt: skip

    def _weights(self, X: Any, y: np.ndarray, sample_weight: Any) -> np.ndarray | None:
        if sample_weight is None and self.class_weight is None:
            return None
        weights = _check_sample_weight(sample_weight, y, dtype=np.float64, ensure_non_negative=True)
        if self.class_weight is not None:
            weights = weights * compute_sample_weight(self.class_weight, y)
        return weights

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each example, one of ``classes_``."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, ``(sample, class)``, in the order of ``classes_``."""
        probabilities = self._predicted(X, "probabilities")
        if len(self.classes_) == 1:
            return np.ones((len(probabilities), 1))
        if probabilities.ndim == 1 or probabilities.shape[1] == 1:
            second = probabilities.reshape(-1)
            return np.stack([1 - second, second], axis=1)
        return probabilities
