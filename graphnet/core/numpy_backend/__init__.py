"""The built-in backend: runs Scans by their compiled programs, and the rest step by step with the layers' own rules.

Everything that a plan and its shapes settle is settled when it is bound: which arguments a rule takes, which errors are
wanted, whether rows end early, every view of every array that a time loop touches.
"""

from graphnet.core.numpy_backend.plan import BoundPlan
from graphnet.core.numpy_backend.rows import mask, owner
from graphnet.core.numpy_backend.setting import Run, Setting

__all__ = ["BoundPlan", "Run", "Setting", "mask", "owner"]
