# For type checkers: at run time, graphnet.callbacks is graphnet.io.callbacks.
from graphnet.io.callbacks import *  # noqa: F403
