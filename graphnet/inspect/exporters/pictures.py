"""Export a graph as a picture: SVG and PNG, placed by graphlay, and the language of Graphviz."""

from __future__ import annotations

import math
from typing import Any

from graphnet.core.checks import integer
from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ConfigError
from graphnet.inspect.drawing import Box, Placed, draw, place, to_dot, to_png, to_svg
from graphnet.inspect.drawing.png import LARGEST
from graphnet.inspect.drawing.svg import MARGIN
from graphnet.inspect.summary import summary
from graphnet.inspect.target import graph_of


def svg(model: Any, *, depth: int | None = None) -> str:
    """Return the picture of a model as an SVG file, which browsers, editors and LaTeX show.

    Parameters
    ----------
    model : Model, Graph, Runner or composite layer
    depth : int, optional
        How far composites and Scans are opened: 0 shows the nodes of the graph itself, 1 also those inside them, and
        so on. None: down to each gate.

    Raises
    ------
    ConfigError
        If ``model`` has no graph, or ``depth`` is not a whole number from 0.
    GraphError, ShapeError
        If the graph cannot be compiled.
    PluginError
        If graphlay, which finds the places, is not installed.
    """
    graph = graph_of(model, "svg")
    return to_svg(placed(graph, depth), graph.name)


def png(model: Any, *, depth: int | None = None, zoom: float | None = None) -> bytes:
    """Return the picture of a model as a PNG file, with ``zoom`` pixels for each unit of the SVG; otherwise as `svg`.

    Without ``zoom`` there are 2 pixels for each unit, or as many as make 64 million, the most that are written.

    Raises
    ------
    ConfigError
        If ``zoom`` is not a number above 0 and up to 16, or gives the picture more than 64 million pixels.
    PluginError
        If resvg or a font is missing.
    """
    if zoom is not None and (isinstance(zoom, bool) or not isinstance(zoom, (int, float)) or not 0 < zoom <= 16):
        raise ConfigError("not a zoom", where="png", expected="a number above 0 and up to 16", received=repr(zoom))
    graph = graph_of(model, "png")
    places = placed(graph, depth)
    width, height = places.width + 2 * MARGIN, places.height + 2 * MARGIN
    most = math.floor(math.sqrt(LARGEST / (width * height)) * 100) / 100
    return to_png(to_svg(places, graph.name), width, height, min(2.0, most) if zoom is None else zoom)


def dot(model: Any, *, depth: int | None = None) -> str:
    """Return the graph of a model in the language of Graphviz, opened composites as clusters; ``depth`` as for `svg`.

    Examples
    --------
    >>> from graphnet import Builder, FullyConnected
    >>> g = Builder("scores")
    >>> print(dot(g.build(FullyConnected(4, 3)(g.input("x", "batch, feature=4"), name="dense"))))
    digraph "scores" {
      compound=true; node [shape=box, style=rounded, fontname=sans]; edge [fontname=sans, fontsize=10];
      n0 [label="x", shape=oval];
      n1 [label="dense\\nFullyConnected · 15 parameters"];
      n2 [label="output", shape=oval];
      n0 -> n1 [label="batch, feature=4"];
      n1 -> n2 [label="batch, feature=3"];
    }
    """
    depth = integer("dot", "depth", depth, 0, optional=True)
    return to_dot(draw(summary(graph_of(model, "dot"))), depth)


def placed(graph: Graph, depth: int | None) -> Placed:
    """The drawing of a graph with places, opened down to a depth."""
    depth = integer("a picture", "depth", depth, 0, optional=True)

    def opens(box: Box) -> bool:
        return depth is None or box.path.count("/") < depth

    return place(draw(summary(graph)), opens)


#: The endings of files that it writes.
dot.endings = (".dot", ".gv")  # type: ignore[attr-defined]


def graph_svg(graph: Graph, depth: int | None) -> str:
    """What ``Graph.to_svg`` returns."""
    return svg(graph, depth=depth)
