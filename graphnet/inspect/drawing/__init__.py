"""Pictures of graphs: nested boxes, their places, and files of them."""

from graphnet.inspect.drawing.boxes import Box, Drawing, Line, draw
from graphnet.inspect.drawing.dot import to_dot
from graphnet.inspect.drawing.places import Place, Placed, place
from graphnet.inspect.drawing.png import to_png
from graphnet.inspect.drawing.svg import to_svg

__all__ = ["Box", "Drawing", "Line", "Place", "Placed", "draw", "place", "to_dot", "to_png", "to_svg"]
