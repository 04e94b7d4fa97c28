# For type checkers: at run time, graphnet.sklearn is graphnet.models.sklearn.
from graphnet.models.sklearn import *  # noqa: F403
