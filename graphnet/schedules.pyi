# For type checkers: at run time, graphnet.schedules is graphnet.optimizers.schedules.
from graphnet.optimizers.schedules import *  # noqa: F403
