# For type checkers: at run time, graphnet.distributed is graphnet.training.distributed.
from graphnet.training.distributed import *  # noqa: F403
