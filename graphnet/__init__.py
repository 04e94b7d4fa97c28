"""graphnet: neural-network layers as plugins, models as graphs, on a CPU."""

from graphnet.core.builder import Builder, Cell, Value, functional
from graphnet.core.composite import Composite, Subgraph
from graphnet.core.errors import (
    ConfigError,
    DataError,
    DtypeError,
    FileError,
    GraphError,
    GraphnetError,
    PluginError,
    RuleError,
    ShapeError,
    StateError,
    UnknownNameError,
)
from graphnet.core.graph import Graph, Input, Node, Ref
from graphnet.core.layer import Layer, positive, require
from graphnet.core.parameter import Buffer, Parameter, Weight
from graphnet.core.phase import Phase
from graphnet.core.random import generator, seed, using
from graphnet.core.runner import Runner
from graphnet.core.scan import CellGraph, Scan
from graphnet.core.shapes import Shape, broadcast
from graphnet.layers import *  # noqa: F403
