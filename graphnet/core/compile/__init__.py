"""Compile: from a graph to a plan, and from the cells and regions of a plan to programs.

``lower`` flattens a graph to a plan, ``infer`` computes the shapes of its slots, ``pipeline`` traces a cell or region
and runs the passes on it. The result is plain data; nothing here runs anything.
"""

from graphnet.core.compile.infer import infer
from graphnet.core.compile.lower import lower
from graphnet.core.compile.plan import Shapes

__all__ = ["Shapes", "infer", "lower"]
