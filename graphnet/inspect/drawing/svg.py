"""A placed drawing as an SVG file."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from graphnet.inspect.drawing.boxes import Box
from graphnet.inspect.drawing.lettering import FAMILY, FONT, SMALL, width
from graphnet.inspect.drawing.places import PADDING, TITLE, Place, Placed, Point, label, subtitle, title

MARGIN = 12.0
#: Fill and border by role; all texts have a contrast of at least 4.5 on them.
COLOURS = {
    "node": ("#ffffff", "#4a5568"),
    "input": ("#e3f0fb", "#2b6cb0"),
    "sequence": ("#e3f0fb", "#2b6cb0"),
    "context": ("#e3f0fb", "#2b6cb0"),
    "state": ("#fdf1d8", "#975a16"),
    "next state": ("#fdf1d8", "#975a16"),
    "output": ("#e4f4e8", "#276749"),
}
WEIGHTS, GROUP, SHARED = "#f3e8fd", "#f7f8fa", "#6b46c1"
TEXT, LINE = "#1a202c", "#5a6675"


def to_svg(placed: Placed, name: str) -> str:
    """Return a drawing as a file of SVG 1.1: without scripts, and without references to other files."""
    size = placed.width + 2 * MARGIN, placed.height + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]:g}" height="{size[1]:g}" '
        f'viewBox="0 0 {size[0]:g} {size[1]:g}" role="img" font-family="{FAMILY}" fill="{TEXT}">',
        f"<title>{_text(name)}</title>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0.8 L8 4 L0 7.2 z" fill="{LINE}"/></marker></defs>',
        f'<rect width="{size[0]:g}" height="{size[1]:g}" fill="#ffffff"/>',
        *_drawing(placed, MARGIN, MARGIN),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _drawing(placed: Placed, left: float, top: float, background: str = "#ffffff") -> Iterator[str]:
    """Boxes with what is inside them, then lines, then labels, which hide the lines below them."""
    yield f'<g transform="translate({left:g} {top:g})">'
    for each in placed.boxes:
        yield from _box(each)
    for number, points in enumerate(placed.lines):
        path = " L".join(f"{x:g} {y:g}" for x, y in points)
        tip = f"<title>{_text(label(placed.drawing, number))}</title>"
        yield f'<path d="M{path}" fill="none" stroke="{LINE}" stroke-width="1.2" marker-end="url(#arrow)">{tip}</path>'
    for number, at in enumerate(placed.labels):
        if at is not None:
            yield from _label(label(placed.drawing, number), at, background)
    yield "</g>"


def _box(each: Place) -> Iterator[str]:
    box = each.box
    fill, border = COLOURS[box.role]
    if box.role == "node" and (box.parameters or box.parameters is None or box.shared):
        fill = WEIGHTS
    if box.shared:
        border = SHARED
    fill = GROUP if each.inner is not None else fill
    radius = 5 if box.role == "node" else each.height / 2
    dashes = ' stroke-dasharray="5 3"' if box.shared or box.note == "unused" else ""
    yield f'<g transform="translate({each.x:g} {each.y:g})"><title>{_text(_tip(box))}</title>'
    yield (
        f'<rect width="{each.width:g}" height="{each.height:g}" rx="{radius:g}" fill="{fill}" '
        f'stroke="{border}" stroke-width="1.2"{dashes}/>'
    )
    if each.inner is None:
        yield from _closed(each)
    else:
        head = f"{_bold(title(box))}  {_small(subtitle(box))}"
        yield f'<text x="{PADDING:g}" y="{TITLE - 8:g}" font-size="{FONT:g}">{head}</text>'
        yield from _drawing(each.inner, (each.width - each.inner.width) / 2, TITLE, GROUP)
    yield "</g>"


def _closed(each: Place) -> Iterator[str]:
    box, middle = each.box, each.width / 2
    middle -= 8 if box.inner is not None else 0
    lower = subtitle(box)
    y = 17 if lower else each.height / 2 + 4
    yield f'<text x="{middle:g}" y="{y:g}" font-size="{FONT:g}" text-anchor="middle">{_bold(title(box))}</text>'
    if lower:
        yield f'<text x="{middle:g}" y="32" font-size="{SMALL:g}" text-anchor="middle">{_text(lower)}</text>'
    if box.inner is not None:  # a plus in a square: there is a graph inside
        x = each.width - 18
        yield f'<path d="M{x:g} 6 h11 v11 h-11 z m2.5 5.5 h6 m-3 -3 v6" fill="none" stroke="{LINE}"/>'


def _label(text: str, at: Point, background: str) -> Iterator[str]:
    wide = width(text, SMALL)
    yield (
        f'<rect x="{at[0] - wide / 2:g}" y="{at[1] - 6:g}" width="{wide:g}" height="12" fill="{background}"/>'
        f'<text x="{at[0]:g}" y="{at[1] + 3.5:g}" font-size="{SMALL:g}" text-anchor="middle" fill="#3d4756">'
        f"{_text(text)}</text>"
    )


def _tip(box: Box) -> str:
    words = [box.path, box.kind, box.shape, f"weights of {box.shared}" if box.shared else "", box.note]
    return ", ".join(word for word in words if word)


def _bold(text: str) -> str:
    return f'<tspan font-weight="bold">{_text(text)}</tspan>'


def _small(text: str) -> str:
    return f'<tspan font-size="{SMALL:g}">{_text(text)}</tspan>'


def _text(text: str) -> str:
    """Text for XML, which has no control characters and no surrogates."""
    return escape("".join(c if c.isprintable() else " " for c in text))
