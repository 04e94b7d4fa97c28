"""Graph to plan, and plan to programs.

``lower`` flattens nested graphs to steps, ``infer`` gives every slot its axes and sizes. ``passes`` then reads the
rules of a cell, or of neighbouring nodes, and makes a program of them: one pass a file, in the order given there.
"""

from graphnet.core.compile.infer import Shapes, infer
from graphnet.core.compile.lower import lower

__all__ = ["Shapes", "infer", "lower"]
