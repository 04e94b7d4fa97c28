"""What scikit-learn passes as X: a table, an array of more axes, or a list of sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from graphnet.core.errors import DataError, ShapeError

FLOATS = (np.float64, np.float32)


def is_list_of_sequences(X: Any) -> bool:
    """Whether X is a list with one array ``(time, feature)`` for each example."""
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1:
        return len(X) > 0 and np.ndim(X[0]) == 2
    return isinstance(X, (list, tuple)) and len(X) > 0 and hasattr(X[0], "shape") and np.ndim(X[0]) == 2


def checked(estimator: Any, X: Any, *, reset: bool) -> Any:
    """X as arrays of float64 or float32, by the rules of scikit-learn.

    Parameters
    ----------
    estimator : GraphClassifier or GraphRegressor
        ``n_features_in_`` and ``feature_names_in_`` are set if ``reset``, else compared.
    X : DataFrame, array or list of arrays
        ``(sample, feature)``; ``(sample, time, feature)`` or more axes; a list with one ``(time, feature)`` each.

    Raises
    ------
    ValueError
        As scikit-learn's ``validate_data``; DataError for an element of a list.
    ShapeError
        If sequences differ in their number of features.
    """
    if is_list_of_sequences(X):
        return _checked_list(estimator, X, reset)
    if not isinstance(X, (list, tuple)) and len(getattr(X, "shape", ())) > 2:
        array = check_array(X, dtype=FLOATS, allow_nd=True, input_name="X", estimator=estimator)
        _count(estimator, array.shape[-1] if array.ndim == 3 else array.shape[1], reset)
        return array
    return validate_data(estimator, X, reset=reset, dtype=FLOATS)


def _checked_list(estimator: Any, X: Any, reset: bool) -> list[np.ndarray]:
    sequences = [np.asarray(sequence) for sequence in X]
    for i, sequence in enumerate(sequences):
        if sequence.dtype.kind not in "fiub" or not np.isfinite(sequence).all():
            raise DataError("not finite numbers", where=f"X[{i}]", expected="an array of finite numbers",
                            received=f"an array of {sequence.dtype}")  # fmt: skip
        if sequence.ndim != 2 or sequence.shape[1] != sequences[0].shape[1]:
            raise ShapeError(
                "sequences of different forms",
                where=f"X[{i}]",
                expected=f"(time, {sequences[0].shape[1]}), as X[0]",
                received=str(sequence.shape),
            )
    _count(estimator, sequences[0].shape[1], reset)
    dtype = np.float32 if all(sequence.dtype == np.float32 for sequence in sequences) else np.float64
    return [sequence.astype(dtype, copy=False) for sequence in sequences]


def _count(estimator: Any, features: int, reset: bool) -> None:
    if reset:
        estimator.n_features_in_ = features
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    elif features != estimator.n_features_in_:
        raise ShapeError(
            f"X has {features} features, but {type(estimator).__name__} is expecting {estimator.n_features_in_} "
            "features as input"
        )


def as_sequences(X: Any) -> Any:
    """A table as one sequence of one feature for each row: ``(sample, time)`` as ``(sample, time, 1)``."""
    return X[:, :, None] if isinstance(X, np.ndarray) and X.ndim == 2 else X
