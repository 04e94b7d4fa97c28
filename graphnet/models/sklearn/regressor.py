"""The regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import _check_sample_weight, check_array, check_consistent_length, column_or_1d

from graphnet.losses import MeanSquaredError
from graphnet.models.sklearn.estimator import GraphEstimator
from graphnet.models.sklearn.examples import checked


class GraphRegressor(RegressorMixin, GraphEstimator):
    """A graph as a regressor of scikit-learn, for one target or several.

    Parameters, attributes and forms of X are those of :class:`GraphClassifier`, without ``class_weight`` and
    ``classes_``; the output of a graph has one number for each target, and the default loss is the mean squared error.
    Targets are not scaled: use ``sklearn.compose.TransformedTargetRegressor``.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet.sklearn import GraphRegressor
    >>> X = np.linspace(-1, 1, 40)[:, None]
    >>> bool(GraphRegressor(random_state=0).fit(X, X[:, 0] ** 2).score(X, X[:, 0] ** 2) > 0.9)
    True
    """

    _default_loss = MeanSquaredError

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> GraphRegressor:
        """Train on some examples.

        Parameters
        ----------
        X : array, DataFrame or list of arrays
        y : array-like (sample,) or (sample, target)
            Finite numbers.
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
        y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y", estimator=self)
        if y.ndim != 2 or y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, y, dtype=np.float64, ensure_non_negative=True)
        self._single = y.ndim == 1
        targets = y[:, None] if self._single else y
        self._fit(X, targets, weights, tuple(range(targets.shape[1])), targets.shape[1])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The targets of each example: ``(sample,)``, or ``(sample, target)`` if y had two axes."""
        outputs = self._predicted(X, "outputs")
        return outputs.reshape(-1) if self._single else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
