# For type checkers: at run time, graphnet.datasets is graphnet.data.datasets.
from graphnet.data.datasets import *  # noqa: F403
