"""Names for authors of layers: what a rule, a cell or a plugin needs beyond the names for users.

``Layer``, ``Composite``, ``Subgraph``, ``CellGraph``, ``Shape``, ``Value``, ``Weight`` and ``generator`` are also in
``graphnet`` itself; the others are public here only.

Examples
--------
>>> from graphnet.authoring import Layer, logistic
>>> class Swish(Layer):
...     '''y = x · σ(x).'''
...     def apply(self, x):
...         s = logistic(x)
...         return x * s, (x, s)
...     def pull(self, saved, error):
...         x, s = saved
...         return error * (s + x * s * (1 - s))
>>> float(Swish().forward([[0.0]])[0, 0])
0.0
"""

from __future__ import annotations

from graphnet.core.arguments import explained
from graphnet.core.checks import is_python_int
from graphnet.core.describe.broadcasting import broadcast
from graphnet.core.describe.composite import Composite, Subgraph
from graphnet.core.describe.functional import functional
from graphnet.core.describe.layer import Layer, positive, require
from graphnet.core.describe.logistic import inside_scan, logistic
from graphnet.core.describe.node import Input, Node, Ref
from graphnet.core.describe.parameter import Buffer, Parameter, Weight
from graphnet.core.describe.scan import CellGraph
from graphnet.core.describe.shapes import Shape
from graphnet.core.describe.value import Value
from graphnet.core.dtypes import as_array
from graphnet.core.operations import Operation, Window, offered
from graphnet.core.random import generator

__all__ = [
    "Buffer",
    "CellGraph",
    "Composite",
    "Input",
    "Layer",
    "Node",
    "Operation",
    "Parameter",
    "Ref",
    "Shape",
    "Subgraph",
    "Value",
    "Weight",
    "Window",
    "as_array",
    "broadcast",
    "explained",
    "functional",
    "generator",
    "inside_scan",
    "is_python_int",
    "logistic",
    "offered",
    "positive",
    "require",
]
