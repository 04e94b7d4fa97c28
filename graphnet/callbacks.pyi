# For type checkers: at run time, graphnet.callbacks is graphnet.training.callbacks.
from graphnet.training.callbacks import *  # noqa: F403
