"""The built-in backend: runs a plan step by step with the layers' own rules.

Everything that a plan and its shapes settle is settled when it is bound: which arguments a rule takes, which errors are
wanted, whether rows end early. A step then costs one call of a rule.
"""

from graphnet.core.numpy_backend.plan import BoundPlan
from graphnet.core.numpy_backend.rows import mask
from graphnet.core.numpy_backend.setting import Run, Setting

__all__ = ["BoundPlan", "Run", "Setting", "mask"]
