"""Models as scikit-learn estimators: ``from graphnet.sklearn import GraphClassifier, GraphRegressor``."""

from graphnet.models.sklearn.library import require_sklearn

require_sklearn()

from graphnet.models.sklearn.classifier import GraphClassifier  # noqa: E402
from graphnet.models.sklearn.regressor import GraphRegressor  # noqa: E402

__all__ = ["GraphClassifier", "GraphRegressor"]
