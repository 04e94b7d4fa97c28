# For type checkers: at run time, graphnet.callbacks is graphnet.models.callbacks.
from graphnet.models.callbacks import *  # noqa: F403
