"""Graph to plan: ``lower`` flattens nested graphs to steps, ``infer`` gives every slot its axes and sizes."""

from graphnet.core.compiler.infer import Shapes, infer
from graphnet.core.compiler.lower import lower

__all__ = ["Shapes", "infer", "lower"]
