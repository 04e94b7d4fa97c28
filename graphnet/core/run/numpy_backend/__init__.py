"""The built-in backend: runs Scans by their compiled programs, and the rest step by step with the layers' own rules.

Everything that a plan and its shapes settle is settled when it is bound: which arguments a rule takes, which errors are
wanted, whether rows end early, every view of every array that a time loop touches.
"""

from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.plan import BoundPlan
from graphnet.core.run.row_masks import mask, owner

__all__ = ["BindOptions", "BoundPlan", "RunContext", "mask", "owner"]
