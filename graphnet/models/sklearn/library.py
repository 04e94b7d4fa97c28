"""Whether scikit-learn is installed."""

from __future__ import annotations

from graphnet.core.errors import PluginError


class MissingSklearnError(PluginError, ImportError):
    """scikit-learn cannot be imported; also an ImportError, as for any missing module."""


def require_sklearn() -> None:
    """Raise a MissingSklearnError unless a recent scikit-learn can be imported."""
    try:
        from sklearn.utils.validation import validate_data  # noqa: F401  (since 1.6)
    except ImportError as error:
        raise MissingSklearnError(
            "graphnet.sklearn needs scikit-learn, which cannot be imported",
            expected="scikit-learn 1.6 or newer",
            received=str(error),
            remedy="pip install 'scikit-learn>=1.6'",
        ) from error
